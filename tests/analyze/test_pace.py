"""Seconds per iteration."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from trainqc.pipeline.tables import PROGRESS

START = datetime(2024, 4, 15, 22, 45, 46)


def test_clock_where_it_resolves(shelf: Any) -> None:
    """Lines 160 s apart have a better clock than the printed mean of ten iterations."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(50, 1001, 50), 1000, START, 3.2)
    shelf.rows["progress"] = [f.with_columns(s_per_iter=pl.lit(9.9)) for f in shelf.rows["progress"]]
    run = shelf.run()
    assert run["s_per_iter"] == pytest.approx(3.2, rel=0.01)
    assert run["s_per_iter_from"] == "timestamps"
    assert run["s_per_iter_n"] == 19


def test_print_where_the_clock_is_coarse(shelf: Any) -> None:
    """Lines 0.55 s apart say nothing in stamps of a second: the printed time is taken, and the run says so."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(10, 1001, 10), 1000, START, 0.055)
    run = shelf.run()
    assert (run["s_per_iter"], run["s_per_iter_from"]) == (0.055, "log")
    assert any("means of the last ten iterations" in text for text in run["caveats"])


def test_print_where_it_leaves_nothing_out(shelf: Any) -> None:
    """Lines every ten iterations, 37 s apart: the printed mean of ten is exact, stamps would round it to tenths."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(10, 1001, 10), 1000, START, 3.6659)
    run = shelf.run()
    assert (run["s_per_iter"], run["s_per_iter_from"]) == (3.6659, "log")


def test_rare_lines_of_a_fast_run(shelf: Any) -> None:
    """Lines every 50 iterations, 7 s apart in whole seconds, sum up to stretches that resolve 0.14 s an iteration."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 2), range(50, 8001, 50), 8000, START, 0.1444)
    shelf.rows["progress"] = [f.with_columns(s_per_iter=pl.lit(9.9)) for f in shelf.rows["progress"]]
    run = shelf.run()
    assert run["s_per_iter"] == pytest.approx(0.1444, rel=0.01)
    assert run["s_per_iter_from"] == "timestamps"


def silent(shelf: Any, s_per_iter: float, lines: int, *, whole_seconds: bool) -> dict[str, Any]:
    """A run with a stamped line every ten iterations that prints no time of its own."""
    log = shelf.log("a.log", ["pytorch"])
    shelf.by_iter(log, range(10, 10 * lines + 1, 10), 10 * lines, START, s_per_iter)
    frames = [f.with_columns(s_per_iter=pl.lit(None, pl.Float64)) for f in shelf.rows["progress"]]
    stamp = pl.col("logged_at").dt.truncate("1s") if whole_seconds else pl.col("logged_at")
    shelf.rows["progress"] = [f.with_columns(format=pl.lit("pytorch"), logged_at=stamp) for f in frames]
    return shelf.run()


def test_stamps_where_nothing_is_printed(shelf: Any) -> None:
    """Stamps with milliseconds, 3.2 s apart, tell 0.32 s an iteration from each pair of neighbours."""
    run = silent(shelf, 0.32, 12, whole_seconds=False)
    assert run["s_per_iter"] == pytest.approx(0.32, rel=0.001)
    assert (run["s_per_iter_from"], run["s_per_iter_n"]) == ("timestamps", 11)


def test_whole_seconds_where_nothing_is_printed(shelf: Any) -> None:
    """Stamps of a second, 3.3 s apart over 130 s, are summed up to stretches: 0.33 s within 5 %."""
    run = silent(shelf, 0.33, 40, whole_seconds=True)
    assert run["s_per_iter"] == pytest.approx(0.33, rel=0.05)
    assert run["s_per_iter_lo"] <= 0.33 <= run["s_per_iter_hi"]


def test_too_short_for_whole_seconds(shelf: Any) -> None:
    """Forty seconds of stamps of a second tell no pace: unknown, not a guess."""
    run = silent(shelf, 0.1, 40, whole_seconds=True)
    assert (run["s_per_iter"], run["s_per_iter_from"]) == (None, None)


def slow_at(shelf: Any, where: int) -> dict[str, Any]:
    """A run of 20 lines at 1 s an iteration whose line number `where` prints 50 s."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 21), 20, START, 1.0, first_line=100)
    slow = pl.when(pl.col("line") == where).then(50.0).otherwise("s_per_iter")
    shelf.rows["progress"] = [f.with_columns(s_per_iter=slow) for f in shelf.rows["progress"]]
    return shelf.run()


def test_warm_up_is_left_out(shelf: Any) -> None:
    """The first line of an attempt holds its start-up."""
    assert slow_at(shelf, 100)["s_per_iter_mean"] == 1.0


def test_stalls_are_kept(shelf: Any) -> None:
    """A slow line in the middle is part of the mean; only the median passes over it."""
    run = slow_at(shelf, 110)
    assert (run["s_per_iter"], run["s_per_iter_mean"]) == (1.0, pytest.approx(1 + 49 / 19))


def test_behind_a_checkpoint(shelf: Any) -> None:
    """A line behind a checkpoint is left out."""
    shelf.event("a.log", 110, "checkpoint", global_iter=11)
    assert slow_at(shelf, 111)["s_per_iter_mean"] == 1.0


def test_behind_a_validation(shelf: Any) -> None:
    """A line behind a validation is left out, and the validation's own time is no training time."""
    row = {
        "log_id": "a.log",
        "line": 110,
        "redraw": 1,
        "piece": 0,
        "format": "mmengine",
        "phase": "val",
        "s_per_iter": 99.0,
    }
    shelf.add(PROGRESS, [row])
    assert slow_at(shelf, 111)["s_per_iter_mean"] == 1.0


def test_single_line(shelf: Any) -> None:
    """A run of one line has the pace of that line."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 2), range(1, 2), 6, START, 14.1869)
    run = shelf.run()
    assert (run["s_per_iter"], run["s_per_iter_n"], run["iters_done"]) == (14.1869, 1, 1)


def test_data_wait(shelf: Any) -> None:
    """The share of waiting is the sum of waits over the sum of times beside them."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 21), 20, START, 2.0, data_s_per_iter=0.5)
    assert shelf.run()["data_wait_fraction"] == 0.25


def test_no_wait_printed(shelf: Any) -> None:
    """Where no wait is printed the share is unknown, not 0."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 21), 20, START, 2.0)
    assert shelf.run()["data_wait_fraction"] is None


def test_time_to_go(shelf: Any) -> None:
    """A running run of 1,000 iterations at 3 s with 400 done has 30 min to go, counted from its last stamp."""
    from tables_by_hand import NOW

    log = shelf.log("a.log", ["mmengine"], modified_at=NOW - timedelta(minutes=1))
    start = NOW.replace(tzinfo=None) - timedelta(hours=1)
    shelf.by_iter(log, range(10, 401, 10), 1000, start, 3.0)
    run = shelf.run()
    assert (run["state"], run["eta_s"]) == ("running", 1800.0)
    assert run["finish_at"] == start + timedelta(seconds=1200 + 1800)
