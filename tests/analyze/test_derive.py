"""Derived tables through the store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from trainqc.pipeline.derive import derive
from trainqc.pipeline.settings import Rule
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import ATTEMPTS, EPOCHS, FACTS, FINDINGS, RUNS

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def stored(shelf: Any, out: Path) -> None:
    with Store(out).writer("test") as writer:
        writer.write(writer.new_part(), {name: pl.concat(frames) for name, frames in shelf.rows.items()})
        writer.commit()


def test_tables_on_disk(shelf: Any, sa2va: str, tmp_path: Path) -> None:
    """What was derived stands in the store, and the counts that are given back are those of its rows."""
    stored(shelf, tmp_path / "out")
    derived = derive(tmp_path / "out", now=NOW)
    store = Store(tmp_path / "out")
    assert store.read(RUNS)["updates_done"].to_list() == [459]
    assert derived.runs["updates_done"].to_list() == [459]
    found = [store.read(table).height for table in (ATTEMPTS, EPOCHS, FINDINGS)]
    assert found == [derived.attempts, derived.epochs, derived.findings] == [1, 3, 2]


def test_again(shelf: Any, sa2va: str, tmp_path: Path) -> None:
    """A second analysis replaces the first: no row twice, and no word of the user that was taken back."""
    stored(shelf, tmp_path / "out")
    rule = Rule("/data", "work_dirs/*", {"world_size": 4})
    assert derive(tmp_path / "out", rules=[rule], now=NOW).runs["world_size"].to_list() == [4]
    assert derive(tmp_path / "out", now=NOW).runs["world_size"].to_list() == [1]
    store = Store(tmp_path / "out")
    assert store.read(RUNS).height == 1
    assert store.read(FACTS).filter(pl.col("source") == "user").is_empty()


def test_nothing_parsed(tmp_path: Path) -> None:
    """An empty store gives empty tables."""
    with Store(tmp_path / "out").writer("test") as writer:
        writer.commit()
    assert derive(tmp_path / "out", now=NOW).runs.is_empty()
