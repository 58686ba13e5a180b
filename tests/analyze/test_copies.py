"""A console's copy and the framework's own log are one run; two runs of one configuration are two."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

START = datetime(2025, 3, 1, 12, 0)
OWN = "work_dirs/net/20250301_120000/20250301_120000.log"


def own(shelf: Any, path: str = OWN, done: range = range(10, 1001, 10), start: datetime = START, **more: Any) -> str:
    log = shelf.log(path, ["mmengine"])
    shelf.event(log, 1, "start", logged_at=start)
    shelf.by_iter(log, done, 1000, start, 2.0, **more)
    return log


def console(shelf: Any, path: str = "slurm-1.out", done: range = range(10, 1001, 10), **more: Any) -> str:
    """The same with a year that nobody printed, and other lines in between."""
    log = own(shelf, path, done, START.replace(year=2026), first_line=900, **more)
    shelf.facts(log, "log", 900, clock_year_from="the file's time")
    return log


def test_one_run_in_two_logs(shelf: Any) -> None:
    """The own log speaks, the console is listed beside it and counts for nothing."""
    own(shelf)
    console(shelf)
    run = shelf.run()
    assert run["log_paths"] == ["slurm-1.out", OWN]
    assert (run["name"], run["attempts"], run["iters_done"], run["started_at"]) == ("net", 1, 1000, START)
    attempts = shelf.tables().attempts.sort("log_id")
    assert attempts["run_id"].n_unique() == 1
    assert attempts["copy_of"].to_list() == [OWN.replace("/", ":"), None]  # slurm-1.out, the own log


def test_the_last_words_of_the_console(shelf: Any) -> None:
    """A traceback goes to the job's output alone: it is the run's end all the same, and cited there."""
    own(shelf, done=range(10, 501, 10))
    log = console(shelf, done=range(10, 501, 10))
    shelf.event(log, 2000, "out_of_memory", message="CUDA out of memory")
    tables = shelf.tables()
    assert tables.runs["state"].to_list() == ["failed"]
    cited = tables.findings.filter(pl.col("code") == "failed").select("log_id", "line")
    assert cited.rows() == [("slurm-1.out", 2000)]


def test_what_the_console_states(shelf: Any) -> None:
    """Facts of the job's output are facts of the run."""
    own(shelf)
    shelf.facts(console(shelf), "log", 3, job_id="481205")
    assert shelf.run()["job_id"] == "481205"


@pytest.mark.parametrize("done", [range(10, 701, 10), range(510, 1001, 10), range(10, 11, 10)])
def test_a_console_that_is_cut(shelf: Any, done: range) -> None:
    """Killed before its buffer was written, rotated, or broken off after one record: the longer log speaks."""
    own(shelf)
    log = shelf.log("nohup.out", ["mmengine"])
    at = START.replace(year=2026) + timedelta(seconds=(done.start - 10) * 2.0)
    shelf.by_iter(log, done, 1000, at, 2.0)
    shelf.facts(log, "log", 100, clock_year_from="the file's time")
    run = shelf.run()
    assert (run["iters_done"], len(run["log_paths"])) == (1000, 2)


def test_the_richer_log_speaks(shelf: Any) -> None:
    """A work directory copied in the middle of the run has fewer records than the console: that speaks."""
    own(shelf, done=range(10, 301, 10))
    console(shelf)
    run = shelf.run()
    assert (run["iters_done"], run["state"], len(run["log_paths"])) == (1000, "finished", 2)


def test_torn_lines(shelf: Any) -> None:
    """A few records that other processes' output tore do not make two runs of one."""
    own(shelf)
    log = shelf.log("slurm-1.out", ["mmengine"])
    at = [START.replace(year=2026) + timedelta(seconds=2.0 * i) for i in range(10, 1001, 10)]
    torn = [None if i == 500 else 2.0 for i in range(10, 1001, 10)]
    shelf.by_iter(log, range(10, 1001, 10), 1000, START, 2.0)
    frame = shelf.rows["progress"].pop().with_columns(s_per_iter=pl.Series(torn), logged_at=pl.Series(at))
    shelf.rows["progress"].append(frame)
    shelf.facts(log, "log", 100, clock_year_from="the file's time")
    assert len(shelf.run()["log_paths"]) == 2


def test_one_configuration_run_twice(shelf: Any) -> None:
    """An hour later, with the same numbers throughout: two runs, each with its console."""
    later = START + timedelta(hours=1)
    own(shelf)
    console(shelf)
    own(shelf, "work_dirs/net/20250301_130000/20250301_130000.log", start=later)
    log = own(shelf, "slurm-2.out", start=later.replace(year=2026), first_line=900)
    shelf.facts(log, "log", 900, clock_year_from="the file's time")
    paths = sorted(shelf.tables().runs["log_paths"].to_list())
    second = ["slurm-2.out", "work_dirs/net/20250301_130000/20250301_130000.log"]
    assert paths == [["slurm-1.out", OWN], second]


def test_started_at_once(shelf: Any) -> None:
    """Two jobs of an array print in the same seconds from one seed: their measured times tell them apart."""
    for job, times in (("slurm-1_1.out", 2.0), ("slurm-1_2.out", 2.001)):
        log = shelf.log(job, ["mmengine"])
        shelf.by_iter(log, range(10, 1001, 10), 1000, START, 2.0)
        frame = shelf.rows["progress"].pop().with_columns(s_per_iter=pl.lit(times))
        shelf.rows["progress"].append(frame)
    assert shelf.tables().runs.height == 2


def test_two_own_logs_are_two_runs(shelf: Any) -> None:
    """Whatever they say: a simulated clock may give two runs the same records, a console is no third."""
    own(shelf)
    own(shelf, "work_dirs/net_b/20250301_120000/20250301_120000.log")
    console(shelf)
    runs = shelf.tables().runs
    assert sorted(len(paths) for paths in runs["log_paths"].to_list()) == [1, 2]


def test_two_runs_in_one_console(shelf: Any) -> None:
    """A job that trains twice has two work directories: each half follows its own log."""
    own(shelf)
    later = START + timedelta(hours=1)
    other = "work_dirs/net/20250301_130000/20250301_130000.log"
    own(shelf, other, start=later)
    log = console(shelf)
    shelf.event(log, 1500, "start", logged_at=later)
    shelf.by_iter(log, range(10, 1001, 10), 1000, later.replace(year=2026), 2.0, first_line=1600)
    shelf.facts(log, "log", 1501, seed=2)
    runs = shelf.tables().runs
    assert sorted(runs["log_paths"].to_list()) == [["slurm-1.out", OWN], ["slurm-1.out", other]]
    assert runs["iters_done"].to_list() == [1000, 1000]


def silent(shelf: Any, path: str, work_dir: str = "./work_dirs/net", at: datetime = START) -> str:
    log = shelf.log(path, ["mmengine"])
    shelf.event(log, 1, "start", logged_at=at)
    shelf.facts(log, "config", 50, work_dir=work_dir)
    if path.startswith("slurm"):
        shelf.facts(log, "log", 2, clock_year_from="the file's time")
    return log


def test_broken_off_before_the_first_record(shelf: Any) -> None:
    """The own log says nothing of the error, the console does; one work directory and one second are one process."""
    silent(shelf, OWN)
    shelf.event(silent(shelf, "slurm-1.out"), 90, "traceback", message="KeyError: 'x'")
    run = shelf.run()
    assert (run["state"], run["log_paths"]) == ("failed", ["slurm-1.out", OWN])


@pytest.mark.parametrize(
    "other",
    [
        {"path": "slurm-2.out"},
        {"path": "slurm-1.out", "work_dir": "./work_dirs/other"},
        {"path": "slurm-1.out", "at": START + timedelta(seconds=1)},
    ],
)
def test_broken_off_elsewhere(shelf: Any, other: dict[str, Any]) -> None:
    """Another directory or second is another run, and two consoles that fit are one too many."""
    silent(shelf, OWN)
    if other["path"] == "slurm-2.out":
        silent(shelf, "slurm-1.out")
    silent(shelf, **other)
    assert shelf.tables().runs["log_paths"].list.len().max() == 1


def test_logs_without_stamps(shelf: Any) -> None:
    """Records without a time of day prove nothing."""
    for path in ("a.log", "b.log"):
        shelf.by_iter(shelf.log(path, ["mmengine"]), range(10, 1001, 10), 1000, None, 2.0)
    assert shelf.tables().runs.height == 2
