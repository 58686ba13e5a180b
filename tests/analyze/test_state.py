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


def test_test_alone(shelf: Any) -> None:
    """A log of a test alone is no training that broke off before its first record."""
    from trainqc.pipeline.tables import PROGRESS

    log = shelf.log("net/a.log", ["mmengine"])
    shelf.event(log, 1, "start")
    row = {"log_id": log, "line": 9, "redraw": 0, "piece": 0, "format": "mmengine", "phase": "test", "iter": 11}
    shelf.add(PROGRESS, [row])
    assert shelf.run()["state"] == "unknown"
    assert shelf.tables().findings.is_empty()


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


def unstamped(shelf: Any, age: timedelta, **more: object) -> dict[str, Any]:
    """A log without stamps that stands at 100 of 1,000 iterations."""
    log = shelf.log("net/a.log", ["mmengine"], modified_at=NOW - age, **more)
    shelf.by_iter(log, range(10, 101, 10), 1000, None, 1.0)
    return shelf.run()


def test_young_file_without_stamps(shelf: Any) -> None:
    """A fresh clone has young files: without a clock in the log that says nothing, and the reason says so."""
    for age in (timedelta(minutes=1), timedelta(hours=1)):
        run = unstamped(type(shelf)(), age)
        assert run["state"] == "unknown"
        assert "100 of 1,000 iterations" in run["state_reason"]
        assert "may be a copy" in run["state_reason"]


def test_old_file_without_stamps(shelf: Any) -> None:
    """A file that nobody wrote for a day holds no running process, whatever its age was made by."""
    assert unstamped(shelf, timedelta(days=1))["state"] == "interrupted"


def test_file_that_grew(shelf: Any) -> None:
    """A file that was smaller at the read before is written by somebody."""
    assert unstamped(shelf, timedelta(minutes=1), bytes=2000, bytes_before=1000)["state"] == "running"


def test_rewritten_smaller(shelf: Any) -> None:
    """A file that became smaller was replaced: no sign of life."""
    assert unstamped(shelf, timedelta(minutes=1), bytes=1000, bytes_before=2000)["state"] == "unknown"


def epochs_alone(shelf: Any, epochs: range, planned: int) -> dict[str, Any]:
    """Lines of whole epochs, without a counter within them."""
    from trainqc.pipeline.tables import PROGRESS

    log = shelf.log("net/a.log", ["pytorch"])
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": "pytorch", "phase": "train", "epochs_planned": planned}
    shelf.add(PROGRESS, [row | {"line": 10 + epoch, "epoch": epoch} for epoch in epochs])
    return shelf.run()


@pytest.mark.parametrize("epochs", [range(1, 11), range(10)])
def test_epochs_alone(shelf: Any, epochs: range) -> None:
    """`Epoch 10/10` without iterations is the end, also where epochs are counted from 0."""
    run = epochs_alone(shelf, epochs, 10)
    assert (run["state"], run["state_reason"], run["epochs_done"]) == ("finished", "all 10 epochs done", 10.0)


def test_epochs_alone_short_of_the_plan(shelf: Any) -> None:
    """Epoch 9 of 10 is not the end."""
    run = epochs_alone(shelf, range(1, 10), 10)
    assert (run["state"], run["epochs_done"]) == ("interrupted", 9.0)
    assert "at 9 of 10 epochs" in run["state_reason"]


def test_samples_within_the_epoch(shelf: Any) -> None:
    """`Train Epoch: 2 [30000/60000]`: half of the second epoch, and no end that nobody planned."""
    from trainqc.pipeline.tables import PROGRESS

    log = shelf.log("net/a.log", ["pytorch"])
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": "pytorch", "phase": "train"}
    shelf.add(PROGRESS, [row | {"line": 2, "epoch": 1, "samples_seen": 59_000}])
    shelf.add(PROGRESS, [row | {"line": 3, "epoch": 2, "samples_seen": 30_000}])
    shelf.facts(log, "log", 2, num_samples=60_000)
    run = shelf.run()
    assert (run["epochs_done"], run["state"]) == (1.5, "unknown")
