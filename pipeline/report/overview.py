"""What somebody with many runs is told, before any rendering: which need a look, one line per run, what no log says.

Pure: tables in, frozen dataclasses out. The index page, the end of a run on the terminal and `--json` all show it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from . import words

Row = dict[str, Any]

# what makes the counting and the pace complete; the order is the order in which it is named
NEEDED = ("grad_accum", "world_size", "num_samples", "batch_size")

EARLIEST = datetime(1, 1, 1)  # noqa: DTZ001 (logs' clocks name no zone)

_SEVERITY_RANK = {"error": 0, "warning": 1, "info": 2}
_STATE_SEVERITY = {"failed": "error", "stalled": "warning", "interrupted": "warning"}


@dataclass(frozen=True, eq=False)
class FleetTables:
    """The tables that are small enough to be read whole, conformed to their contracts."""

    runs: pl.DataFrame
    findings: pl.DataFrame
    attempts: pl.DataFrame
    logs: pl.DataFrame


@dataclass(frozen=True)
class Look:
    """Something about a run that needs a person: `where` is path:line of the log, empty where no line shows it."""

    run_id: str
    run: str
    severity: str
    message: str
    advice: str
    where: str
    code: str = ""


@dataclass(frozen=True)
class RunLine:
    """A run in one line. Numbers are as in `runs`; None is unknown."""

    run_id: str
    run: str
    state: str
    state_reason: str | None
    progress: str
    progress_unit: str
    progress_fraction: float | None
    s_per_iter: float | None
    samples_per_hour: float | None
    updates_done: int | None
    wall_s: float | None
    gpu_hours: float | None
    gpu_hours_held: float | None
    best: str
    started_at: datetime | None
    ended_at: datetime | None
    eta_s: float | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Unread:
    """A log that gave no rows, or not all of them."""

    path: str
    status: str
    lines: int | None
    message: str

    def said(self) -> str:
        """Why, with the number of lines where the message does not name it."""
        size = "" if self.lines is None or "line" in self.message else f"{words.plural(self.lines, 'line')}, "
        return f"{size}{self.message or self.status}"


@dataclass(frozen=True)
class Overview:
    """Runs that need a look first, then the newest; `missing` counts runs per field of NEEDED that no log states."""

    runs: tuple[RunLine, ...]
    looks: tuple[Look, ...]
    missing: tuple[tuple[str, int], ...]
    unread: tuple[Unread, ...]
    left_out: tuple[str, ...]
    left_out_kinds: tuple[tuple[str, int], ...]
    logs: int
    states: tuple[tuple[str, int], ...]


def overview(tables: FleetTables) -> Overview:
    """Everything of `FleetTables` that a reader of many runs needs, in the order in which it is shown."""
    looks = needs_a_look(tables)
    worst: dict[str, int] = {}
    for look in looks:  # sorted by severity: the first of a run is its worst
        worst.setdefault(look.run_id, _SEVERITY_RANK.get(look.severity, 3))
    lines = [run_line(row) for row in records(tables.runs)]
    lines.sort(key=lambda line: line.run)
    lines.sort(key=lambda line: line.started_at or line.ended_at or EARLIEST, reverse=True)
    lines.sort(key=lambda line: worst.get(line.run_id, 3))
    missing = ((name, sum(name in line.missing for line in lines)) for name in NEEDED)
    states = tables.runs.group_by("state").len().sort("len", "state", descending=[True, False])
    return Overview(
        runs=tuple(lines),
        looks=looks,
        missing=tuple((name, runs) for name, runs in missing if runs),
        unread=unread(tables.logs),
        left_out=left_out(tables.logs),
        left_out_kinds=left_out_kinds(tables.logs),
        logs=tables.logs.filter(pl.col("status").is_in(["parsed", "partial"])).height,
        states=tuple(zip(states["state"].fill_null("unknown").to_list(), states["len"].to_list(), strict=True)),
    )


def needs_a_look(tables: FleetTables) -> tuple[Look, ...]:
    """Findings, worst first; a failed, stalled or interrupted run without a finding of its own says so by its state."""
    runs = tables.runs.select("run_id", "name", "state", "state_reason", "started_at")
    known = tables.findings.join(runs, on="run_id", how="inner").join(
        tables.logs.select("log_id", "path"), on="log_id", how="left"
    )
    noticed = known.filter(pl.col("severity").is_in(["error", "warning"])).select("run_id").unique()
    by_state = runs.filter(pl.col("state").is_in(list(_STATE_SEVERITY))).join(noticed, on="run_id", how="anti")
    by_state = by_state.select(
        "run_id",
        "name",
        pl.col("state").replace_strict(_STATE_SEVERITY, default="warning").alias("severity"),
        pl.concat_str([pl.col("state"), pl.col("state_reason")], separator=": ", ignore_nulls=True).alias("message"),
        pl.lit(None, pl.String).alias("advice"),
        pl.lit(None, pl.String).alias("path"),
        pl.lit(None, pl.Int64).alias("line"),
        pl.lit("").alias("code"),
        "started_at",
    )
    rank = pl.col("severity").replace_strict(_SEVERITY_RANK, default=3, return_dtype=pl.Int64)
    every = (
        pl.concat([by_state, known.select(by_state.columns)], how="vertical_relaxed")
        .sort(rank, "started_at", "name", "line", descending=[False, True, False, False], nulls_last=True)
        .drop("started_at")
    )
    return tuple(
        Look(
            run_id=row["run_id"],
            run=row["name"] or row["run_id"],
            severity=row["severity"] or "info",
            message=row["message"] or "",
            advice=row["advice"] or "",
            where=place(row["path"], row["line"]),
            code=row["code"] or "",
        )
        for row in records(every)
    )


def run_line(run: Row) -> RunLine:
    """One run's line, from its row of `runs`."""
    done, planned, unit = run["iters_done"], run["iters_planned"], "iteration"
    if counts_updates(run):
        done, planned, unit = run["updates_done"], run["updates_planned"], "update"
    elif done is None and run["epochs_done"] is not None:
        done, planned, unit = run["epochs_done"], run["epochs_planned"], "epoch"
    return RunLine(
        run_id=run["run_id"],
        run=run["name"] or run["run_id"],
        state=run["state"] or "unknown",
        state_reason=run["state_reason"],
        progress=f"{words.count(done)}/{words.count(planned)}",
        progress_unit=unit,
        progress_fraction=done / planned if done is not None and planned and done <= planned else None,
        s_per_iter=run["s_per_iter"],
        samples_per_hour=run["samples_per_hour"],
        updates_done=run["updates_done"],
        wall_s=run["wall_s"],
        gpu_hours=run["gpu_hours"],
        gpu_hours_held=run["gpu_hours_held"],
        best=best(run),
        started_at=run["started_at"],
        ended_at=run["ended_at"],
        eta_s=run["eta_s"],
        missing=tuple(name for name in NEEDED if run[name] is None),
    )


def counts_updates(run: Row) -> bool:
    """Whether all that is known of how far the run came are its updates: its log counts these."""
    return run["iters_done"] is None and run["updates_done"] is not None


def best(run: Row) -> str:
    """The best state that the run names, as `mAP 0.808 @196`; `–` when none was seen."""
    if run["best_metric"] is None or run["best_value"] is None:
        return words.NONE_SEEN
    epoch = "" if run["best_epoch"] is None else f" @{run['best_epoch']}"
    return f"{words.one_line(run['best_metric'], 40)} {words.number(run['best_value'])}{epoch}"


def unread(logs: pl.DataFrame) -> tuple[Unread, ...]:
    """Logs that were not understood, could not be read, or only in part."""
    rows = logs.filter(pl.col("status").is_in(["unrecognized", "unreadable", "partial"])).sort("status", "path")
    return tuple(
        Unread(row["path"] or "", row["status"], row["lines"], row["message"] or "")
        for row in records(rows.select("path", "status", "lines", "message"))
    )


def left_out(logs: pl.DataFrame) -> tuple[str, ...]:
    """What was left out unopened, one text per folder and kind."""
    rows = logs.filter(pl.col("status") == "left_out").sort("path")
    return tuple(
        f"{row['path'] or '.'}: {row['message'] or 'left out'}" for row in records(rows.select("path", "message"))
    )


def left_out_kinds(logs: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    """How many files of which kind were left out, most first: (("checkpoints", 9), …)."""
    counted = pl.col("message").str.extract_groups(r"^(?<files>[0-9,]+) (?<kind>[^(]+?)s? \(")
    kinds = (
        logs.filter(pl.col("status") == "left_out")
        .select(counted)
        .unnest("message")
        .drop_nulls()
        .group_by("kind")
        .agg(pl.col("files").str.replace_all(",", "").cast(pl.Int64).sum())
        .sort(["files", "kind"], descending=[True, False])
    )
    return tuple((row["kind"], row["files"]) for row in records(kinds))


def active(tables: FleetTables, since: datetime | None, until: datetime | None) -> FleetTables:
    """The same tables with only the runs that gave a sign of life in the window, both ends included.

    A run lives from its first stamp to its last; where its logs have no stamp, the time at which its logs were last
    modified stands for both. Logs' clocks name no zone: they are read as local time, and so is a naive `since` or
    `until`.
    """
    if since is None and until is None:
        return tables
    modified = (
        run_logs(tables)
        .join(tables.logs.select("log_id", "modified_at"), on="log_id", how="inner")
        .group_by("run_id")
        .agg(pl.min("modified_at").alias("modified_first"), pl.max("modified_at").alias("modified_last"))
    )
    first, last = pl.coalesce("started_at", "ended_at"), pl.col("ended_at")
    began = pl.lit(True) if until is None else _before(first, pl.col("modified_first"), until)
    alive = pl.lit(True) if since is None else _after(last, pl.col("modified_last"), since)
    runs = tables.runs.join(modified, on="run_id", how="left", maintain_order="left").filter(began, alive)
    return FleetTables(
        runs=runs.drop("modified_first", "modified_last"),
        findings=tables.findings.join(runs, on="run_id", how="semi"),
        attempts=tables.attempts.join(runs, on="run_id", how="semi"),
        logs=tables.logs,
    )


def _before(stamp: pl.Expr, modified: pl.Expr, moment: datetime) -> pl.Expr:
    return pl.when(stamp.is_not_null()).then(stamp <= local_clock(moment)).otherwise(modified <= utc_clock(moment))


def _after(stamp: pl.Expr, modified: pl.Expr, moment: datetime) -> pl.Expr:
    return pl.when(stamp.is_not_null()).then(stamp >= local_clock(moment)).otherwise(modified >= utc_clock(moment))


def local_clock(moment: datetime) -> datetime:
    """The moment on the clock of this machine, without a zone, as logs print it."""
    return moment if moment.tzinfo is None else moment.astimezone().replace(tzinfo=None)


def utc_clock(moment: datetime) -> datetime:
    """The moment in UTC; a naive one is local time."""
    return moment.astimezone(UTC)


def run_logs(tables: FleetTables) -> pl.DataFrame:
    """run_id, log_id: which logs are of which run. By the attempts; by path for a log without an attempt of its own
    (a JSON copy), where that path is unique among the logs.
    """
    by_attempt = tables.attempts.select("run_id", "log_id").drop_nulls()
    single = tables.logs.filter(pl.col("path").is_unique()).select("log_id", "path")
    by_path = (
        tables.runs.select("run_id", pl.col("log_paths").alias("path"))
        .explode("path")
        .drop_nulls()
        .join(single, on="path", how="inner")
        .select("run_id", "log_id")
    )
    return pl.concat([by_attempt, by_path]).unique(maintain_order=True)


def place(path: str | None, line: int | None) -> str:
    """path:line, or what is known of it."""
    if not path:
        return ""
    return path if line is None else f"{path}:{line}"


def records(frame: pl.DataFrame) -> list[Row]:
    """Rows of a small frame that is about to be written out, as dictionaries."""
    return frame.to_struct().to_list() if frame.width else []
