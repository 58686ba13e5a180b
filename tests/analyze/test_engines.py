"""Runs from the lines of an engine: each step counts once, and updates are iterations by the accumulation."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reading import FORMATS, SAMPLES
from tables_by_hand import Shelf
from trainqc.pipeline.derive import derive
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.tables import METRICS, PROGRESS

AT = datetime(2026, 2, 17, 10, 0, 0, 123000)
RECORD = {"format": "deepspeed", "phase": "train", "redraw": 0, "piece": 0}
UPDATE_S = 1.6


def engine(shelf: Shelf, log: str, updates: range, a: int | None = None, line: int = 1, **more: Any) -> None:
    """Two lines every few updates: of the updates alone, and of iterations too where `a` is given."""
    rows: list[dict[str, Any]] = []
    for n, update in enumerate(updates):
        shared = {**RECORD, "log_id": log, "update": update}
        at = AT + timedelta(seconds=UPDATE_S * update)
        rows.append(shared | {"line": line + 2 * n, "logged_at": at, "lr": 1e-5} | more)
        if a is not None:
            rows.append(shared | {"line": line + 2 * n + 1, "logged_at": at, "global_iter": a * update} | more)
    shelf.add(PROGRESS, rows)


def test_two_lines_are_one_step(shelf: Shelf) -> None:
    """Iterations, updates and pace of the lines that count both; A by their ratio."""
    log = shelf.log("a.log", ["deepspeed"])
    engine(shelf, log, range(10, 71, 10), a=4)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert (run["iters_done"], run["updates_done"], run["grad_accum"]) == (280, 70, 4)
    assert run["s_per_iter"] == pytest.approx(UPDATE_S / 4)
    attempt = tables.attempts.row(0, named=True)
    assert (attempt["train_records"], attempt["iters"]) == (7, 280)
    claim = tables.claims.row(0, named=True)
    assert [claim[name] for name in ("name", "low", "source", "line", "text")] == [
        *("grad_accum", 4, "counted", 2),
        "40 iterations are 10 updates",
    ]


def test_updates_alone(shelf: Shelf) -> None:
    """With A stated U updates are U·A iterations."""
    log = shelf.log("a.log", ["deepspeed"])
    engine(shelf, log, range(0, 71, 10))
    shelf.facts(log, "config", 1, grad_accum=4)
    run = shelf.run()
    assert (run["iters_done"], run["updates_done"], run["updates_done_from"]) == (280, 70, "log")
    assert run["s_per_iter"] == pytest.approx(UPDATE_S / 4)
    assert "The log counts updates: iterations are those by the accumulation." in run["caveats"]


def test_updates_without_accumulation(shelf: Shelf) -> None:
    """Where nobody says A, updates are all there is."""
    log = shelf.log("a.log", ["deepspeed"])
    engine(shelf, log, range(10, 71, 10))
    run = shelf.run()
    assert (run["iters_done"], run["updates_done"], run["s_per_iter"]) == (None, 70, None)
    assert run["caveats"][0].startswith("The log counts updates: without the accumulation")


def test_printed_seconds_of_an_update(shelf: Shelf) -> None:
    """The pipeline engine's lines have no stamp; they print what an update takes."""
    log = shelf.log("a.log", ["deepspeed"])
    engine(shelf, log, range(1, 21), logged_at=None)
    took = {**RECORD, "log_id": log, "name": "s_per_update", "value": 18.2}
    shelf.add(METRICS, [took | {"line": 2 * n + 1} for n in range(20)])
    shelf.facts(log, "log", 1, grad_accum=4)
    run = shelf.run()
    assert (run["s_per_iter"], run["s_per_iter_from"]) == (pytest.approx(4.55), "log")


def test_another_process_begins_at_0(shelf: Shelf) -> None:
    """The line of update 0 is no fall of the counter: the resumed process goes on."""
    log = shelf.log("a.log", ["deepspeed"])
    engine(shelf, log, range(0, 41, 10), a=4)
    engine(shelf, log, range(0, 1), line=90)
    engine(shelf, log, range(50, 71, 10), a=4, line=100)
    shelf.event(log, 90, "start")
    tables = shelf.tables()
    assert tables.runs.select("attempts", "iters_done", "updates_done").rows() == [(2, 280, 70)]
    assert tables.attempts.sort("attempt").select("iters", "superseded_iters").rows() == [(160, 0), (120, 0)]


def test_an_epoch_s_length_by_two_counters(shelf: Shelf) -> None:
    """Iteration 120 of the run is the 15th of epoch 2: 105 an epoch."""
    log = shelf.log("a.log", ["deepspeed"])
    shared = {**RECORD, "log_id": log}
    places = [(None, None, 100, 50), (2, 15, 120, 60), (2, 95, 200, 100), (3, 10, 220, 110)]
    names = ("epoch", "iter", "global_iter", "update")
    rows = [shared | {"line": n} | dict(zip(names, place, strict=True)) for n, place in enumerate(places, 1)]
    shelf.add(PROGRESS, rows)
    run = shelf.run()
    assert (run["iters_per_epoch"], run["grad_accum"]) == (105, 2)


def test_the_program_speaks_before_its_engine(shelf: Shelf) -> None:
    """Where the training prints records of its own, DeepSpeed's stand beside them: they say A."""
    log = shelf.log("a.log", ["deepspeed", "mmengine"])
    engine(shelf, log, range(10, 71, 10), a=4, line=1000)
    shelf.by_iter(log, range(10, 301, 10), 3000, AT, 0.4)
    run = shelf.run()
    assert (run["format"], run["iters_done"], run["grad_accum"]) == ("mmengine", 300, 4)


def test_runs_of_the_samples(tmp_path: Path) -> None:
    """78 updates of four iterations are planned by nobody and done; lines come at each tenth."""
    ingest([SAMPLES / "deepspeed"], tmp_path / "out", FORMATS, jobs=1)
    runs = derive(tmp_path / "out").runs.sort("name")
    columns = ("name", "attempts", "iters_per_epoch", "iters_done", "updates_done", "grad_accum", "final_loss")
    assert runs.select(columns).rows() == [
        ("accumulation", 1, None, 280, 70, 4, None),
        ("epoch_count", 1, 105, 300, 150, 2, None),
        ("killed_and_resumed", 2, None, 280, 70, 4, None),
        ("pipeline", 1, None, 280, 70, 4, 19.8005),
    ]
    assert runs["s_per_iter"].to_list() == pytest.approx([0.4] * 4, rel=0.02)
