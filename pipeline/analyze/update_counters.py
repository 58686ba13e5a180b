"""Bars that count optimizer updates: what they say of updates is exact, what of iterations follows only with A = 1.

The bars of the Hugging Face Trainer (transformers 4.20 to 5.x) and of accelerate's example scripts count updates over
all ranks, one bar for the whole run, and their header states the total: `Total optimization steps = T`. A bar whose
total is a stated number of updates is taken for such a one. It begins anew with each process, never with an epoch.

U updates are U·A iterations only where windows end with no epoch, which differs between versions
(`identities.UPDATES`): with A > 1 the iterations done stay unknown, and those planned are left to the counting.

Records of text may count updates alone too (`engines`): DeepSpeed's, whose windows end with no epoch.
"""

import polars as pl

from .stats import ratio
from .timeline import BARS

COUNTS_UPDATES = pl.col("counter").eq("updates").fill_null(False)
IS_BAR = pl.col("format").is_in(BARS)
NO_EPOCH = pl.col("last_epoch").is_null()  # of a bar's attempt: it counts updates (`bars.spoken_turns`)
STATED = "updates_planned"
COUNTS = ("iters_done", "iters_run", "superseded_iters", "checkpoint_iter")
PACES = ("s_per_iter", "s_per_iter_mean", "s_per_iter_p95", "s_per_iter_lo", "s_per_iter_hi")
OF_ATTEMPTS = (
    *("iters", "superseded_iters", "start_iter", "first_iter", "last_iter", "last_record_iter", "checkpoint_iter"),
    *("resume_iter", "line_iters", "iters_planned"),
)


def totals(facts: pl.LazyFrame) -> pl.LazyFrame:
    """The numbers of updates that logs and user state: log_id, total, told (in a header, as a result)."""
    stated = facts.filter(pl.col("name") == STATED)
    number = pl.col("number").cast(pl.Int64, strict=False)
    return stated.group_by("log_id", total=number).agg(told=(pl.col("source") == "log").any()).drop_nulls()


def with_lines(stated: pl.DataFrame, of_lines: pl.DataFrame) -> pl.DataFrame:
    """`stated` (of `totals`) and the totals of bars behind the Trainer's lines, which nobody has to state:
    `of_lines` marks them, and they are told."""
    marked = of_lines.with_columns(of_lines=pl.lit(value=True))
    both = stated.join(marked, on=["log_id", "total"], how="full", coalesce=True)
    of_line = pl.col("of_lines").fill_null(value=False)
    return both.with_columns(told=of_line | pl.col("told").fill_null(value=False), of_lines=of_line)


def statements(attempts: pl.DataFrame, by_updates: pl.DataFrame) -> pl.DataFrame:
    """What the bars of `attempts` and the records of `by_updates` (log_id, format) count, as facts beside those of the
    logs: `counter` = `updates`, at their begin."""
    bars = attempts.filter(IS_BAR & NO_EPOCH)
    records = attempts.join(by_updates, on=["log_id", "format"], how="semi")
    return pl.concat([bars, records]).select(
        "log_id",
        name=pl.lit("counter"),
        value=pl.lit("updates"),
        number=pl.lit(None, pl.Float64),
        source=pl.lit("log"),
        line="first_record_line",
    )


def in_iterations(name: str) -> pl.Expr:
    """The column in iterations: as it is where each of them is an update, null where they are not known."""
    return pl.when(~COUNTS_UPDATES | (pl.col("grad_accum") == 1)).then(name).alias(name)


def counted_on(name: str) -> pl.Expr:
    """The count in iterations: records that count updates alone are those of engines whose windows go on over the end
    of an epoch (DeepSpeed), so that U updates are U·A iterations."""
    return pl.when(COUNTS_UPDATES & ~IS_BAR).then(pl.col(name) * pl.col("grad_accum")).otherwise(in_iterations(name))


def counted_rows(
    rows: pl.DataFrame, speaking: pl.DataFrame, attempts: pl.DataFrame, runs: pl.DataFrame
) -> pl.DataFrame:
    """`rows` with `done` in iterations in logs whose records count updates alone; null there without A."""
    of_runs = runs.filter(COUNTS_UPDATES).select("run_id", "grad_accum")
    of_logs = attempts.filter(~IS_BAR).join(of_runs, on="run_id").join(speaking.select("log_id", "log"), on="log_id")
    logs = of_logs.select("log", "grad_accum", alone=True).unique("log")
    if not logs.height:
        return rows
    joined = rows.join(logs, on="log", how="left", maintain_order="left")
    done = pl.when("alone").then(pl.col("done") * pl.col("grad_accum")).otherwise("done")
    return joined.with_columns(done=done).drop("grad_accum", "alone")


def paced() -> list[pl.Expr]:
    """Seconds per update → seconds per iteration."""
    accumulated = pl.when(COUNTS_UPDATES).then("grad_accum").otherwise(1)
    return [(pl.col(name) / accumulated).alias(name) for name in PACES]


def whole_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs with iterations where their counters count updates, before anything is worked out from them.

    `runs` is what `counting.inferred` gives. Adds counted_updates and total_updates, the counter itself, and the
    seconds that it took: updates_s in all attempts, s_per_update on average. All are null for other runs. The total is
    that of the run, never of an epoch.
    """
    kept = runs.with_columns(
        counted_updates=pl.when(COUNTS_UPDATES).then("iters_done"),
        total_updates=pl.when(COUNTS_UPDATES).then("log_iters_per_epoch"),
        updates_s=pl.when(COUNTS_UPDATES).then("counted_s"),
        s_per_update=pl.when(COUNTS_UPDATES).then("s_per_iter_mean"),
    )
    total = pl.when(COUNTS_UPDATES & (pl.col("grad_accum") == 1)).then("total_updates")
    return kept.with_columns(
        *(counted_on(name).alias(name) for name in COUNTS),
        *paced(),
        s_per_iter_from=pl.when(~COUNTS_UPDATES | pl.col("grad_accum").is_not_null()).then("s_per_iter_from"),
        s_per_iter_n=pl.when(~COUNTS_UPDATES | pl.col("grad_accum").is_not_null()).then("s_per_iter_n"),
        log_iters_per_epoch=pl.when(~COUNTS_UPDATES).then("log_iters_per_epoch"),
        log_iters_planned=pl.when(~COUNTS_UPDATES).then("log_iters_planned").otherwise(total),
    )


def judged(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs behind `counting.count`: what the counter itself says of updates.

    Epochs follow where an epoch's updates hold all of its iterations (I ≤ A · updates an epoch): then no window goes
    on over its end, and a started epoch has done A iterations an update.
    """
    done, per_epoch = pl.col("counted_updates"), pl.col("updates_per_epoch")
    ends = pl.col("iters_per_epoch") <= pl.col("grad_accum") * per_epoch
    begun = (done % per_epoch) * pl.col("grad_accum")
    epochs = pl.when(ends & (per_epoch == per_epoch.floor())).then(
        (done // per_epoch) + ratio(begun, pl.col("iters_per_epoch"))
    )
    return runs.with_columns(
        updates_done=pl.coalesce(done, "updates_done"),
        updates_done_from=pl.when(COUNTS_UPDATES).then(pl.lit("log")).otherwise("updates_done_from"),
        updates_planned=pl.coalesce("total_updates", "updates_planned"),
        epochs_done=pl.coalesce("epochs_done", epochs),
    )


def as_counted(runs: pl.DataFrame) -> pl.DataFrame:
    """`runs` without the length of an epoch where attempts are counted in updates: epochs cannot be told apart."""
    return runs.with_columns(in_iterations("iters_per_epoch"))


def of_attempts(attempts: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Attempts with iterations where their counters count updates; `runs` from `whole_runs` on."""
    joined = attempts.join(runs.select("run_id", "counter", "grad_accum"), on="run_id", how="left")
    return joined.with_columns(
        *(counted_on(name).alias(name) for name in OF_ATTEMPTS),
        *paced(),
        iters_per_epoch=pl.when(~COUNTS_UPDATES).then("iters_per_epoch"),
    ).drop("counter", "grad_accum")
