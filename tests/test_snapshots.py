"""How runs stood at each report: what is appended, when, and what stays as it was."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from trainqc.pipeline import commands, snapshots
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import RUNS, SNAPSHOTS, conform

NOW = datetime(2026, 5, 4, 9, 14, tzinfo=UTC)
LINE = "2026/05/04 09:{:02}:00 - mmengine - INFO - Iter(train) [{}/100]  lr: 1.0e-03  time: 0.5  loss: 0.25\n"


def runs(**columns: list[object]) -> pl.DataFrame:
    return conform(pl.DataFrame(columns, infer_schema_length=None), RUNS)


def appended(taken: pl.DataFrame, frame: pl.DataFrame, at: datetime = NOW) -> pl.DataFrame:
    return pl.concat([taken, snapshots.changed(taken, frame, snapshots.moment(taken, at))])


def three_reports() -> pl.DataFrame:
    first = runs(run_id=["a", "b"], iters_done=[10, 100], s_per_iter=[0.5, 0.25], log_paths=[["a.log"], ["b.log"]])
    second = first.with_columns(iters_done=pl.Series([20, 100]))
    taken = appended(SNAPSHOTS.empty(), first)
    taken = appended(taken, second, NOW + timedelta(hours=1))
    return appended(taken, second, NOW + timedelta(hours=2))


def test_what_has_not_changed_is_not_appended() -> None:
    """Two runs, then the one that moved, then none."""
    rows = three_reports().select("as_of", "run_id", "iters_done").rows()
    assert rows == [(NOW, "a", 10), (NOW, "b", 100), (NOW + timedelta(hours=1), "a", 20)]


@pytest.mark.parametrize(("hours", "done"), [(0, [10, 100]), (1, [20, 100]), (9, [20, 100]), (-1, [])])
def test_how_runs_stood(hours: int, done: list[int]) -> None:
    """Every run is there at every moment since it was first seen, changed or not."""
    stood = snapshots.standing(three_reports(), NOW + timedelta(hours=hours)).sort("run_id")
    assert stood["iters_done"].to_list() == done


def test_the_clock_alone_is_no_change() -> None:
    """`last written 3 h ago`, the time to go, and the last digits of a sum."""
    first = runs(run_id=["a"], state_reason=["2 h ago"], eta_s=[60.0], wall_s=[0.1 + 0.2])
    second = runs(run_id=["a"], state_reason=["3 h ago"], eta_s=[50.0], wall_s=[0.3])
    assert appended(appended(SNAPSHOTS.empty(), first), second, NOW + timedelta(hours=1)).height == 1


def test_a_run_that_is_gone() -> None:
    """A run_id that is no longer among the runs says so once, and stands no more."""
    both, one = runs(run_id=["a", "b"], name=["x", "y"]), runs(run_id=["b"], name=["y"])
    taken = appended(appended(SNAPSHOTS.empty(), both), one, NOW + timedelta(hours=1))
    taken = appended(taken, one, NOW + timedelta(hours=2))
    assert taken.filter("gone").select("run_id", "name").rows() == [("a", "x")]
    assert snapshots.standing(taken)["run_id"].to_list() == ["b"]


def test_a_month_begins_with_all_runs() -> None:
    """So that nobody needs to read further back."""
    frame = runs(run_id=["a", "b"])
    taken = appended(appended(SNAPSHOTS.empty(), frame), frame, NOW + timedelta(days=31))
    assert taken["run_id"].to_list() == ["a", "b", "a", "b"]


def test_a_clock_that_was_set_back() -> None:
    """Later rows have later times, so that the last row is the last one taken."""
    taken = appended(SNAPSHOTS.empty(), runs(run_id=["a"], iters_done=[1]))
    taken = appended(taken, runs(run_id=["a"], iters_done=[2]), NOW - timedelta(days=1))
    assert snapshots.standing(taken)["iters_done"].to_list() == [2]


def report(logs: Path, out: Path, at: datetime) -> pl.DataFrame:
    commands.ingest([logs], out, jobs=1)
    commands.analyze(out, now=at)
    commands.report(out, now=at, plots=0)
    return Store(out).read(SNAPSHOTS).sort("as_of")


def test_each_report_appends(tmp_path: Path) -> None:
    """Through the store: the rows of before are the same to the bit, in one file a month; news are told from them."""
    log, out = tmp_path / "logs" / "net.log", tmp_path / "out"
    log.parent.mkdir()
    log.write_text(LINE.format(10, 10) + LINE.format(11, 20))
    assert commands.before(out) is None
    first = report(log.parent, out, NOW)
    assert first.select("iters_done", "gone").rows() == [(20, False)]
    assert report(log.parent, out, NOW + timedelta(hours=1)).equals(first)
    with log.open("a") as file:
        file.write(LINE.format(12, 30))
    second = report(log.parent, out, NOW + timedelta(hours=2))
    assert second.head(1).equals(first)
    assert second["iters_done"].to_list() == [20, 30]
    assert sorted(p.name.split(".")[0] for p in (out / "tables/snapshots").iterdir()) == ["2026_05", "empty"]
    before = commands.before(out)
    assert before is not None
    assert (before.written_at, before.runs["iters_done"].to_list()) == (NOW + timedelta(hours=2), [30])


def test_while_another_command_writes(tmp_path: Path) -> None:
    """The report is made, and nothing is taken: the other command's report will."""
    log, out = tmp_path / "logs" / "net.log", tmp_path / "out"
    log.parent.mkdir()
    log.write_text(LINE.format(10, 10))
    commands.ingest([log.parent], out, jobs=1)
    commands.analyze(out, now=NOW)
    with Store(out).writer("another"):
        assert snapshots.take(out, NOW) == 0
        assert commands.report(out, now=NOW, plots=0).index.exists()
    assert snapshots.take(out, NOW) == 1
