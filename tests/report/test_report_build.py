"""The report's folder: what is written, kept, drawn again and removed."""

import json
import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from report_hand_made import (
    ENDED,
    EVENTS,
    LATER,
    STARTED,
    attempts,
    bare,
    epochs,
    events,
    facts,
    findings,
    frame,
    logs,
    metrics,
    progress,
    sa2va,
    sources,
)
from trainqc.pipeline.report import build as build_module
from trainqc.pipeline.report import reading
from trainqc.pipeline.report.build import Built, ReportError, build
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import ATTEMPTS, EPOCHS, FINDINGS, LOGS, RUNS


def store_of(out: Path, *runs: dict) -> Path:
    """A store with these runs; each run's name that starts with `sa2va` has the rows of the Sa2VA log."""
    runs = runs or (sa2va(), bare())
    with Store(out).writer("test") as writer:
        writer.write(
            writer.new_part(),
            {
                "logs": logs(),
                "facts": facts(),
                "sources": sources(),
                "events": events(),
                "progress": progress(),
                "metrics": metrics(),
            },
        )
        derive(writer, *runs)
        writer.commit()
    return out


def derive(writer, *runs: dict) -> None:
    kept = [run["run_id"] for run in runs]
    writer.replace(RUNS, frame(RUNS, *runs))
    for table, rows in ((ATTEMPTS, attempts()), (FINDINGS, findings()), (EPOCHS, epochs())):
        writer.replace(table, rows.filter(pl.col("run_id").is_in(kept)))


def change(out: Path, *runs: dict) -> None:
    with Store(out).writer("test") as writer:
        derive(writer, *runs)
        writer.commit()


def files(out: Path) -> set[str]:
    report = out / "report"
    return {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}


ALL = {
    ".trainqc-report.json",
    "index.md",
    "runs/bare.md",
    "runs/sa2va_vessel.md",
    "runs/sa2va_vessel/loss.png",
    "runs/sa2va_vessel/pace.png",
}


def made(out: Path, **options) -> Built:
    return build(out, now=LATER, **options)


def test_a_report_is_an_index_pages_and_charts(tmp_path: Path):
    """One page per run, charts where there is something to draw, every link and picture leads to a file."""
    built = made(store_of(tmp_path))
    assert files(tmp_path) == ALL
    assert (built.runs, built.drawn, built.written, built.removed) == (2, 2, 5, 0)
    assert built.index == tmp_path / "report/index.md"
    assert "(runs/sa2va_vessel.md)" in built.index.read_text()
    assert "](sa2va_vessel/pace.png)" in (tmp_path / "report/runs/sa2va_vessel.md").read_text()
    assert "No loss and no time per iteration was printed." in (tmp_path / "report/runs/bare.md").read_text()


def test_the_source_lines_of_the_store_reach_the_page(tmp_path: Path):
    """The page cites the line that says the ranks, and the first training line for the printed total."""
    made(store_of(tmp_path))
    page = (tmp_path / "report/runs/sa2va_vessel.md").read_text()
    assert "`sa2va_vessel/20251125_051300.log:36` `GPU number: 1`" in page
    assert "[^1]: printed in the log, `sa2va_vessel/20251125_051300.log:731`" in page


def test_a_second_report_writes_and_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Unchanged tables: no file is written, no chart is drawn, and no row of progress is read for charts."""
    store_of(tmp_path)
    made(tmp_path)
    monkeypatch.setattr(build_module, "run_charts", lambda *_: pytest.fail("read for charts again"))
    before = {name: (tmp_path / "report" / name).stat().st_mtime_ns for name in ALL}
    again = made(tmp_path)
    assert (again.written, again.drawn, again.removed) == (0, 0, 0)
    assert before == {name: (tmp_path / "report" / name).stat().st_mtime_ns for name in ALL}


def test_only_what_changed_is_written(tmp_path: Path):
    """A new best value in one run rewrites its page and the index, and leaves the other page alone."""
    store_of(tmp_path)
    made(tmp_path)
    change(tmp_path, sa2va(), bare() | {"owner": "mia"})
    assert made(tmp_path).written == 1


def test_charts_are_drawn_again_when_their_log_grew(tmp_path: Path):
    """A log with another size and fingerprint gives its run new charts."""
    store_of(tmp_path)
    made(tmp_path)
    with Store(tmp_path).writer("test") as writer:
        writer.drop_logs(["log1", "log2", "log3", "log4"])
        grown = logs().with_columns(pl.lit("other").alias("fingerprint"))
        writer.write(writer.new_part(), {"logs": grown, "progress": progress().head(9), "metrics": metrics().head(9)})
        writer.commit()
    assert made(tmp_path).drawn == 2


def test_pages_of_runs_that_are_gone_are_removed(tmp_path: Path):
    """Page, charts and the empty folder go with their run."""
    store_of(tmp_path)
    made(tmp_path)
    change(tmp_path, bare())
    assert made(tmp_path).removed == 3
    assert files(tmp_path) == {".trainqc-report.json", "index.md", "runs/bare.md"}
    assert not (tmp_path / "report/runs/sa2va_vessel").exists()


def test_files_of_others_are_never_removed(tmp_path: Path):
    """Notes that somebody put beside the pages stay, also when the run is gone."""
    store_of(tmp_path)
    made(tmp_path)
    ours = [
        tmp_path / "report/notes.md",
        tmp_path / "report/runs/mine.md",
        tmp_path / "report/runs/sa2va_vessel/my.png",
    ]
    for path in ours:
        path.write_text("mine")
    change(tmp_path, bare())
    made(tmp_path)
    assert all(path.read_text() == "mine" for path in ours)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3, "charts": {}}', '{"files": [], "charts": {"a": 1}}'])
def test_a_damaged_note_of_files_removes_nothing(tmp_path: Path, content: str):
    """Where the note of what was made is unreadable the report is made anew and nothing is taken for ours."""
    store_of(tmp_path)
    made(tmp_path)
    (tmp_path / "report/.trainqc-report.json").write_text(content)
    assert made(tmp_path).removed == 0
    assert files(tmp_path) == ALL


@pytest.mark.parametrize("name", ["../keep.md", "/keep.md", "runs/../../keep.md", "../tables/keep.md", "keep.md"])
def test_no_note_of_files_removes_outside_the_report(tmp_path: Path, name: str):
    """A forged note cannot make the report remove a file elsewhere."""
    store_of(tmp_path)
    made(tmp_path)
    note = tmp_path / "report/.trainqc-report.json"
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"files": [*content["files"], name]}))
    target = (tmp_path / "report" / name.lstrip("/")).resolve()
    target.write_text("keep")
    assert made(tmp_path).removed == 0
    assert target.read_text() == "keep"


def test_a_window_limits_the_index_and_leaves_other_pages(tmp_path: Path):
    """Only runs of the window are listed; pages of the others stay as they are."""
    other = sa2va() | {"run_id": "0bad0002", "name": "older", "started_at": STARTED - timedelta(days=40)}
    other["ended_at"] = ENDED - timedelta(days=40)
    store_of(tmp_path, sa2va(), other)
    made(tmp_path)
    before = (tmp_path / "report/runs/older.md").read_text()
    built = made(tmp_path, since=STARTED - timedelta(days=7))
    assert (built.runs, built.others, built.removed) == (1, 1, 0)
    assert "older" not in built.index.read_text()
    assert "1 other run not shown" in built.index.read_text()
    assert (tmp_path / "report/runs/older.md").read_text() == before


def test_charts_go_to_the_first_runs_and_the_others_say_so(tmp_path: Path):
    """With `plots=1` the run that needs a look gets charts, the other page says why it has none."""
    other = sa2va() | {"run_id": "0bad0002", "name": "calm", "started_at": STARTED + timedelta(days=1)}
    store_of(tmp_path, sa2va(), other)
    built = made(tmp_path, plots=1)
    assert (built.plotted, built.unplotted, built.drawn) == (1, 1, 2)
    assert "--plots raises that number" in (tmp_path / "report/runs/calm.md").read_text()
    assert made(tmp_path, plots=0).removed == 2
    assert "--plots 0" in (tmp_path / "report/runs/sa2va_vessel.md").read_text()


def test_each_table_is_read_a_fixed_number_of_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without charts the number of scans is the same for 2 runs and for 50."""
    scans: list[str] = []
    scan = Store.scan
    monkeypatch.setattr(Store, "scan", lambda self, table: (scans.append(table.name), scan(self, table))[1])
    counted = []
    for number in (2, 50):
        out = tmp_path / str(number)
        store_of(out, *(sa2va() | {"run_id": f"{k:08x}", "name": f"run{k}"} for k in range(number)))
        scans.clear()
        made(out, plots=0)
        counted.append(sorted(scans))
    assert counted[0] == counted[1]


def test_an_interrupted_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A write that fails half-way leaves the page as it was and no temporary file."""
    store_of(tmp_path)
    made(tmp_path)
    page = tmp_path / "report/runs/bare.md"
    before = page.read_text()
    change(tmp_path, sa2va(), bare() | {"owner": "mia"})

    def broken(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="No space left"):
        made(tmp_path)
    assert page.read_text() == before
    assert files(tmp_path) == ALL


def test_leftovers_of_a_killed_command_are_swept(tmp_path: Path):
    """A temporary file older than an hour goes; a fresh one may belong to a command at work."""
    store_of(tmp_path)
    made(tmp_path)
    old, fresh = (tmp_path / f"report/runs/.{name}.md.1.trainqc-tmp" for name in ("old", "fresh"))
    for path, age in ((old, 7200), (fresh, 60)):
        path.write_text("x")
        os.utime(path, (LATER.timestamp() - age,) * 2)
    made(tmp_path)
    assert (old.exists(), fresh.exists()) == (False, True)


def test_progress_is_reported_per_page(tmp_path: Path):
    """The call-back hears of each page and of the whole number."""
    seen: list[tuple[int, int]] = []
    made(store_of(tmp_path), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_no_tables_is_an_error_that_says_what_to_do(tmp_path: Path):
    """A folder without tables is named, with the command that fills it, and nothing is created."""
    with pytest.raises(ReportError, match=r"no tables under .*trainqc ingest"):
        made(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_hostile_run_name_stays_inside_the_report(tmp_path: Path):
    """A run named like a path above the report gets a file inside it."""
    store_of(tmp_path, sa2va() | {"name": "../../../etc/passwd"}, bare() | {"name": ".bashrc"})
    made(tmp_path)
    assert all(name.startswith("runs/") or name in ALL for name in files(tmp_path))
    assert not any("/." in name for name in files(tmp_path))
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {".store", ".trainqc", "report", "tables"}


def test_resumes_and_checkpoints_of_the_store_are_marked(tmp_path: Path):
    """Events of other kinds do not mark a chart, checkpoints and resumes do."""
    store_of(tmp_path)
    with Store(tmp_path).writer("test") as writer:
        more = ({"log_id": "log1", "line": 9, "kind": kind, "global_iter": 60} for kind in ("resume", "traceback"))
        writer.write(writer.new_part(), {"events": frame(EVENTS, *more)})
        writer.commit()
    store = Store(tmp_path)
    fleet = reading.read_fleet(store)
    tables = next(iter(reading.runs_of(store, fleet, ["5a2a0001"])))
    charts = build_module.run_charts(store, tables, attempts().filter(pl.col("run_id") == "5a2a0001"))
    assert [chart.name for chart in charts] == ["loss", "pace"]
    assert [mark.kind for mark in charts[0].marks] == ["epoch", "checkpoint", "resume"]
    assert charts[0].marks[2].xs == (60.0,)


def test_the_logs_themselves_are_not_needed(tmp_path: Path):
    """Tables that were made elsewhere give a report: no path of a log is opened."""
    assert not Path("/runs").exists()
    assert made(store_of(tmp_path)).runs == logs().filter(pl.col("status") == "parsed").height == 2
    assert LOGS.name == "logs"
