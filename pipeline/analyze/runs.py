"""The headline: one row per run, from its attempts and what is stated about it."""

from datetime import datetime

import polars as pl

from . import counting, pace, places, quotations, sample_counters, state, update_counters
from .stats import ratio
from .words import brief, grouped

HOUR = 3600.0


CYCLES = ("cycles", "cycles_planned")


def gathered(attempts: pl.DataFrame) -> pl.DataFrame:
    """One row per run from its attempts: counts of the last attempt that has them, times summed over all."""
    last = (
        pl.col(
            "last_iter", "iters_per_epoch", "iters_planned", "epochs_planned", "val_iters", "final_loss", "line_iters"
        )
        .drop_nulls()
        .last()
    )
    stamps_s = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6
    stamped = stamps_s.count() > 0
    wall = pl.max_horizontal(stamps_s.fill_null(0), pl.col("elapsed_s").fill_null(0))
    timed = (stamps_s.is_not_null() | pl.col("elapsed_s").is_not_null()).any()
    by_stamps = stamped & ~(pl.col("elapsed_s").fill_null(0) > stamps_s.fill_null(0)).any()
    ordered = attempts.sort("run_id", "turn")
    return (
        ordered.group_by("run_id", maintain_order=True)
        .agg(
            pl.col("log_id").first().alias("first_log"),
            pl.col("path").first(),
            pl.col("format").sort_by("train_records").last(),
            pl.len().cast(pl.Int32).alias("attempts"),
            pl.col("started_at").min(),
            pl.col("ended_at").max(),
            last,
            pl.col("line_s").drop_nulls().last(),
            pl.col("train_records", "eval_records").sum(),
            pl.col("checkpoint_iter").max(),
            pl.col("last_record_line").last(),
            pl.col("samples_seen").last(),
            pl.when(pl.col("last_iter").is_null().all())
            .then((pl.col("last_epoch") + pl.col("epochs_before").fill_null(0)).drop_nulls().last())
            .alias("named_epoch"),
            pl.when(pl.col("first_epoch").min() == 0).then(1).otherwise(0).alias("epochs_from_0"),
            pl.when(pl.col("iters").count() > 0).then(pl.col("iters").sum()).alias("iters_run"),
            pl.col("superseded_iters").sum(),
            # a bar's mean pace is that of stretches of equal time: it may give more than the bar took
            pl.min_horizontal(pl.col("iters") * pl.col("s_per_iter_mean"), "elapsed_s").sum().alias("counted_s"),
            pl.col("memory_peak_mib").max(),
            pl.col("nan_losses").sum(),
            # an attempt whose counter never started again is one turn of a run in which another's did
            pl.when(pl.col("cycles").is_not_null().any()).then(pl.col("cycles").fill_null(1).sum()).alias("cycles"),
            pl.when(timed).then(wall.sum()).alias("wall_s"),
            pl.when(timed)
            .then(pl.when(by_stamps).then(pl.lit("timestamps")).otherwise(pl.lit("log")))
            .alias("wall_s_from"),
        )
        .rename(
            {
                "last_iter": "iters_done",
                "iters_per_epoch": "log_iters_per_epoch",
                "iters_planned": "log_iters_planned",
                "epochs_planned": "log_epochs_planned",
                "val_iters": "log_val_iters",
            }
        )
    )


def assembled(
    attempts: pl.DataFrame,
    stated: pl.DataFrame,
    last_words: pl.DataFrame,
    best: pl.DataFrame,
    gpu: pl.DataFrame,
    members: pl.DataFrame,
    logs: pl.DataFrame,
) -> pl.DataFrame:
    """One row per run with what its logs and the user say, before anything is worked out from it.

    `stated` is `resolve.wide`; `members` (run_id, log_id) names all logs of a run, copies too; `gpu` holds
    gpu_util_mean_pct and power_mean_w per log_id.
    """
    frame = (
        gathered(attempts)
        .join(pace.pooled(attempts), on="run_id", how="left")
        .join(stated, on="run_id", how="left")
        .join(of_logs(members, logs, gpu), on="run_id", how="left")
        .join(last_words, on="run_id", how="left")
        .join(best, on="run_id", how="left")
    )
    return sample_counters.whole_runs(counting.defaults(counting.planned_cycles(counting.whole(frame))))


def headline(said: pl.DataFrame, agreed: pl.DataFrame, logs: pl.DataFrame, now: datetime | None) -> pl.DataFrame:
    """One row per run with every column of RUNS and those that findings and epochs need beside them.

    `said` is `assembled` with `fraction` (`trainer_lines.reached`), `agreed` what all explanations of a run agree on
    (`verdicts.Judged.agreed`).
    """
    counted = counting.count(update_counters.whole_runs(counting.inferred(said, agreed)))
    frame = update_counters.judged(sample_counters.judged(counted))
    frame = frame.with_columns(epochs_done=epochs_done())
    frame = state.judge(frame.with_columns(evaluates=pl.col("eval_records") > 0), now)
    return caveats(rates(named(frame, logs))).sort("started_at", "name", nulls_last=True)


def epochs_done() -> pl.Expr:
    """Epochs done by count, else as far as the records name them: a record without a counter within the epoch stands at
    its end, one that counts the epoch's samples so far into it, and a printed fraction is one. Epochs may be counted
    from 0."""
    named = pl.col("named_epoch") + pl.col("epochs_from_0")
    share = (pl.col("samples_seen") / pl.col("num_samples")).fill_null(0)
    inside = pl.when(pl.col("samples_seen").is_null()).then(named).otherwise(named - 1 + share)
    return pl.coalesce("epochs_done", "fraction", inside.cast(pl.Float64))


def of_logs(members: pl.DataFrame, logs: pl.DataFrame, gpu: pl.DataFrame) -> pl.DataFrame:
    """What the files of a run say: run_id, log_paths, owner, modified_at, whether one grew between two reads, and the
    telemetry that stands in them."""
    grew = pl.col("bytes") > pl.col("bytes_before")
    of_log = logs.select("log_id", "path", "owner", "modified_at", grew=grew, quotes=quotations.quotes())
    joined = members.join(of_log, on="log_id").sort("run_id", "path")
    return (
        joined.join(gpu, on="log_id", how="left")
        .group_by("run_id", maintain_order=True)
        .agg(
            pl.col("path").unique(maintain_order=True).alias("log_paths"),
            pl.col("owner").drop_nulls().first(),
            pl.col("modified_at").max(),
            pl.col("grew").any(),
            pl.col("quotes").all(),
            pl.col("gpu_util_mean_pct", "power_mean_w").mean(),
        )
    )


def named(frame: pl.DataFrame, logs: pl.DataFrame) -> pl.DataFrame:
    stems = places.places(logs).select(first_log="log_id", stem="stem")
    calling = places.names(frame.select("run_id", "path", "first_log").join(stems, on="first_log", how="left"))
    return (
        frame.rename({"experiment": "told_experiment"})
        .join(calling.select("run_id", "name", "experiment"), on="run_id")
        .with_columns(experiment=pl.coalesce("told_experiment", "experiment"))
    )


def rates(frame: pl.DataFrame) -> pl.DataFrame:
    """Hours, samples per hour, GPU hours and what is left to do.

    samples_per_hour = samples_done / wall hours; train_samples_per_hour = batch_size · world_size · 3600 / s_per_iter.
    """
    hours = pl.col("wall_s") / HOUR
    left = pl.when(pl.col("state") == "running").then(
        pl.coalesce(
            (pl.col("iters_planned") - pl.col("iters_done")).clip(0) * pl.col("s_per_iter_mean"),
            (pl.col("total_updates") - pl.col("counted_updates")).clip(0) * pl.col("s_per_update"),
        )
    )
    to_go = pl.duration(microseconds=(pl.col("eta_s") * 1e6).round().cast(pl.Int64))
    return frame.with_columns(
        train_s=pl.coalesce(pl.col("iters_run") * pl.col("s_per_iter_mean"), "updates_s"),
        samples_per_hour=ratio(pl.col("samples_done"), hours),
        train_samples_per_hour=pl.coalesce(
            "counted_per_hour", ratio(pl.col("batch_size") * pl.col("world_size") * HOUR, pl.col("s_per_iter"))
        ),
        gpu_hours=pl.col("world_size") * hours,
        gpu_hours_held=pl.col("gpus_visible") * hours,
        eta_s=left,
        s_per_iter_n=pl.col("s_per_iter_n").fill_null(0),
        hosts=pl.when(pl.col("host").is_not_null())
        .then(pl.concat_list("host"))
        .otherwise(pl.lit([], pl.List(pl.String))),
        val_iters=pl.coalesce("log_val_iters", pl.col("val_iters").cast(pl.Int64)),
    ).with_columns(
        samples_per_hour_from=pl.when(pl.col("samples_per_hour").is_not_null()).then("wall_s_from"),
        finish_at=pl.col("ended_at") + to_go,
        val_samples=pl.col("val_samples").cast(pl.Int64),
        gpus_visible=pl.col("gpus_visible").cast(pl.Int32),
    )


def caveats(frame: pl.DataFrame) -> pl.DataFrame:
    """`caveats`: short sentences on what limits the numbers and what the logs do not say."""
    trained = pl.col("train_records") > 0
    bar = pl.col("format") == "tqdm"
    allowed = pl.format("between {} and {}", grouped(pl.col("samples_lo")), grouped(pl.col("samples_hi")))
    unsaid = [
        (pl.col(name).is_null() & trained, pl.lit(text))
        for name, text in (
            ("world_size", "The number of ranks is not said: hours of GPUs and samples per update are open."),
            ("batch_size", "The batch size is not said: samples per hour are open."),
            ("grad_accum", "Accumulation is not said: updates are open."),
            ("iters_per_epoch", "Iterations per epoch are not said."),
            ("iters_planned", "How many iterations were planned is not said."),
        )
    ]
    no_samples = pl.col("num_samples").is_null() & trained
    narrow = (pl.col("samples_hi") < 2 * pl.col("samples_lo")).fill_null(False)
    of_updates = update_counters.COUNTS_UPDATES
    unclear = pl.col("iters_done").is_null()
    counter = pl.when(bar).then(pl.lit("bar")).otherwise(pl.lit("log"))
    sentences = [
        *(
            (of_updates & trained & holds, pl.format(text, counter))
            for holds, text in (
                (~unclear & bar, "The {} counts updates, which are iterations: accumulation is 1."),
                (~unclear & ~bar, "The {} counts updates: iterations are those by the accumulation."),
                (
                    unclear & pl.col("grad_accum").is_null(),
                    "The {} counts updates: without the accumulation iterations and their pace are open.",
                ),
                (
                    unclear & pl.col("grad_accum").is_not_null(),
                    "The {} counts updates: how many iterations are done is open, for it is not known what becomes of "
                    "an epoch's last window. Seconds per iteration are those of an update divided by the accumulation.",
                ),
            )
        ),
        (
            bar & trained & ~of_updates,
            pl.lit("What the bar counts is not known: it is taken for training iterations of one rank."),
        ),
        (
            no_samples & narrow,
            pl.format("The number of samples is not said: the iterations per epoch allow {}.", allowed),
        ),
        (no_samples & ~narrow, pl.lit("The number of samples is not said.")),
        *unsaid,
        (
            pl.col("grad_accum_default").fill_null(False),
            pl.lit("The configuration sets no accumulation: the default of 1 is taken."),
        ),
        *(
            (sample_counters.COUNTS_SAMPLES & known, pl.lit(text))
            for known, text in (
                (pl.col("batch_size").is_null(), "The bar counts samples: without a batch size iterations are open."),
                (
                    pl.col("batch_size").is_not_null(),
                    "The bar counts samples: iterations are these divided by the batch size, each epoch rounded up.",
                ),
            )
        ),
        (
            (pl.col("iters_per_epoch_from").eq("inferred") & ~sample_counters.COUNTS_SAMPLES).fill_null(False),
            pl.lit("Iterations per epoch are computed from samples, batch size, ranks and sampler, not printed."),
        ),
        (
            (pl.col("iters_per_epoch_from").eq("config") & pl.col("log_iters_per_epoch").is_null()).fill_null(False),
            pl.lit("Iterations per epoch are the printed total divided by the configured epochs."),
        ),
        (
            pl.col("s_per_iter_from").eq("log").fill_null(False) & ~bar,
            pl.lit(
                "Seconds per iteration are as printed, means of the last ten iterations: the stamps tell it no finer."
            ),
        ),
        (
            pl.col("s_per_iter_from").eq("log").fill_null(False) & bar,
            pl.lit("Seconds per iteration are the bar's printed rate, which is smoothed until the bar closes."),
        ),
        (
            pl.col("wall_s_from").eq("log").fill_null(False) & bar,
            pl.lit("Wall time is the sum of what the bars print as elapsed: time between bars is not in it."),
        ),
        (pl.col("wall_s").is_null() & trained, pl.lit("No time stamps: wall time and samples per hour are open.")),
        (
            pl.col("cycles").is_not_null(),
            pl.format(
                "The epoch counter starts again {} times while the model goes on: {}",
                grouped(pl.col("cycles") - 1),
                pl.coalesce(
                    pl.format("{} of {} planned cycles of one run.", *map(grouped, map(pl.col, CYCLES))),
                    pl.format(
                        "{} cycles of one run. How many were planned is not said: the plan is that of the cycles "
                        "begun.",
                        grouped(pl.col("cycles")),
                    ),
                ),
            ),
        ),
        ((pl.col("attempts") > 1), pl.lit("Wall time is summed over attempts: the gaps between them are not in it.")),
        (
            (pl.col("attempts") > 1) & (pl.col("s_per_iter_n") > 0),
            pl.lit("The median pace of several attempts is the mean of theirs, weighted by their lines."),
        ),
        (
            (pl.col("sequence_parallel") > 1).fill_null(False),
            pl.format(
                "{} ranks share each sample (sequence parallel): samples per update are divided by it.",
                brief(pl.col("sequence_parallel")),
            ),
        ),
        *(
            (pl.col(f"{name}_torn").fill_null(False), pl.lit(f"{name}: the log states several values, none is taken."))
            for name in ("num_samples", "batch_size", "world_size", "grad_accum", "epochs_planned")
        ),
    ]
    parts = [pl.when(holds).then(text) for holds, text in sentences]
    return frame.with_columns(caveats=pl.concat_list(parts).list.drop_nulls())
