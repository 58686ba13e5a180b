"""Small tables by hand, in the shapes that the parsers emit; numbers are those of real logs."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from trainqc.pipeline.derive import Tables, analyze
from trainqc.pipeline.tables import CLOCKS, EVENTS, FACTS, GPU, LOGS, METRICS, PROGRESS, SOURCES, Table, conform

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROOT = "/data"


@dataclass
class Shelf:
    """Parsed tables under construction; `tables` analyzes what is there."""

    rows: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def add(self, table: Table, rows: list[dict[str, Any]] | pl.DataFrame) -> None:
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
        self.rows.setdefault(table.name, []).append(conform(frame, table))

    def log(
        self, path: str, formats: list[str], modified_at: datetime = LONG_AGO, root: str = ROOT, **more: object
    ) -> str:
        """A row in `logs`; its log_id is made of the path."""
        log_id = path.replace("/", ":")
        row = {"log_id": log_id, "root": root, "path": path, "formats": formats, "modified_at": modified_at}
        self.add(LOGS, [row | {"status": "parsed", "owner": "ada"} | more])
        return log_id

    def facts(self, log_id: str, source: str, line: int, **values: object) -> None:
        self.add(
            FACTS,
            [
                {
                    "log_id": log_id,
                    "name": name,
                    "value": str(value),
                    "number": float(value) if isinstance(value, int | float) else None,
                    "source": source,
                    "line": line,
                }
                for name, value in values.items()
            ],
        )

    def event(self, log_id: str, line: int, kind: str, **more: object) -> None:
        self.add(EVENTS, [{"log_id": log_id, "line": line, "kind": kind, **more}])

    def clocks(self, log_id: str, *stamps: tuple[int, datetime]) -> None:
        self.add(CLOCKS, [{"log_id": log_id, "line": line, "logged_at": at} for line, at in stamps])

    def by_iter(
        self,
        log_id: str,
        done: range,
        planned: int | None,
        start: datetime | None,
        s_per_iter: float,
        first_line: int = 100,
        **more: object,
    ) -> int:
        """mmengine's `Iter(train) [done/planned]` lines, one a line; gives the line after the last."""
        at = (
            [start + timedelta(seconds=(i - done.start + done.step) * s_per_iter) for i in done]
            if start
            else [None] * len(done)
        )
        frame = pl.DataFrame(
            {
                "log_id": log_id,
                "line": range(first_line, first_line + len(done)),
                "redraw": 0,
                "piece": 0,
                "format": "mmengine",
                "phase": "train",
                "global_iter": list(done),
                "iters_planned": planned,
                "s_per_iter": s_per_iter,
                "logged_at": at,
                **more,
            },
            schema_overrides={"logged_at": pl.Datetime("us")},
        )
        self.add(PROGRESS, frame)
        return first_line + len(done)

    def by_epoch(
        self,
        log_id: str,
        epochs: range,
        iters: range,
        length: int,
        start: datetime,
        s_per_iter: float,
        first_line: int = 100,
    ) -> int:
        """mmengine's `Epoch(train) [epoch][iter/length]` lines."""
        pairs = [(e, i) for e in epochs for i in iters]
        done = [(e - 1) * length + i for e, i in pairs]
        frame = pl.DataFrame(
            {
                "log_id": log_id,
                "line": range(first_line, first_line + len(pairs)),
                "redraw": 0,
                "piece": 0,
                "format": "mmengine",
                "phase": "train",
                "epoch": [e for e, _ in pairs],
                "iter": [i for _, i in pairs],
                "iters_per_epoch": length,
                "global_iter": done,
                "s_per_iter": s_per_iter,
                "logged_at": [start + timedelta(seconds=round(d * s_per_iter)) for d in done],
            }
        )
        self.add(PROGRESS, frame)
        return first_line + len(pairs)

    def losses(self, log_id: str, values: dict[int, float], fmt: str = "mmengine", phase: str | None = "train") -> None:
        rows = [
            {
                "log_id": log_id,
                "line": line,
                "redraw": 0,
                "piece": 0,
                "format": fmt,
                "phase": phase,
                "name": "loss",
                "printed_name": "loss",
                "value": value,
            }
            for line, value in values.items()
        ]
        self.add(METRICS, rows)

    def bar(
        self,
        log_id: str,
        frames: list[tuple[int, float]],
        total: int | None,
        name: str | None = None,
        line: int = 1,
        redraw: int = 0,
    ) -> None:
        """tqdm frames (n, elapsed seconds) of one bar, redrawn on one line."""
        rows = [
            {
                "log_id": log_id,
                "line": line,
                "redraw": redraw + k,
                "piece": 0,
                "format": "tqdm",
                "bar": name,
                "iter": n,
                "iters_per_epoch": total,
                "elapsed_s": elapsed,
                "s_per_iter": elapsed / n if n and elapsed else None,
            }
            for k, (n, elapsed) in enumerate(frames)
        ]
        self.add(PROGRESS, rows)

    def parsed(self) -> dict[str, pl.LazyFrame]:
        tables = (LOGS, PROGRESS, METRICS, FACTS, CLOCKS, EVENTS, GPU, SOURCES)
        return {t.name: pl.concat(self.rows.get(t.name, [t.empty()])).lazy() for t in tables}

    def tables(self, **arguments: Any) -> Tables:
        return analyze(self.parsed(), **{"now": NOW, **arguments})

    def run(self, **arguments: Any) -> dict[str, Any]:
        """The only run."""
        runs = self.tables(**arguments).runs
        assert runs.height == 1
        return runs.row(0, named=True)


def sa2va_on(shelf: Shelf, folder: str = "work_dirs/sa2va_vessel/20251125_051300") -> str:
    """The case of SEEDS.md 001: 1,220 samples, batch 1, accumulation 8, 3 epochs on one rank of four visible GPUs;
    16 s an iteration, 05:13 to 21:41."""
    log_id = shelf.log(f"{folder}/20251125_051300.log", ["mmengine"])
    start = datetime(2025, 11, 25, 5, 13)
    shelf.event(log_id, 1, "start", logged_at=start)
    shelf.facts(log_id, "log", 9, gpus_visible=4, gpu_name="NVIDIA GeForce RTX 3090")
    shelf.facts(log_id, "log", 36, world_size=1)
    shelf.facts(log_id, "config", 48, grad_accum=8)
    shelf.facts(log_id, "config", 49, batch_size=1)
    shelf.facts(log_id, "config", 60, epochs_planned=3, sampler="xtuner.dataset.samplers.LengthGroupedSampler")
    shelf.facts(log_id, "log", 90, num_samples=1220)
    end = shelf.by_iter(log_id, range(10, 3671, 10), 3672, start + timedelta(minutes=5), 16.0, memory_mib=22000.0)
    shelf.event(log_id, end, "checkpoint", global_iter=3672, message="Saving checkpoint at 3672 iterations")
    shelf.clocks(log_id, (1, start), (end, datetime(2025, 11, 25, 21, 41)))
    shelf.losses(log_id, {100: 1.5, end - 1: 0.41})
    return log_id
