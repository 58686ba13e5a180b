"""Counters that count samples, turned into iterations: ⌈samples / batch size⌉ within each epoch.

A parser states the fact `counter` = `samples` where a log proves it (Keras up to 2.3 and tf.keras 2.0–2.1 on arrays;
`parsers/keras.py` has the proofs). Such a counter's epoch is N samples in ⌈N/B⌉ batches, the last one smaller; B is the
batch of all replicas. Without a batch size the iterations are not known, and how far the run came is told in samples.
"""

import polars as pl

from .stats import ceil_div, ratio

COUNTS_SAMPLES = pl.col("counter").eq("samples").fill_null(False)
COUNTS = ("iters_done", "iters_run", "superseded_iters", "checkpoint_iter")
PACES = ("s_per_iter", "s_per_iter_mean", "s_per_iter_p95", "s_per_iter_lo", "s_per_iter_hi")
OF_ATTEMPTS = ("first_iter", "last_iter", "last_record_iter", "start_iter", "checkpoint_iter", "resume_iter")


def iterations(samples: pl.Expr, per_epoch: pl.Expr, batch: pl.Expr) -> pl.Expr:
    """How many batches `samples`, counted on over epochs of `per_epoch`, were; null where a batch size is not known."""
    of_epochs = (samples // per_epoch) * ceil_div(per_epoch, batch) + ceil_div(samples % per_epoch, batch)
    return pl.when(per_epoch > 0).then(of_epochs).otherwise(ceil_div(samples, batch))


def whole_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs with iterations where their counters count samples, before anything is worked out from them.

    `runs` holds what `runs.gathered` and `resolve.wide` give (through `counting.whole`). Adds counted_samples and
    samples_per_epoch (the counter itself; null for other runs); num_samples is the counter's total where none is
    stated. The printed iterations per epoch are none: they are left null for the counting to infer.
    """
    batch, per_epoch = pl.col("batch_size"), pl.col("samples_per_epoch")
    kept = runs.with_columns(
        counted_samples=pl.when(COUNTS_SAMPLES).then("iters_done"),
        samples_per_epoch=pl.when(COUNTS_SAMPLES).then("log_iters_per_epoch"),
    )
    unsaid = pl.col("num_samples").is_null() & ~pl.col("num_samples_torn").fill_null(False) & per_epoch.is_not_null()
    counted = [
        pl.when(COUNTS_SAMPLES).then(iterations(pl.col(name), per_epoch, batch)).otherwise(name).alias(name)
        for name in COUNTS
    ]
    return kept.with_columns(
        *counted,
        *paced(batch),
        num_samples=pl.when(unsaid).then(per_epoch).otherwise("num_samples"),
        num_samples_from=pl.when(unsaid).then(pl.lit("log")).otherwise("num_samples_from"),
        log_iters_per_epoch=pl.when(~COUNTS_SAMPLES).then("log_iters_per_epoch"),
        log_iters_planned=pl.when(~COUNTS_SAMPLES).then("log_iters_planned"),
        line_iters=pl.when(COUNTS_SAMPLES).then(ceil_div(pl.col("line_iters"), batch)).otherwise("line_iters"),
    )


def paced(batch: pl.Expr) -> list[pl.Expr]:
    """Seconds per sample → seconds per iteration."""
    return [pl.when(COUNTS_SAMPLES).then(pl.col(name) * batch).otherwise(name).alias(name) for name in PACES]


def judged(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs behind `counting.count`: what the counter itself says of epochs and samples, which is exact."""
    seen, per_epoch = pl.col("counted_samples"), pl.col("samples_per_epoch")
    per_hour = pl.when(COUNTS_SAMPLES).then(ratio(pl.col("batch_size") * 3600.0, pl.col("s_per_iter")))
    return runs.with_columns(
        epochs_done=pl.coalesce(ratio(seen, per_epoch), "epochs_done"),
        samples_done=pl.coalesce(seen, "samples_done"),
        counted_per_hour=per_hour,
    )


def of_attempts(attempts: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Attempts with iterations where their counters count samples; `runs` from `whole_runs` on."""
    joined = attempts.join(runs.select("run_id", "counter", "batch_size"), on="run_id", how="left")
    batch, per_epoch = pl.col("batch_size"), pl.col("iters_per_epoch")
    done = iterations(pl.col("start_iter") + pl.col("iters"), per_epoch, batch)
    counted = [
        pl.when(COUNTS_SAMPLES).then(iterations(pl.col(name), per_epoch, batch)).otherwise(name).alias(name)
        for name in (*OF_ATTEMPTS, "superseded_iters")
    ]
    begun = iterations(pl.col("start_iter"), per_epoch, batch)
    return joined.with_columns(
        *counted,
        *paced(batch),
        iters=pl.when(COUNTS_SAMPLES).then(done - begun).otherwise("iters"),
        line_iters=pl.when(COUNTS_SAMPLES).then(ceil_div(pl.col("line_iters"), batch)).otherwise("line_iters"),
        iters_per_epoch=pl.when(~COUNTS_SAMPLES).then("iters_per_epoch"),
        iters_planned=pl.when(~COUNTS_SAMPLES).then("iters_planned"),
    ).drop("counter", "batch_size")


def as_counted(runs: pl.DataFrame) -> pl.DataFrame:
    """`runs` with the length of an epoch as its counter counts it, for what still holds the counter's own numbers."""
    return runs.with_columns(iters_per_epoch=pl.coalesce("samples_per_epoch", "iters_per_epoch"))


def of_epochs(spans: pl.DataFrame, measures: pl.DataFrame, runs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spans and measures of epochs (`epochs.spans`, `epochs.measures` of `as_counted` runs) in iterations. Epochs whose
    iterations are not known are left out."""
    known = runs.select("run_id", "counter", "samples_per_epoch", "batch_size", source="iters_per_epoch_from")
    of_run = spans.join(known, on="run_id", how="left")
    batch, per_epoch = pl.col("batch_size"), pl.col("samples_per_epoch")
    before = iterations(pl.col("first_iter") - 1, per_epoch, batch)
    in_iterations = of_run.with_columns(
        first_iter=pl.when(COUNTS_SAMPLES).then(before + 1).otherwise("first_iter"),
        last_iter=pl.when(COUNTS_SAMPLES)
        .then(iterations(pl.col("last_iter"), per_epoch, batch))
        .otherwise("last_iter"),
        iters_from=pl.when(COUNTS_SAMPLES).then("source").otherwise("iters_from"),
    )
    keys = ["log_id", "attempt", "cycle", "epoch"]
    scaled = measures.join(of_run.select(*keys, "counter", "batch_size"), on=keys, how="left").with_columns(
        paced(batch)[:2]
    )
    return (
        in_iterations.filter(pl.col("first_iter").is_not_null()).select(spans.columns),
        scaled.select(measures.columns),
    )
