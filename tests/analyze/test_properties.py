"""What holds for all tables."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tables_by_hand import Shelf, sa2va_on
from trainqc.pipeline import derive
from trainqc.pipeline.tables import ATTEMPTS, EPOCHS, FINDINGS, RUNS

START = datetime(2024, 1, 1)
SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def zoo() -> Shelf:
    """Runs of every kind together."""
    shelf = Shelf()
    sa2va_on(shelf)
    a = shelf.log("w/net/20240101_000000/20240101_000000.log", ["mmengine"])
    shelf.event(a, 1, "start")
    shelf.by_iter(a, range(10, 101, 10), 300, START, 1.0)
    b = shelf.log("w/net/20240102_000000/20240102_000000.log", ["mmengine"])
    shelf.event(b, 1, "start")
    shelf.event(b, 50, "resume", global_iter=100)
    shelf.by_iter(b, range(110, 201, 10), 300, datetime(2024, 1, 2), 1.0)
    c = shelf.log("w/net/20240102_000000/vis_data/scalars.json", ["mmengine"])
    shelf.by_iter(c, range(110, 201, 10), None, None, 1.0)
    d = shelf.log("cls/a.log", ["tqdm"])
    shelf.bar(d, [(0, 0.0), (50, 30.0), (100, 60.0)], 100, "Epoch 1/2", line=1)
    shelf.bar(d, [(0, 0.0), (50, 30.0), (100, 60.0)], 100, "Epoch 2/2", line=2)
    shelf.losses(a, {100: 0.5, 109: float("nan")})
    return shelf


def analyzed(parsed: dict[str, pl.LazyFrame], **more: Any) -> derive.Tables:
    return derive.analyze(parsed, now=datetime.fromisoformat("2026-06-01T00:00:00+00:00"), **more)


def same(a: derive.Tables, b: derive.Tables) -> None:
    for name in ("attempts", "runs", "epochs", "findings"):
        assert_frame_equal(getattr(a, name), getattr(b, name))


@SLOW
@given(st.integers(0, 2**31))
def test_order_of_rows(seed: int) -> None:
    """The order of rows in the parsed tables changes nothing."""
    parsed = zoo().parsed()
    shuffled = {
        name: frame.collect().sample(fraction=1.0, shuffle=True, seed=seed).lazy() for name, frame in parsed.items()
    }
    same(analyzed(parsed), analyzed(shuffled))


def test_other_runs_change_no_number() -> None:
    """A run's row is the same alone and among others, but for its name."""
    alone = Shelf()
    sa2va_on(alone)
    single = analyzed(alone.parsed()).runs.drop("name")
    among = analyzed(zoo().parsed()).runs.drop("name")
    assert_frame_equal(single, among.join(single.select("run_id"), on="run_id", how="semi"))


@pytest.mark.parametrize("rows", [1, 30, 400])
def test_batches(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """How many logs are read at once changes nothing."""
    whole = analyzed(zoo().parsed())
    monkeypatch.setattr(derive, "BATCH_ROWS", rows)
    same(whole, analyzed(zoo().parsed()))


def test_schemas() -> None:
    """The derived tables have their contract's columns, also without rows."""
    for tables in (analyzed(zoo().parsed()), analyzed(Shelf().parsed())):
        assert tables.attempts.schema == ATTEMPTS.schema
        assert tables.runs.schema == RUNS.schema
        assert tables.epochs.schema == EPOCHS.schema
        assert tables.findings.schema == FINDINGS.schema


def test_sources_go_with_numbers() -> None:
    """A number with a `*_from` column has a source exactly where it has a value."""
    runs = analyzed(zoo().parsed()).runs
    for column in runs.columns:
        if column.endswith("_from"):
            value = column.removesuffix("_from")
            assert runs.filter(pl.col(value).is_null() != pl.col(column).is_null()).is_empty(), column
            assert set(runs[column].drop_nulls()) <= {"log", "config", "counted", "timestamps", "user", "inferred"}


def test_names_are_unique() -> None:
    """No two runs share an identity or a name."""
    runs = analyzed(zoo().parsed()).runs
    assert runs["run_id"].is_unique().all()
    assert runs["name"].is_unique().all()


def test_no_python_per_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times the logs and lines cost the same Python calls; runs that claim the same are solved once."""
    import sys

    def calls(logs: int, lines: int) -> int:
        shelf = Shelf()
        for k in range(logs):
            log = shelf.log(f"net_{k}/a.log", ["mmengine"])
            shelf.by_iter(log, range(1, lines + 1), 20, START, 1.0)
            shelf.facts(log, "config", 9, batch_size=2)
        parsed = shelf.parsed()
        for name, frame in parsed.items():
            parsed[name] = frame.collect().rechunk().lazy()
        count = 0

        def tick(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(tick)
        try:
            analyzed(parsed)
        finally:
            sys.setprofile(None)
        return count

    calls(2, 4)  # imports and caches
    assert calls(200, 20) <= calls(2, 4) * 1.02


def test_hostile_numbers() -> None:
    """Counters beyond all reason, negative ones, and totals of zero end in rows, not in an error."""
    extremes = [0, -5, 1, 2**62, None]
    for planned in extremes:
        for length in extremes:
            shelf = Shelf()
            log = shelf.log("net/a.log", ["mmengine"])
            shelf.by_iter(log, range(1, 4), planned, START, 1.0, iters_per_epoch=length)
            shelf.by_iter(log, range(2**40, 2**40 + 2), planned, START, 1.0, first_line=200)
            shelf.facts(log, "config", 9, batch_size=2**52, num_samples=2**52, world_size=2**30, grad_accum=2**50)
            bar = shelf.log("cls/a.log", ["tqdm"])
            shelf.bar(bar, [(0, 0.0), (2**62, 0.0), (-3, -1.0)], length, "x")
            assert analyzed(shelf.parsed()).runs.height == 2
