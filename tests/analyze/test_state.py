"""How a run stands, and why."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tables_by_hand import NOW

START = NOW.replace(tzinfo=None) - timedelta(hours=2)


def run_to(
    shelf: Any,
    last: int,
    planned: int = 3672,
    age: timedelta | None = None,
    events: tuple[str, ...] = (),
    line: int = 9999,
) -> dict[str, Any]:
    modified = {} if age is None else {"modified_at": NOW - age}
    log = shelf.log("net/a.log", ["mmengine"], **modified)
    shelf.by_iter(log, range(10, last + 1, 10), planned, START, 1.0)
    for kind in events:
        shelf.event(log, line, kind, global_iter=planned if kind == "checkpoint" else None, message=f"it says {kind}")
    return shelf.run()


def test_within_one_line_interval(shelf: Any) -> None:
    """mmengine's last line of 3,672 iterations is [3670/3672]: finished."""
    assert run_to(shelf, 3670)["state"] == "finished"


def test_one_interval_short(shelf: Any) -> None:
    """[3660/3672] with nothing behind it is interrupted, and the place is named."""
    run = run_to(shelf, 3660)
    assert run["state"] == "interrupted"
    assert "3,660 of 3,672 iterations" in run["state_reason"]


def test_last_checkpoint(shelf: Any) -> None:
    """A checkpoint at the planned count is proof, even with an error behind it."""
    run = run_to(shelf, 3670, events=("checkpoint", "traceback"))
    assert (run["state"], run["iters_done"], run["ended_by"]) == ("finished", 3672, "max_steps")


@pytest.mark.parametrize("kind", ["traceback", "out_of_memory", "nccl", "disk_full"])
def test_failures(shelf: Any, kind: str) -> None:
    """An error behind the last record is a failure, with its words."""
    run = run_to(shelf, 2310, 90000, events=(kind,))
    assert (run["state"], run["ended_by"]) == ("failed", kind)
    assert f"it says {kind}" in run["state_reason"]


def test_out_of_memory_before_its_traceback(shelf: Any) -> None:
    """Of a traceback and the memory error that it ends with, the second is the reason."""
    assert run_to(shelf, 2310, 90000, events=("traceback", "out_of_memory"))["ended_by"] == "out_of_memory"


def test_survived_error(shelf: Any) -> None:
    """An error with training behind it did not end the run."""
    assert run_to(shelf, 3670, events=("traceback",), line=110)["state"] == "finished"


@pytest.mark.parametrize("kind", ["killed", "cancelled", "preempted", "time_limit", "node_failure"])
def test_interruptions(shelf: Any, kind: str) -> None:
    """A run that was ended from outside is interrupted, by that."""
    run = run_to(shelf, 100, events=(kind,))
    assert (run["state"], run["ended_by"]) == ("interrupted", kind)


def test_early_stop(shelf: Any) -> None:
    """An early stop is an end, not a failure."""
    run = run_to(shelf, 100, events=("early_stop",))
    assert (run["state"], run["ended_by"]) == ("finished", "early_stop")


def test_running(shelf: Any) -> None:
    """A log written two minutes ago belongs to a running run."""
    assert run_to(shelf, 100, age=timedelta(minutes=2))["state"] == "running"


def test_running_with_rare_lines(shelf: Any) -> None:
    """A log whose lines come every ten minutes is alive for five of them."""
    log = shelf.log("net/a.log", ["mmengine"], modified_at=NOW - timedelta(minutes=40))
    shelf.by_iter(log, range(10, 101, 10), 1000, START, 60.0)
    assert shelf.run()["state"] == "running"


def test_stalled(shelf: Any) -> None:
    """A log silent for an hour, short of its plan and without a last word, is stalled."""
    assert run_to(shelf, 100, age=timedelta(hours=1))["state"] == "stalled"


def test_without_now(shelf: Any) -> None:
    """Without a clock no run is called running."""
    log = shelf.log("net/a.log", ["mmengine"], modified_at=NOW)
    shelf.by_iter(log, range(10, 101, 10), 1000, START, 1.0)
    assert shelf.run(now=None)["state"] == "interrupted"


def test_evaluation(shelf: Any) -> None:
    """A log of a validation alone is no failed training."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.event(log, 1, "start")
    from trainqc.pipeline.tables import PROGRESS

    row = {
        "log_id": log,
        "line": 9,
        "redraw": 0,
        "piece": 0,
        "format": "mmengine",
        "phase": "val",
        "iter": 11,
        "iters_per_epoch": 11,
    }
    shelf.add(PROGRESS, [row])
    run = shelf.run()
    assert (run["state"], run["val_iters"], run["iters_done"]) == ("unknown", 11, None)


def test_validation_proves_the_epoch(shelf: Any) -> None:
    """`Epoch(val) [5]` says that five epochs are done, though the last line of the fifth is [200/201]."""
    from trainqc.pipeline.tables import PROGRESS

    log = shelf.log("cats/a.log", ["mmengine"])
    end = shelf.by_epoch(log, range(1, 6), range(2, 201, 2), 201, START, 0.06)
    row = {"log_id": log, "line": end, "redraw": 0, "piece": 0, "format": "mmengine", "phase": "val", "epoch": 5}
    shelf.add(PROGRESS, [row])
    shelf.facts(log, "config", 9, epochs_planned=5)
    run = shelf.run()
    assert (run["iters_done"], run["state"], run["ended_by"]) == (1005, "finished", "epochs")


def test_copied_log(shelf: Any) -> None:
    """A log copied a minute ago whose last stamp is two years old is not running."""
    log = shelf.log("net/a.log", ["mmengine"], modified_at=NOW - timedelta(minutes=1))
    shelf.by_iter(log, range(10, 101, 10), 1000, datetime(2024, 1, 1), 1.0)
    assert shelf.run()["state"] == "interrupted"
