"""The epochs of each run: their iterations by counting, their pace and learning rate from the rows inside them."""

import polars as pl

from . import pace
from .stats import product, ratio

MOST = 1_000_000  # epochs of one run; a count beyond this is a misread counter, not a list anybody wants


def spans(attempts: pl.DataFrame, runs: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """One row per attempt, cycle and epoch: run_id, log_id, attempt, turn, cycle, epoch, global first and last_iter.

    Epochs follow from the count alone: epoch e holds iterations (e − 1)·I + 1 … e·I, in a cycle counted from its base.
    Those between two printed lines are there too. `runs` holds run_id, iters_per_epoch, iters_per_epoch_from; `cycles`
    is `cycles.table`. Attempts without I have no epochs here.
    """
    known = (
        in_cycles(attempts, cycles)
        .join(runs.select("run_id", per_epoch="iters_per_epoch", iters_from="iters_per_epoch_from"), on="run_id")
        .filter(
            (pl.col("per_epoch") > 0)
            & (pl.col("last_iter") < MOST * pl.col("per_epoch").cast(pl.Float64))
            & (pl.col("last_iter") > pl.col("start_iter"))
        )
    )
    base = pl.col("base")
    first = (pl.col("start_iter") - base) // pl.col("per_epoch") + 1
    last = (pl.col("last_iter") - base - 1) // pl.col("per_epoch") + 1
    return (
        known.with_columns(epoch=pl.int_ranges(first, last + 1))
        .explode("epoch")
        .with_columns(
            first_iter=pl.max_horizontal(base + (pl.col("epoch") - 1) * pl.col("per_epoch"), "start_iter") + 1,
            last_iter=pl.min_horizontal(base + pl.col("epoch") * pl.col("per_epoch"), "last_iter"),
        )
        .select("run_id", "log_id", "attempt", "turn", "cycle", "epoch", "first_iter", "last_iter", "iters_from")
    )


def in_cycles(attempts: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """One row per attempt and cycle (1 where there is none): `cycle`, `base`, and the cycle's start_iter, last_iter."""
    turned = attempts.filter(pl.col("cycles").is_not_null()).select("log_id", "attempt")
    borders = cycles.join(turned, on=["log_id", "attempt"], how="semi").select(
        "log_id", "attempt", "cycle", "base", from_iter=pl.col("first_iter") - 1, to_iter="last_iter"
    )
    return attempts.join(borders, on=["log_id", "attempt"], how="left").with_columns(
        pl.col("cycle").fill_null(1),
        pl.col("base").fill_null(0),
        start_iter=pl.max_horizontal("start_iter", "from_iter"),
        last_iter=pl.min_horizontal("last_iter", "to_iter"),
    )


def measures(
    rows: pl.DataFrame, cuts: pl.DataFrame, attempts: pl.DataFrame, runs: pl.DataFrame, speaking: pl.DataFrame
) -> pl.DataFrame:
    """Per attempt and epoch: pace, first and last learning rate, validation time; keys log_id, attempt, cycle, epoch.

    `rows` carry aid, cycle, base and `pace.values`. Where the rows name no epoch, it follows from the global iteration;
    a validation belongs to the epoch of the training row before it, and takes its mean time times its iterations.
    """
    per_epoch = (
        cuts.select("aid", "log", "attempt")
        .join(speaking.select("log", "log_id"), on="log")
        .join(attempts.select("log_id", "attempt", "run_id"), on=["log_id", "attempt"])
        .join(runs.select("run_id", i="iters_per_epoch"), on="run_id")
        .select("aid", "log_id", "attempt", "i")
    )
    before = pl.when("train").then("done").otherwise(None).forward_fill().over("aid", "cycle")
    ended = pl.col("val") & pl.col("s_per_iter").is_not_null() & (pl.col("iter") == pl.col("iters_per_epoch"))
    return (
        rows.select(
            "aid",
            "train",
            "val",
            "epoch",
            "iter",
            "iters_per_epoch",
            "cycle",
            pl.col("done") - pl.col("base"),
            "s_per_iter",
            "data_s_per_iter",
            "lr",
            "value",
            "clean",
            "few",
            "by_clock",
        )
        .with_columns(before=before)
        .lazy()
        .join(per_epoch.lazy(), on="aid", maintain_order="left")
        .with_columns(
            epoch=pl.coalesce(
                pl.when(pl.col("i") > 0).then((pl.col("before") - 1) // pl.col("i") + 1), pl.col("epoch").cast(pl.Int64)
            )
        )
        .filter(pl.col("epoch").is_not_null())
        .group_by("log_id", "attempt", "cycle", "epoch")
        .agg(
            *pace.aggregates()[:2],
            pl.col("lr").filter("train").drop_nulls().first().alias("lr_first"),
            pl.col("lr").filter("train").drop_nulls().last().alias("lr_last"),
            pl.when(ended.any()).then((pl.col("s_per_iter") * pl.col("iter")).filter(ended).sum()).alias("val_s"),
        )
        .collect()
    )


def table(spans: pl.DataFrame, measures: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The rows of EPOCHS. Updates count the ends of accumulation windows inside the epoch, which straddle its borders;
    the last iteration of the run flushes a partial one (mmengine). Samples are those drawn, padding left out.
    """
    facts = runs.select(
        "run_id",
        "grad_accum",
        "iters_planned",
        "num_samples",
        "batch_size",
        "world_size",
        "updates_done",
        "cycles",
        a="grad_accum",
    )
    first, last, a = pl.col("first_iter"), pl.col("last_iter"), pl.col("a")
    iters = last - first + 1
    flushed = ((last == pl.col("iters_planned")) & (last % a != 0)).fill_null(False)
    drawn = pl.min_horizontal(product(iters, pl.col("batch_size"), pl.col("world_size")), "num_samples")
    train_s = iters * pl.col("s_per_iter_mean")
    return (
        spans.join(measures, on=["log_id", "attempt", "cycle", "epoch"], how="left")
        .join(facts, on="run_id")
        .select(
            "run_id",
            attempt="turn",
            cycle=pl.when(pl.col("cycles").is_not_null()).then("cycle"),
            epoch=pl.col("epoch").cast(pl.Int32),
            first_iter=first,
            last_iter=last,
            iters=iters,
            iters_from="iters_from",
            updates=pl.when(pl.col("updates_done").is_not_null()).then(
                (last // a - (first - 1) // a + flushed.cast(pl.Int64)).cast(pl.Float64)
            ),
            train_s=train_s,
            val_s="val_s",
            s_per_iter="s_per_iter",
            samples_per_hour=pl.when(pl.col("num_samples").is_not_null()).then(ratio(drawn * 3600.0, train_s)),
            lr_first="lr_first",
            lr_last="lr_last",
        )
        .sort("run_id", "attempt", "cycle", "epoch")
    )
