"""How a run stands: finished, running, stalled, interrupted, failed or unknown, and why."""

from datetime import datetime

import polars as pl

from .words import brief, grouped, span

FAILURES = ("out_of_memory", "nccl", "disk_full", "traceback")  # the most telling first: a traceback follows most
ENDINGS = ("early_stop", "time_limit", "preempted", "node_failure", "cancelled", "killed", "completed")
ALIVE_S = 600.0  # a log this young belongs to a running process, unless it says otherwise
ALIVE_LINES = 5.0  # or one written within this many of its own line intervals
GONE_S = 6 * 3600.0  # a log older than this is not expected to go on
ZONES_S = 14 * 3600.0  # a stamp without a zone may lie this far from UTC


def last_words(events: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """What a run's last attempt says behind its last training record: run_id, failure_*, ending_*.

    An error further up was survived: training went on after it. That it is completed may stand before the last redraw
    of its bar.
    """
    spans = attempts.select("log_id", "first_line", "run_id", "turn", "last_record_line").sort("log_id", "first_line")
    turns = attempts.group_by("run_id").agg(turns=pl.col("turn").max())
    rank = pl.col("kind").replace_strict(
        {kind: i for i, kind in enumerate((*FAILURES, *ENDINGS))}, default=None, return_dtype=pl.Int32
    )
    restored = (
        events.filter(pl.col("kind") == "restore")
        .select("log_id", "line", restored_epoch=pl.col("epoch"))
        .sort("log_id", "line")
    )
    behind = pl.col("line") >= pl.col("last_record_line").fill_null(0)
    after = (
        events.filter(pl.col("kind").is_in([*FAILURES, *ENDINGS]))
        .sort("log_id", "line")
        .join_asof(spans, left_on="line", right_on="first_line", by="log_id", check_sortedness=False)
        .join(turns, on="run_id")
        .filter((pl.col("turn") == pl.col("turns")) & (behind | (pl.col("kind") == "completed")))
        .with_columns(rank=rank)
        .sort("log_id", "line")
        .join_asof(restored, on="line", by="log_id", strategy="forward", tolerance=3, check_sortedness=False)
        .sort("run_id", "rank", "line")
    )
    failed = pl.col("kind").is_in(FAILURES)
    return after.group_by("run_id", maintain_order=True).agg(
        failure=pl.col("kind").filter(failed).first(),
        failure_message=pl.col("message").filter(failed).first(),
        failure_log=pl.col("log_id").filter(failed).first(),
        failure_line=pl.col("line").filter(failed).first(),
        ending=pl.col("kind").filter(~failed).first(),
        ending_message=pl.col("message").filter(~failed).first(),
        ending_log=pl.col("log_id").filter(~failed).first(),
        ending_line=pl.col("line").filter(~failed).first(),
        ending_epoch=pl.col("epoch").filter(~failed).first(),
        restored_epoch=pl.col("restored_epoch").first(),
    )


def silence(now: datetime | None) -> pl.Expr:
    """Seconds since the log was last written: by its file, or by its last stamp where that is older in any time zone.

    A copied or checked-out log has a young file and old stamps.
    """
    utc = pl.lit(now, pl.Datetime("us", "UTC"))
    by_file = (utc - pl.col("modified_at")).dt.total_microseconds() / 1e6
    by_stamp = (utc.dt.replace_time_zone(None) - pl.col("ended_at")).dt.total_microseconds() / 1e6 - ZONES_S
    return pl.when(by_file.is_not_null()).then(pl.max_horizontal(by_file, by_stamp))


def place() -> pl.Expr:
    """How far the run came, in the counter that its log has: iterations, else updates, samples or epochs."""
    done, planned = pl.col("iters_done"), pl.col("iters_planned")
    updates = pl.when(done.is_null()).then("counted_updates")
    samples, of_samples = pl.col("counted_samples"), pl.col("samples_per_epoch") * pl.col("epochs_in_all")
    epochs, of_epochs = pl.col("epochs_done"), pl.col("epochs_in_all")
    ways = [
        pl.format("{} of {} updates", grouped(updates), grouped(pl.col("total_updates"))),
        pl.format("{} updates", grouped(updates)),
        pl.format("{} of {} iterations", grouped(done.fill_null(0)), grouped(planned)),
        pl.format("{} iterations", grouped(done)),
        pl.format("{} of {} samples", grouped(samples), grouped(of_samples)),
        pl.format("{} samples", grouped(samples)),
        pl.format("{} of {} epochs", brief(epochs), brief(of_epochs)),
        pl.format("epoch {}", brief(epochs.ceil())),
    ]
    return pl.coalesce(*ways, pl.lit("no iteration yet"))


def patience() -> pl.Expr:
    """The best epoch that an early stop names, and how many epochs without a better one it waited (Keras restores the
    best epoch's weights, and stops at the end of the epoch in which its patience is over)."""
    best, last = pl.col("restored_epoch"), pl.col("ending_epoch")
    told = pl.format("; the best epoch was {}", grouped(best))
    waited = pl.format("; the best epoch was {}, {} epochs before (patience)", grouped(best), grouped(last - best))
    return pl.coalesce(pl.when(last > best).then(waited), told, pl.lit(""))


def judge(runs: pl.DataFrame, now: datetime | None) -> pl.DataFrame:
    """Adds state, state_reason, ended_by.

    `runs` holds iters_done, iters_planned, epochs_done, epochs_in_all (of all cycles), counted_samples,
    samples_per_epoch, counted_updates, total_updates, line_iters, line_s, train_records, modified_at, grew, quotes,
    ended_at, evaluates and `last_words`. mmengine drops the last partial group of lines, so a run of 3,672 iterations
    ends with `[3670/3672]`: within one line interval of the plan it is finished, unless it fails there. `now` (UTC)
    tells running from stalled and interrupted by the age of the log; without it no run is called running. A young file
    alone proves no running process: a copy or a fresh clone is as young. It takes the log's own stamps, or a file that
    grew between two reads.
    """
    done, planned = pl.col("iters_done"), pl.col("iters_planned")
    age = silence(now)
    young = (age < pl.max_horizontal(pl.lit(ALIVE_S), pl.col("line_s") * ALIVE_LINES)).fill_null(False)
    clocked = pl.col("ended_at").is_not_null() | pl.col("grew").fill_null(False)
    alive = young & clocked
    by_epochs = done.is_null() & (pl.col("epochs_done") >= pl.col("epochs_in_all"))
    all_iterations = (done >= planned).fill_null(False)
    all_updates = (pl.col("counted_updates") >= pl.col("total_updates")).fill_null(False)
    reached = all_iterations | all_updates | by_epochs.fill_null(False)
    near = (planned - done < pl.col("line_iters")).fill_null(False) & (pl.col("train_records") > 0)
    failed = pl.col("failure").is_not_null()
    stopped = pl.col("ending").is_not_null()
    early = pl.col("ending").eq("early_stop").fill_null(False)
    completed = pl.col("ending").eq("completed").fill_null(False)
    evaluated = (pl.col("train_records") == 0) & pl.col("evaluates")
    before = (
        pl.when(pl.col("train_records") == 0)
        .then(pl.lit("before the first training record"))
        .otherwise(pl.format("at {}", place()))
    )
    idle = pl.format("the log was last written {} ago, {}", span(age), before)
    quiet = pl.format("the log ends {}, without a word why", before)
    unclocked = pl.format("it ends {}; without time stamps a young file may be a copy: read it again later", before)
    kind = pl.col("failure").str.replace_all("_", " ", literal=True)
    all_done = pl.coalesce(
        pl.when(all_iterations).then(pl.format("all {} iterations done", grouped(planned))),
        pl.when(all_updates).then(pl.format("all {} updates done", grouped(pl.col("total_updates")))),
        pl.format("all {} epochs done", brief(pl.col("epochs_in_all"))),
    )
    quoted = pl.lit("a few records in a long text of another kind: it may quote a log")
    verdicts: list[tuple[pl.Expr, str, pl.Expr]] = [
        (pl.col("quotes").fill_null(False), "unknown", quoted),
        (reached, "finished", all_done),
        (early, "finished", pl.concat_str(pl.format("early stop {}", before), patience())),
        (completed, "finished", pl.format("the log says that the training is done, {}", before)),
        (failed, "failed", pl.format("{} {}: {}", kind, before, pl.col("failure_message").fill_null("no message"))),
        (stopped, "interrupted", pl.format("{} {}", pl.col("ending").str.replace_all("_", " ", literal=True), before)),
        (alive, "running", pl.format("{}, written {} ago", place(), span(age))),
        (near, "finished", pl.format("{}, within one line interval of the plan", place())),
        (evaluated, "unknown", pl.lit("an evaluation: the log holds no training record")),
        (
            planned.is_null()
            & pl.col("total_updates").is_null()
            & (pl.col("epochs_planned").is_null() | pl.col("epochs_done").is_null())
            & (pl.col("train_records") > 0),
            "unknown",
            pl.format("the log does not say how much was planned; it ends {}", before),
        ),
        (((age < GONE_S) & ~clocked).fill_null(False), "unknown", unclocked),
        ((age < GONE_S).fill_null(False), "stalled", idle),
    ]
    state, reason = pl.lit("interrupted"), quiet
    for holds, name, why in reversed(verdicts):
        state = pl.when(holds).then(pl.lit(name)).otherwise(state)
        reason = pl.when(holds).then(why).otherwise(reason)
    by_plan = pl.when(pl.col("epochs_planned").is_not_null()).then(pl.lit("epochs")).otherwise(pl.lit("max_steps"))
    judged = runs.with_columns(state=state, state_reason=reason)
    return judged.with_columns(
        ended_by=pl.when(pl.col("state") == "finished")
        .then(pl.when(reached | ~(early | completed)).then(by_plan).when(early).then(pl.lit("early_stop")))
        .when(pl.col("state") == "failed")
        .then("failure")
        .when(pl.col("state") == "interrupted")
        .then("ending")
    )
