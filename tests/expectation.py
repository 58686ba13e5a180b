"""What an expected file says of a log: formats, ledger, row counts, first and last rows, facts, events, clocks, issues.

The files under tests/expected/ are made by the tool (`pytest tests/test_expected.py --accept`) and read by a person.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from reading import AT
from trainqc.pipeline.detect import Formats
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import CLOCKS, EVENTS, FACTS, GPU, ISSUES, LOGS, METRICS, PROGRESS

EXPECTED = Path(__file__).parent / "expected"
SHOWN_ROWS = 3
COUNTS = ("lines", "lines_parsed", "lines_known", "lines_unknown")


def path_of(case: str, folder: Path = EXPECTED) -> Path:
    return folder / f"{case}.txt"


def formats_in(expected: Path) -> list[str]:
    """The formats that an expected file lists."""
    line = next(line for line in expected.read_text("utf-8").splitlines() if line.startswith("formats:"))
    return [name for name in line.removeprefix("formats:").strip().split(", ") if name != "none"]


def described(samples: Path, using: Formats, work: Path) -> dict[str, str]:
    """Case → text, for every log under `samples`. Copies, because the time of a file is part of what is read."""
    copy = work / "logs"
    shutil.copytree(samples, copy)
    for file in copy.rglob("*"):
        os.utime(file, (AT.timestamp(), AT.timestamp()))
    ingest([copy], work / "out", using, jobs=1)
    store = Store(work / "out")
    tables = {t.name: store.read(t) for t in (LOGS, PROGRESS, METRICS, FACTS, CLOCKS, EVENTS, GPU, ISSUES)}
    described: dict[str, str] = {}
    for log in tables["logs"].to_dicts():
        mine = {name: t.filter(pl.col("log_id") == log["log_id"]).drop("log_id") for name, t in tables.items()}
        described[log["path"]] = "\n".join(text(log, mine)) + "\n"
    return described


def text(log: dict[str, object], tables: dict[str, pl.DataFrame]) -> Iterator[str]:
    formats = log["formats"]
    yield f"formats: {', '.join(formats) if isinstance(formats, list) and formats else 'none'}"
    yield f"status: {log['status']}" + (f" ({log['message']})" if log["message"] else "")
    yield f"encoding: {log['encoding']}" + (f", {log['compression']}" if log["compression"] else "")
    yield ", ".join(f"{name} {log[name]}" for name in COUNTS)
    counted = {name: t.height for name, t in tables.items() if name != "logs"}
    yield "rows: " + ", ".join(f"{name} {n}" for name, n in counted.items())

    by = ("format", "bar", "phase")
    for key, rows in tables["progress"].sort("line", "redraw", "piece").group_by(by, maintain_order=True):
        yield ""
        yield f"progress {' '.join(str(k) for k in key if k is not None)}: {rows.height} rows"
        yield from _ends(rows.drop(by))
    for key, rows in (
        tables["metrics"]
        .sort("name", "phase", "line", "redraw", "piece")
        .group_by("name", "phase", maintain_order=True)
    ):
        yield ""
        yield f"metric {' '.join(str(k) for k in key if k is not None)}: {rows.height} rows"
        yield from _ends(rows.drop("name", "phase", "format"), 2)

    facts = tables["facts"].sort("name", "source", "line", "value")
    dotted = pl.col("name").str.contains(".", literal=True)
    yield ""
    yield f"facts: {facts.filter(~dotted).height} named, {facts.filter(dotted).height} more under dotted paths"
    for name, value, number, source, line in facts.filter(~dotted).iter_rows():
        shown = "" if number is None or f"{number:g}" == value else f" = {number:g}"
        yield f"  {name}: {value}{shown} ({source}, line {line})"
    for name in ("events", "clocks", "gpu", "issues"):
        rows = tables[name].sort("line", *(c for c in ("code", "kind") if c in tables[name].columns))
        yield ""
        yield f"{name}: {rows.height or 'none'}"
        yield from (_row(row) for row in rows.iter_rows(named=True))


def _ends(rows: pl.DataFrame, shown: int = SHOWN_ROWS) -> Iterator[str]:
    """The first and the last rows, one a line, columns without a value left out."""
    if rows.height <= 2 * shown:
        yield from (_row(row) for row in rows.iter_rows(named=True))
        return
    yield from (_row(row) for row in rows.head(shown).iter_rows(named=True))
    yield f"  … {rows.height - 2 * shown} more"
    yield from (_row(row) for row in rows.tail(shown).iter_rows(named=True))


def _row(row: dict[str, object]) -> str:
    return "  " + " ".join(f"{name}={_value(value)}" for name, value in row.items() if value is not None)


def _value(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value).replace("\n", "\\n")
