"""Memory that a log prints on a line of its own."""

from datetime import datetime
from typing import Any

import pytest
from trainqc.pipeline.tables import FACTS

START = datetime(2025, 12, 1, 9)


def printed(shelf: Any, *lines: tuple[int, float], **more: Any) -> float | None:
    """The peak of a run with training records on lines 100 … 199, with such facts on these lines."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 101), 100, START, 1.0, **more)
    rows = [{"log_id": log, "name": "memory_peak_mib", "number": mib, "source": "log", "line": n} for n, mib in lines]
    shelf.add(FACTS, rows)
    return shelf.run()["memory_peak_mib"]


def test_behind_the_training(shelf: Any) -> None:
    """The highest of what is printed behind the first record is the run's peak."""
    assert printed(shelf, (150, 2000.0), (300, 2560.0)) == 2560.0


def test_before_the_training(shelf: Any) -> None:
    """What stands before the first record is the size of the card: no use of it is known."""
    assert printed(shelf, (5, 24576.0)) is None


@pytest.mark.parametrize("records", [1000.0, 3000.0])
def test_beside_the_records(shelf: Any, records: float) -> None:
    """Where the records print memory too, the higher number holds."""
    assert printed(shelf, (300, 2560.0), memory_mib=records) == max(records, 2560.0)


def test_nothing_that_makes_sense(shelf: Any) -> None:
    """Zero and less are no memory."""
    assert printed(shelf, (300, 0.0), (301, -5.0)) is None
