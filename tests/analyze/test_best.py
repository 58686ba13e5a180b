"""The best state that a run names."""

from datetime import datetime
from typing import Any

import pytest
from trainqc.pipeline.tables import METRICS


@pytest.fixture
def log(shelf: Any) -> str:
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 3), range(1, 7), 6, datetime(2024, 1, 1), 1.0)
    return log


def said(shelf: Any) -> tuple[Any, ...]:
    run = shelf.run()
    return run["best_metric"], run["best_value"], run["best_epoch"], run["best_direction"]


def best_line(shelf: Any, log: str, line: int, text: str) -> None:
    shelf.event(log, line, "best", message=f"The best checkpoint with {text} is saved to best.pth.")


def test_own_words(shelf: Any, log: str) -> None:
    """The run's own lines name metric, value and epoch; the direction is what they show."""
    best_line(shelf, log, 150, "0.7110 coco/bbox_mAP at 8 epoch")
    best_line(shelf, log, 160, "0.8080 coco/bbox_mAP at 196 epoch")
    assert said(shelf) == ("coco/bbox_mAP", 0.808, 196, "max")


def test_one_line_shows_no_direction(shelf: Any, log: str) -> None:
    """A single best line tells no direction, and an iteration is no epoch."""
    best_line(shelf, log, 150, "86.7700 mAcc at 7600 iter")
    assert said(shelf) == ("mAcc", 86.77, None, None)


def test_from_validation(shelf: Any, log: str) -> None:
    """Without such lines the best of a validation metric whose name tells the direction counts."""
    rows = [
        {
            "log_id": log,
            "line": 200 + e,
            "redraw": 0,
            "piece": 0,
            "format": "mmengine",
            "phase": "val",
            "epoch": e,
            "name": n,
            "printed_name": n,
            "value": v,
        }
        for e, n, v in [(1, "acc", 0.5), (2, "acc", 0.9), (3, "acc", 0.7), (1, "time", 3.0)]
    ]
    shelf.add(METRICS, rows)
    assert said(shelf) == ("acc", 0.9, 2, "max")


def test_unknown_metric(shelf: Any, log: str) -> None:
    """A metric whose better direction its name does not tell is no best."""
    row = {
        "log_id": log,
        "line": 201,
        "redraw": 0,
        "piece": 0,
        "format": "mmengine",
        "phase": "val",
        "name": "zeta",
        "printed_name": "zeta",
        "value": 3.0,
    }
    shelf.add(METRICS, [row])
    assert said(shelf) == (None, None, None, None)


def test_hostile_message(shelf: Any, log: str) -> None:
    """A best line without a number is no best, and no error."""
    best_line(shelf, log, 150, "abc nonsense at 3 epoch")
    assert said(shelf) == (None, None, None, None)
