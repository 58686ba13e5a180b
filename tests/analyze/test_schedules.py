"""Schedules that cannot be reached, from what the logs state."""

from datetime import datetime
from typing import Any

import pytest

START = datetime(2026, 1, 1)


def said(shelf: Any) -> list[str]:
    findings = shelf.tables().findings
    return [
        m for c, m in findings.select("code", "message").rows() if c in ("unreachable_schedule", "schedule_miscounted")
    ]


def scheduler(shelf: Any, log: str, line: int, **values: object) -> None:
    """mmengine's dump prints the keys of a scheduler sorted, its type last."""
    for at, (name, value) in enumerate(sorted(values.items())):
        shelf.facts(log, "config", line + at, **{f"param_scheduler.{name}": value})


def test_a_scheduler_beyond_the_end(shelf: Any) -> None:
    """A second scheduler that begins at epoch 40 of 36, a first one within the plan."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.facts(log, "config", 5, epochs_planned=36)
    scheduler(shelf, log, 10, begin=0, by_epoch=True, end=36, type="LinearLR")
    scheduler(shelf, log, 20, begin=40, by_epoch=True, end=50, type="MultiStepLR")
    shelf.by_epoch(log, range(1, 37), range(10, 101, 10), 100, START, 1.0)
    assert said(shelf) == [
        "MultiStepLR begins behind epoch 40, and the plan ends at epoch 36: it is never reached",
        "MultiStepLR is planned to epoch 50, and the plan ends at epoch 36: its end is never reached",
    ]


def test_a_scheduler_by_iteration(shelf: Any) -> None:
    """by_epoch=False counts iterations: an end at 80,000 of 40,000."""
    log = shelf.log("a.log", ["mmengine"])
    scheduler(shelf, log, 10, begin=0, by_epoch=False, end=80_000, type="PolyLR")
    shelf.by_iter(log, range(1000, 40_001, 1000), 40_000, START, 1.0)
    assert said(shelf) == [
        "PolyLR is planned to iteration 80,000, and the plan ends at iteration 40,000: its end is never reached"
    ]


@pytest.mark.parametrize(("end", "unit"), [(100, True), (1e9, False), (3600, False)])
def test_schedulers_within_the_plan(shelf: Any, end: float, unit: bool) -> None:
    """Up to the end, or without one (10⁹ is mmengine's): nothing to say."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.facts(log, "config", 5, epochs_planned=100)
    scheduler(shelf, log, 10, begin=0, by_epoch=unit, end=end, type="CosineAnnealingLR")
    shelf.by_epoch(log, range(1, 101), range(36, 37), 36, START, 1.0)
    assert said(shelf) == []


@pytest.mark.parametrize(
    ("milestones", "begin", "told"),
    [
        ("[8, 11]", 0, []),
        ("[8, 12]", 0, ["MultiStepLR steps at epochs 8, 12, and the plan ends at epoch 12: 12 is never reached"]),
        ("[9]", 5, ["MultiStepLR steps at epoch 14, and the plan ends at epoch 12: 14 is never reached"]),
        (
            "[30, 60]",
            0,
            ["MultiStepLR steps at epochs 30, 60, and the plan ends at epoch 12: 30, 60 are never reached"],
        ),
    ],
)
def test_milestones(shelf: Any, milestones: str, begin: int, told: list[str]) -> None:
    """A milestone at the last epoch takes hold behind it; mmengine counts from where the scheduler begins."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.facts(log, "config", 5, epochs_planned=12)
    scheduler(shelf, log, 10, begin=begin, by_epoch=True, milestones=milestones, type="MultiStepLR")
    shelf.by_epoch(log, range(1, 13), range(10, 101, 10), 100, START, 1.0)
    assert said(shelf) == told


def test_steps_of_mmcv(shelf: Any) -> None:
    """`lr_config.step` counts epochs unless by_epoch is False."""
    log = shelf.log("a.log", ["mmcv"])
    shelf.facts(log, "config", 5, **{"lr_config.step": "[16000, 90000]", "lr_config.by_epoch": False})
    shelf.by_iter(log, range(1000, 40_001, 1000), 40_000, START, 1.0)
    assert said(shelf) == [
        "lr_config steps at iterations 16,000, 90,000, and the plan ends at iteration 40,000: 90,000 is never reached"
    ]


def test_floor_against_ceil(shelf: Any) -> None:
    """100 iterations an epoch at accumulation 8 are 12 whole windows: 36 in three epochs; mmengine makes 38."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.facts(log, "config", 5, epochs_planned=3, grad_accum=8)
    shelf.facts(log, "config", 7, **{"arguments.total_steps": 36})
    shelf.by_epoch(log, range(1, 4), range(10, 101, 10), 100, START, 1.0)
    assert said(shelf) == [
        "total_steps = 36 is what whole windows of 8 iterations give, 12 an epoch; training makes 38 updates"
    ]
