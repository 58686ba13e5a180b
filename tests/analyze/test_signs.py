"""Signs of an epoch's length in the records themselves: what they allow, and what is no sign."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from tables_by_hand import Shelf
from trainqc.pipeline.tables import PROGRESS

START = datetime(2025, 11, 25, 5, 13)


def ranges(shelf: Shelf, name: str = "iters_per_epoch", source: str = "counted") -> list[tuple[int, int, int]]:
    """(low, high, line) of the claims of a name."""
    claims = shelf.tables().claims.filter((pl.col("name") == name) & (pl.col("source") == source))
    return claims.select("low", "high", "line").rows()


def a_log(shelf: Shelf, planned: int, last: int, data_s: dict[int, float] | None = None, step: int = 10) -> str:
    """By iteration, a record every `step` on every second line; `data_s` differs from 0.04 s where it says so."""
    log = shelf.log("a/20251125_051300/a.log", ["mmengine"])
    done = range(step, last + 1, step)
    waits = [(data_s or {}).get(i, 0.04) for i in done]
    shelf.by_iter(log, done, planned, START, 16.0, data_s_per_iter=waits, line=[line_of(i, step) for i in done])
    return log


def line_of(done: int, step: int = 10) -> int:
    return 100 + 2 * (done // step)


def test_the_odd_name(shelf: Shelf) -> None:
    """Of the `Exp name` lines the one that stands at no 1,000th iteration is behind iteration len(dataloader)."""
    log = a_log(shelf, 3672, 3670)
    for done in (1000, 1230, 2000, 3000):
        shelf.event(log, line_of(done) - 1, "exp_name")
    assert ranges(shelf) == [(1221, 1230, line_of(1230) - 1)]


@pytest.mark.parametrize(
    "named", [(1000, 2000, 3000), (1230, 2450, 1000), (1000, 2000)], ids=["all in step", "two odd ones", "in step"]
)
def test_no_odd_name(shelf: Shelf, named: tuple[int, ...]) -> None:
    """Without an odd line, or with two of them, nothing is told."""
    log = a_log(shelf, 3672, 3670)
    for done in named:
        shelf.event(log, line_of(done) - 1, "exp_name")
    assert ranges(shelf) == []


def test_the_first_wrap(shelf: Shelf) -> None:
    """The loader begins again while iteration I + 1 is fetched, between 1,220 and 1,230."""
    log = a_log(shelf, 3672, 3670)
    shelf.event(log, line_of(1230) - 1, "data_wrap")
    assert ranges(shelf) == [(1220, 1229, line_of(1230) - 1)]


def test_a_wrap_after_a_resume_tells_nothing(shelf: Shelf) -> None:
    """Behind a resume nobody knows where in the data the process began."""
    log = a_log(shelf, 3672, 3670)
    shelf.event(log, 50, "resume", global_iter=60)
    shelf.event(log, line_of(1230) - 1, "data_wrap")
    assert ranges(shelf) == []


def test_pauses_come_back_in_step(shelf: Shelf) -> None:
    """2 s in a mean of ten, at 1,230 and 2,450 and nowhere else up to 3,670: only 1,224 iterations an epoch do that."""
    a_log(shelf, 3672, 3670, {1230: 0.24, 2450: 0.24})
    assert ranges(shelf) == [(1224, 1224, line_of(1230))]


def test_pauses_leave_a_range(shelf: Shelf) -> None:
    """Four ranks: 320 and 630 of 936 leave 310 to 314."""
    a_log(shelf, 936, 930, {320: 0.24, 630: 0.24})
    assert ranges(shelf) == [(310, 314, line_of(320))]


@pytest.mark.parametrize(
    "waits",
    [
        {1230: 0.24},
        {1230: 0.24, 2000: 0.24},
        {1230: 0.24, 2450: 0.24, 3000: 0.24},
        {1230: 0.14, 2450: 0.14},
        {1230: 0.24, 2450: 0.24, 3670: 2.74},
    ],
    ids=["one alone", "out of step", "one too many", "too small", "a longer wait may hide the third"],
)
def test_other_waits_are_no_pauses(shelf: Shelf, waits: dict[int, float]) -> None:
    """Waits that chance, a slow disk or a checkpoint explains tell nothing."""
    a_log(shelf, 3672, 3670, waits)
    assert ranges(shelf) == []


def test_rare_lines_show_no_pauses(shelf: Shelf) -> None:
    """With a line every 50 iterations most of them lie outside of every mean of ten."""
    a_log(shelf, 3672, 3650, {1250: 0.24, 2450: 0.24}, step=50)
    assert ranges(shelf) == []


def printed(shelf: Shelf, rows: list[dict[str, Any]]) -> None:
    log = shelf.log("a.log", ["pytorch"])
    base = {"log_id": log, "redraw": 0, "piece": 0, "format": "pytorch", "phase": "train"}
    shelf.add(PROGRESS, [base | {"line": k + 1} | row for k, row in enumerate(rows)])


def test_a_counter_that_runs_on(shelf: Shelf) -> None:
    """`Epoch [2/5], Batch [50/312], Step [362/1560]`: 312 iterations were before the second epoch."""
    printed(
        shelf,
        [
            {"epoch": 1, "iter": 50, "global_iter": 50, "iters_planned": 1560},
            {"epoch": 2, "iter": 50, "global_iter": 362, "iters_planned": 1560},
            {"epoch": 3, "iter": 50, "global_iter": 674, "iters_planned": 1560},
        ],
    )
    assert ranges(shelf) == [(312, 312, 2)]


def test_last_lines_of_epochs(shelf: Shelf) -> None:
    """`[1, 12000]` is the last of its epoch and the next would be 14,000: 12,000 to 13,999 iterations."""
    printed(shelf, [{"epoch": e, "iter": i} for e in (1, 2) for i in range(2000, 12001, 2000)])
    assert ranges(shelf) == [(12000, 13999, 6)]


def test_an_epoch_that_nobody_saw_end(shelf: Shelf) -> None:
    """The last epoch may have been cut off: it tells nothing."""
    printed(shelf, [{"epoch": 1, "iter": i} for i in range(2000, 12001, 2000)])
    assert ranges(shelf) == []


def test_iterations_and_updates_side_by_side(shelf: Shelf) -> None:
    """micro_step=80 at global_step=10: eight iterations an update."""
    printed(shelf, [{"global_iter": 80, "update": 10}, {"global_iter": 160, "update": 20}])
    assert ranges(shelf, "grad_accum") == [(8, 8, 1)]


def test_a_ratio_that_changes_is_none(shelf: Shelf) -> None:
    """Where accumulation ramps up, no single number holds."""
    printed(shelf, [{"global_iter": 80, "update": 10}, {"global_iter": 200, "update": 20}])
    assert ranges(shelf, "grad_accum") == []


def rates(shelf: Shelf, shown: list[float], per_epoch: int = 100, step: int = 1, **more: object) -> None:
    """`Epoch [1/3], Step [1/100], Loss …, LR 0.001` at every `step`-th iteration."""
    log = shelf.log("net/train.log", ["pytorch"])
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": "pytorch", "phase": "train", "iters_per_epoch": per_epoch}
    places = [divmod(k * step, per_epoch) for k in range(len(shown))]
    shelf.add(
        PROGRESS,
        [
            row | {"line": k + 1, "epoch": e + 1, "iter": i + 1, "global_iter": e * per_epoch + i + 1, "lr": lr} | more
            for k, ((e, i), lr) in enumerate(zip(places, shown, strict=True))
        ],
    )


def test_a_rate_that_steps_with_the_optimizer(shelf: Shelf) -> None:
    """Eight iterations at each rate: A = 8, and 300 iterations are at most 39 updates."""
    rates(shelf, [round(1e-3 * (1 - i // 8 / 40), 9) for i in range(300)])
    tables = shelf.tables()
    assert ranges(shelf, "grad_accum") == [(8, 8, 1)]
    assert (tables.runs["grad_accum"].item(), tables.runs["grad_accum_from"].item()) == (8, "inferred")
    assert tables.stages["steps_per"].to_list() == ["update"]


@pytest.mark.parametrize(
    ("per_epoch", "step", "rate"),
    [
        (100, 1, lambda i: 1e-3 * (1 - i / 300)),
        (100, 8, lambda i: 1e-3 * (1 - i // 8 / 40)),
        (8, 1, lambda i: 1e-3 * (1 - i // 8 / 40)),
        (100, 1, lambda i: 1e-3 * 0.9 ** (i // 8)),
        (100, 1, lambda i: 1e-3 * (1 - (i + i % 3) // 8 / 40)),
    ],
    ids=["each iteration", "not every iteration printed", "each epoch", "a staircase", "uneven"],
)
def test_no_period(shelf: Shelf, per_epoch: int, step: int, rate: Any) -> None:
    """What may be something else tells no accumulation."""
    rates(shelf, [float(f"{rate(i):.4e}") for i in range(0, 300, step)], per_epoch, step)
    assert ranges(shelf, "grad_accum") == []
