"""Small tables made by hand, with the numbers of a Sa2VA run: 1,220 samples, one rank, 16 s an iteration."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from trainqc.pipeline.report.overview import FleetTables, records
from trainqc.pipeline.report.run_tables import RunTables, epochs_in_order, findings_in_order
from trainqc.pipeline.tables import (
    ATTEMPTS,
    EPOCHS,
    EVENTS,
    FACTS,
    FINDINGS,
    LOGS,
    METRICS,
    PROGRESS,
    RUNS,
    SOURCES,
    Table,
    conform,
)

LOG = "sa2va_vessel/20251125_051300.log"
STARTED = datetime.fromisoformat("2025-11-25T05:13")  # a log's own clock names no zone
ENDED = datetime.fromisoformat("2025-11-25T21:41")
HEADS = {"log_id": pl.String, "line": pl.Int64, "iters_per_epoch": pl.Int64, "iters_planned": pl.Int64}


def frame(table: Table, *rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of a table from dictionaries that name only the columns of interest."""
    return conform(pl.DataFrame(list(rows), infer_schema_length=None) if rows else table.empty(), table)


def sa2va() -> dict[str, Any]:
    """The run's row of `runs`, as the analysis is meant to fill it."""
    return {
        "run_id": "5a2a0001",
        "name": "sa2va_vessel",
        "owner": "mia",
        "hosts": ["gpu07"],
        "log_paths": [LOG],
        "format": "mmengine",
        "attempts": 1,
        "state": "finished",
        "state_reason": "checkpoint at 3,672 of 3,672 iterations",
        "ended_by": "epochs",
        "started_at": STARTED,
        "ended_at": ENDED,
        "epochs_done": 3.0,
        "epochs_planned": 3,
        "iters_per_epoch": 1224,
        "iters_per_epoch_from": "inferred",
        "iters_done": 3672,
        "iters_planned": 3672,
        "iters_planned_from": "log",
        "num_samples": 1220,
        "num_samples_from": "user",
        "batch_size": 1,
        "batch_size_from": "config",
        "world_size": 1,
        "world_size_from": "log",
        "gpus_visible": 4,
        "gpu_name": "NVIDIA RTX A5000",
        "grad_accum": 8,
        "grad_accum_from": "config",
        "global_batch": 8,
        "updates_per_epoch": 153.0,
        "updates_done": 459,
        "updates_done_from": "inferred",
        "updates_planned": 459,
        "s_per_iter": 16.0,
        "s_per_iter_from": "timestamps",
        "s_per_iter_mean": 16.01,
        "s_per_iter_p95": 16.2,
        "s_per_iter_lo": 15.9,
        "s_per_iter_hi": 16.1,
        "s_per_iter_n": 366,
        "data_wait_fraction": 0.0125,
        "wall_s": 59_280.0,
        "wall_s_from": "timestamps",
        "train_s": 58_752.0,
        "samples_done": 3660,
        "samples_per_hour": 3660 / (59_280 / 3600),
        "samples_per_hour_from": "timestamps",
        "train_samples_per_hour": 225.0,
        "memory_peak_mib": 22_528.0,
        "gpu_hours": 16.467,
        "gpu_hours_held": 65.87,
        "final_loss": 0.41,
        "caveats": ["the last train line is [3670/3672]: a line comes every 10 iterations"],
    }


def bare() -> dict[str, Any]:
    """A run of which the log says next to nothing."""
    return {"run_id": "0bad0002", "name": "bare", "log_paths": ["bare.log"], "format": "tqdm", "attempts": 1}


def logs() -> pl.DataFrame:
    read = datetime(2025, 11, 26, 8, 0, tzinfo=UTC)
    return frame(
        LOGS,
        {"log_id": "log1", "root": "/runs", "path": LOG, "bytes": 900_000, "modified_at": read, "lines": 6121}
        | {"status": "parsed", "formats": ["mmengine"], "records": 367},
        {"log_id": "log2", "root": "/runs", "path": "bare.log", "bytes": 900, "modified_at": read, "lines": 40}
        | {"status": "parsed", "formats": ["tqdm"], "records": 12},
        {"log_id": "log3", "root": "/runs", "path": "sa2va_vessel/eval.txt", "lines": 212, "status": "unrecognized"}
        | {"message": "no step, epoch or iteration counter found"},
        {"log_id": "log4", "root": "/runs", "path": "sa2va_vessel/*.pth", "status": "left_out"}
        | {"message": "9 checkpoints (.pth)"},
    )


def attempts() -> pl.DataFrame:
    return frame(
        ATTEMPTS,
        {"log_id": "log1", "attempt": 1, "run_id": "5a2a0001", "format": "mmengine", "first_line": 1}
        | {"last_line": 6121, "started_at": STARTED, "ended_at": ENDED, "iters": 3672, "superseded_iters": 0},
        {"log_id": "log2", "attempt": 1, "run_id": "0bad0002", "format": "tqdm", "first_line": 1, "last_line": 40},
    )


def findings() -> pl.DataFrame:
    return frame(
        FINDINGS,
        {"run_id": "5a2a0001", "code": "visible_gpus", "severity": "warning", "log_id": "log1", "line": 36}
        | {"message": "4 GPUs visible, 1 data-parallel rank counted: 8 samples per update, not 32"}
        | {"advice": "start with NPROC_PER_NODE=4 and look for [ 10/936]"},
        {"run_id": "5a2a0001", "code": "gpu_hours", "severity": "info"}
        | {"message": "16.5 GPU-hours counted; 65.9 if the four visible GPUs were all held"},
    )


def facts() -> pl.DataFrame:
    rows = (
        ("num_samples", "1220", "user", None),
        ("batch_size", "1", "config", 219),
        ("grad_accum", "8", "config", 214),
        ("world_size", "1", "log", 36),
        ("epochs_planned", "3", "config", 230),
    )
    return frame(
        FACTS,
        *(
            {"log_id": "log1", "name": name, "value": value, "number": float(value), "source": source, "line": line}
            for name, value, source, line in rows
        ),
    )


def sources() -> pl.DataFrame:
    lines = {
        36: "    GPU number: 1",
        214: "accumulative_counts = 8",
        219: "batch_size = 1",
        731: "2025/11/25 05:20:07 - mmengine - INFO - Iter(train) [  10/3672]  lr: 1.0e-05  time: 16.0012",
    }
    return frame(
        SOURCES, *({"log_id": "log1", "line": line, "redraw": 0, "text": text} for line, text in lines.items())
    )


def heads() -> pl.DataFrame:
    return pl.DataFrame(
        {"log_id": ["log1"], "line": [731], "iters_per_epoch": [None], "iters_planned": [3672]}, schema=HEADS
    )


def epochs() -> pl.DataFrame:
    return frame(
        EPOCHS,
        *(
            {"run_id": "5a2a0001", "attempt": 1, "epoch": epoch, "first_iter": 1224 * (epoch - 1) + 1}
            | {"last_iter": 1224 * epoch, "iters": 1224, "iters_from": "inferred", "updates": 153.0}
            | {"train_s": 1224 * 16.0, "s_per_iter": 16.0, "samples_per_hour": 225.0}
            | {"lr_first": 4e-5 / epoch, "lr_last": 4e-5 / (epoch + 1)}
            for epoch in (1, 2, 3)
        ),
    )


def progress() -> pl.DataFrame:
    """A line every 10 iterations, as mmengine prints it by iteration; the pace rises where the loader starts anew."""
    rows = pl.DataFrame({"global_iter": range(10, 3671, 10)})
    i = pl.col("global_iter")
    wraps = i.is_in([1230, 2450])
    return conform(
        rows.select(
            pl.lit("log1").alias("log_id"),
            (730 + i // 10).alias("line"),
            pl.lit(0, pl.Int32).alias("redraw"),
            pl.lit(0, pl.Int32).alias("piece"),
            pl.lit("mmengine").alias("format"),
            pl.lit("train").alias("phase"),
            i,
            pl.lit(3672).alias("iters_planned"),
            (16 + 0.15 * (i * 0.7).sin() + pl.when(wraps).then(0.2).otherwise(0)).alias("s_per_iter"),
            (0.2 + 0.05 * (i * 1.3).cos() + pl.when(wraps).then(0.2).otherwise(0)).alias("data_s_per_iter"),
        ),
        PROGRESS,
    )


def metrics() -> pl.DataFrame:
    i = pl.col("global_iter")
    loss = 0.38 + 1.4 * (-i / 500).exp() + 0.07 * (i * 0.9).sin() + 0.05 * (i * 0.31).cos()
    keys = progress().select("log_id", "line", "redraw", "piece", "format", "phase", "global_iter")
    return conform(
        keys.with_columns(pl.lit("loss").alias("name"), pl.lit("loss").alias("printed_name"), loss.alias("value")),
        METRICS,
    )


def events() -> pl.DataFrame:
    rows = (
        {
            "log_id": "log1",
            "line": 1500 + place,
            "kind": "checkpoint",
            "global_iter": at,
            "message": "Saving checkpoint",
        }
        for place, at in enumerate((500, 1000, 1500, 2000, 2500, 3000, 3500, 3672))
    )
    return frame(EVENTS, *rows)


def fleet(*runs: Mapping[str, Any]) -> FleetTables:
    return FleetTables(frame(RUNS, *(runs or (sa2va(), bare()))), findings(), attempts(), logs())


def run_tables(run: Mapping[str, Any], **changed: pl.DataFrame) -> RunTables:
    """The tables of one page; the logs' rows are those of the Sa2VA run."""
    tables = {
        "findings": findings_in_order(findings()),
        "epochs": epochs_in_order(epochs()),
        "logs": logs().filter(pl.col("log_id") == "log1"),
        "facts": facts(),
        "sources": sources(),
        "heads": heads(),
    }
    return RunTables(row_of(run), **{name: records(table) for name, table in (tables | changed).items()})


def row_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """A whole row of `runs`."""
    return records(frame(RUNS, run))[0]


LATER = ENDED + timedelta(hours=11)
