"""What needs a look: sentences with their numbers and the line that shows them.

Thin on purpose: each rule is one function from frames to rows of FINDINGS; efficiency and timelines add theirs later.
"""

from collections.abc import Sequence

import polars as pl

from .claims import NAMES
from .words import grouped, span

COLUMNS = ["run_id", "code", "severity", "message", "advice", "log_id", "line"]
SPOKEN = {
    "num_samples": "samples",
    "batch_size": "batch size",
    "world_size": "ranks",
    "grad_accum": "accumulation",
    "epochs_planned": "epochs",
    "iters_planned": "iterations in all",
    "iters_per_epoch": "iterations per epoch",
}


def rows(
    frame: pl.DataFrame,
    code: str,
    severity: str,
    message: pl.Expr,
    advice: str | pl.Expr | None = None,
    log: str = "first_log",
    line: str | None = None,
) -> pl.DataFrame:
    return frame.select(
        "run_id",
        code=pl.lit(code),
        severity=pl.lit(severity),
        message=message,
        advice=advice if isinstance(advice, pl.Expr) else pl.lit(advice, pl.String),
        log_id=pl.col(log),
        line=pl.col(line) if line else pl.lit(None, pl.Int64),
    )


def table(
    runs: pl.DataFrame,
    attempts: pl.DataFrame,
    conflicts: pl.DataFrame,
    more: Sequence[pl.DataFrame] = (),
) -> pl.DataFrame:
    """All findings of all runs, in order. `runs` is `runs.headline`, `conflicts` from `resolve.conflicts`; `more` are
    the rows of FINDINGS that other rooms give."""
    return pl.concat(
        [
            failed(runs),
            lost(runs),
            nan_loss(attempts),
            idle_gpus(runs),
            claimed(conflicts, runs),
            disagreeing(conflicts, runs),
            redone(attempts),
            *(part.select(COLUMNS) for part in more),
        ]
    ).sort(
        "run_id",
        pl.col("severity").replace_strict({"error": 0, "warning": 1, "info": 2}, return_dtype=pl.Int8),
        "code",
        "line",
        "message",
    )


def failed(runs: pl.DataFrame) -> pl.DataFrame:
    """A run that ended with an error, or was ended, with its last words."""
    errors = runs.filter(pl.col("state") == "failed")
    stopped = runs.filter((pl.col("state") == "interrupted") & pl.col("ending").is_not_null())
    silent = runs.filter((pl.col("state") == "interrupted") & pl.col("ending").is_null())
    reason = pl.col("state_reason")
    return pl.concat(
        [
            rows(errors, "failed", "error", pl.format("failed: {}", reason), log="failure_log", line="failure_line"),
            rows(
                stopped,
                "interrupted",
                "warning",
                pl.format("interrupted: {}", reason),
                log="ending_log",
                line="ending_line",
            ),
            rows(
                silent,
                "interrupted",
                "warning",
                reason,
                "Look into the scheduler's output: the log itself does not say why.",
                line="last_record_line",
            ),
        ]
    )


def lost(runs: pl.DataFrame) -> pl.DataFrame:
    """Training that left no checkpoint behind."""
    none = runs.filter(
        pl.col("state").is_in(["failed", "interrupted"])
        & pl.col("checkpoint_iter").is_null()
        & (pl.col("train_records") > 0)
        & (pl.col("format") == "mmengine")
    )
    message = pl.format("no checkpoint yet: {} of training lost", pl.coalesce(span(pl.col("wall_s")), pl.lit("all")))
    return rows(
        none, "no_checkpoint", "error", message, "Save checkpoints more often.", log="failure_log", line="failure_line"
    ).with_columns(log_id=pl.coalesce("log_id", none["first_log"]))


def nan_loss(attempts: pl.DataFrame) -> pl.DataFrame:
    """Train losses that are no finite numbers."""
    hit = attempts.filter(pl.col("nan_losses") > 0)
    message = pl.format("{} of the printed train losses are NaN or infinite", grouped(pl.col("nan_losses")))
    return rows(
        hit,
        "nan_loss",
        "error",
        message,
        "Nothing learnt after the first of them can be trusted.",
        log="log_id",
        line="nan_loss_line",
    )


def idle_gpus(runs: pl.DataFrame) -> pl.DataFrame:
    """More GPUs visible than data-parallel ranks counted, or stated by the user."""
    told = pl.col("world_size_from") == "user"
    places = [pl.when(told).then(f"gpus_visible_{of}").otherwise(f"world_size_{of}") for of in ("log", "line")]
    hit = runs.filter(pl.col("gpus_visible") > pl.col("world_size")).with_columns(
        at_log=places[0],
        at_line=places[1],
        how=pl.when(told).then(pl.lit("stated by you")).otherwise(pl.lit("counted")),
    )
    many = pl.when(pl.col("world_size") == 1).then(pl.lit("rank")).otherwise(pl.lit("ranks"))
    plain = pl.format("{} GPUs visible, {} {} {}", "gpus_visible", "world_size", many, "how")
    would = pl.col("global_batch") // pl.col("world_size") * pl.col("gpus_visible")
    batch = pl.format("{}: {} samples per update, not {}", plain, grouped(pl.col("global_batch")), grouped(would))
    advice = (
        "If all of them were meant to train, start one process per GPU; else hold fewer. Telemetry per GPU tells; one "
        "model split over all of them looks the same."
    )
    return rows(hit, "gpus_unused", "warning", pl.coalesce(batch, plain), advice, log="at_log", line="at_line")


def shown(value: str, source: str, line: str) -> pl.Expr:
    by = pl.col(source).replace({"log": "the log", "config": "the configuration", "user": "you"})
    return (
        pl.when(pl.col(line).is_null())
        .then(pl.format("{} ({})", value, by))
        .otherwise(pl.format("{} ({}, line {})", value, by, line))
    )


def spoken() -> pl.Expr:
    return pl.col("name").replace(SPOKEN)


def claimed(conflicts: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """What the user states and a log contradicts; of what is counted with, the counting says more."""
    counted = pl.col("name").is_in(NAMES)
    hit = conflicts.filter((pl.col("source") == "user") & ~counted & pl.col("run_id").is_in(runs["run_id"].implode()))
    message = pl.format("{}: you say {}, but {}", spoken(), "text", shown("text_b", "source_b", "line_b"))
    return rows(
        hit,
        "contradicted",
        "warning",
        message,
        "Your value is used. Take it back if the log is right.",
        log="log_id_b",
        line="line_b",
    )


def disagreeing(conflicts: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Two statements of a log about one fact that differ, both lines shown. A number of epochs that is the number of
    the run's cycles counts these."""
    of_runs = conflicts.join(runs.select("run_id", "cycles"), on="run_id", how="left", maintain_order="left")
    outer = (pl.col("name") == "epochs_planned") & (pl.col("text_b") == pl.col("cycles").cast(pl.String))
    hit = of_runs.filter(
        (pl.col("source") != "user") & pl.col("name").is_in(list(SPOKEN)) & ~outer.fill_null(value=False)
    )
    message = pl.format(
        "{}: {} or {}", spoken(), shown("text", "source", "line"), shown("text_b", "source_b", "line_b")
    )
    return rows(
        hit,
        "conflict",
        "warning",
        message,
        "Say which one holds: --set NAME=VALUE or trainqc.toml.",
        log="log_id_b",
        line="line_b",
    )


def redone(attempts: pl.DataFrame) -> pl.DataFrame:
    """Iterations done twice, because a later attempt went on from an earlier point."""
    hit = attempts.filter(pl.col("superseded_iters") > 0)
    took = span(pl.col("superseded_iters") * pl.col("s_per_iter"))
    plain = pl.format("{} iterations done twice after a restart; counted once", grouped(pl.col("superseded_iters")))
    timed = pl.format(
        "{} iterations done twice after a restart ({}); counted once", grouped(pl.col("superseded_iters")), took
    )
    return rows(hit, "redone", "info", pl.coalesce(timed, plain), log="log_id", line="last_record_line")
