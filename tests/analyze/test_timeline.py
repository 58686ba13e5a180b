"""Which rows and logs are one attempt and one run."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

START = datetime(2024, 4, 15, 22, 45, 46)
DAY = timedelta(days=1)


def attempts(shelf: Any) -> list[tuple[Any, ...]]:
    return shelf.tables().attempts.select("log_id", "attempt", "first_line", "start_iter", "last_iter").rows()


def test_start_without_records(shelf: Any) -> None:
    """A log that holds a configuration dump and no record is an attempt, and a run that stopped before it began."""
    log = shelf.log("work_dirs/DubaiDataset/20230614_225053/20230614_225053.log", ["mmengine"])
    shelf.event(log, 1, "start", logged_at=datetime(2023, 6, 14, 22, 50, 53))
    shelf.facts(log, "log", 43, world_size=1)
    shelf.facts(log, "config", 200, batch_size=8)
    run = shelf.run()
    assert (run["attempts"], run["batch_size"], run["world_size"]) == (1, 8, 1)
    assert run["started_at"] == datetime(2023, 6, 14, 22, 50, 53)
    assert (run["state"], run["iters_done"], run["name"]) == ("interrupted", None, "DubaiDataset")


def test_first_start_is_no_second_attempt(shelf: Any) -> None:
    """Lines of a job script in front of the environment block do not make an attempt of their own."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.event(log, 7, "start")
    shelf.by_iter(log, range(10, 101, 10), 100, START, 1.0)
    assert attempts(shelf) == [(log, 1, 1, 0, 100)]


def test_further_start(shelf: Any) -> None:
    """Each further environment block begins an attempt, which starts where its resume line says."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.event(log, 1, "start")
    shelf.by_iter(log, range(10, 101, 10), 200, START, 1.0, first_line=10)
    shelf.event(log, 50, "start")
    shelf.event(log, 60, "resume", epoch=0, global_iter=60)
    shelf.by_iter(log, range(70, 201, 10), 200, START + DAY, 1.0, first_line=70)
    assert attempts(shelf) == [(log, 1, 1, 0, 100), (log, 2, 50, 60, 200)]
    run = shelf.run()
    assert (run["attempts"], run["iters_done"], run["state"]) == (2, 200, "finished")
    assert shelf.tables().attempts["superseded_iters"].to_list() == [40, 0]
    assert (
        "40 iterations done twice after a restart (40 s); counted once" in shelf.tables().findings["message"].to_list()
    )


def test_two_starts_without_records(shelf: Any) -> None:
    """A process that died before its first iteration is an attempt of its own."""
    log = shelf.log("a.log", ["mmengine"])
    shelf.event(log, 1, "start")
    shelf.event(log, 50, "start")
    shelf.by_iter(log, range(10, 101, 10), 100, START, 1.0)
    assert attempts(shelf) == [(log, 1, 1, None, None), (log, 2, 50, 0, 100)]
    assert shelf.run()["attempts"] == 2


def test_counter_falls_back(shelf: Any) -> None:
    """Where the counter falls back without an environment block, an attempt begins: at the resume line, if any."""
    log = shelf.log("a.log", ["mmengine"])
    end = shelf.by_iter(log, range(10, 101, 10), 200, START, 1.0)
    shelf.event(log, end + 3, "resume", global_iter=40)
    shelf.by_iter(log, range(50, 121, 10), 200, START + DAY, 1.0, first_line=end + 10)
    assert attempts(shelf) == [(log, 1, 1, 0, 100), (log, 2, end + 3, 40, 120)]


def test_json_copies_double_nothing(shelf: Any) -> None:
    """The text log speaks; two JSON copies beside it belong to its run and add no attempt and no iteration."""
    folder = "work_dirs/ear/20230604_172709"
    text = shelf.log(f"{folder}/20230604_172709.log", ["mmengine"])
    shelf.event(text, 1, "start")
    shelf.by_epoch(text, range(1, 4), range(1, 7), 6, START, 6.0)
    for name in ("scalars", "20230604_172709"):
        copy = shelf.log(f"{folder}/vis_data/{name}.json", ["mmengine"])
        shelf.by_iter(copy, range(1, 19), None, None, 6.0, first_line=1)
    run = shelf.run()
    assert (run["attempts"], run["iters_done"], len(run["log_paths"])) == (1, 18, 3)
    assert shelf.tables().attempts["log_id"].to_list() == [text]


def test_json_alone(shelf: Any) -> None:
    """Where no text log stands beside it, one of the JSON copies makes the run, and the others join it."""
    for name in ("scalars", "20230604_172709"):
        copy = shelf.log(f"work/ear/20230604_172709/vis_data/{name}.json", ["mmengine"])
        shelf.by_iter(copy, range(10, 101, 10), None, None, 6.0, first_line=1)
    run = shelf.run()
    assert (run["iters_done"], run["iters_planned"], run["name"], run["wall_s"]) == (100, None, "ear", None)
    assert len(run["log_paths"]) == 2
    assert "No time stamps: wall time and samples per hour are open." in run["caveats"]


def test_silent_text_beside_json(shelf: Any) -> None:
    """A text log without a training row leaves the word to the JSON copy beside it: one run, not two."""
    text = shelf.log("w/ear/20230604_172709/20230604_172709.log", ["mmengine"])
    shelf.event(text, 1, "start")
    copy = shelf.log("w/ear/20230604_172709/vis_data/scalars.json", ["mmengine"])
    shelf.by_iter(copy, range(10, 101, 10), None, None, 6.0, first_line=1)
    assert shelf.run()["iters_done"] == 100


def resumed(shelf: Any, at: int, planned: int = 300) -> list[str]:
    first = shelf.log("w/net/20240101_000000/20240101_000000.log", ["mmengine"])
    shelf.event(first, 1, "start")
    shelf.by_iter(first, range(10, 101, 10), 300, START, 1.0)
    second = shelf.log("w/net/20240102_000000/20240102_000000.log", ["mmengine"])
    shelf.event(second, 1, "start")
    shelf.event(second, 50, "resume", global_iter=at)
    shelf.by_iter(second, range(at + 10, at + 101, 10), planned, START + DAY, 1.0)
    return [first, second]


def test_resume_in_the_next_folder(shelf: Any) -> None:
    """A log that resumed where the log before it in the same work directory had been goes on with its run."""
    first, second = resumed(shelf, at=100)
    run = shelf.run()
    assert (run["attempts"], run["iters_done"]) == (2, 200)
    assert run["wall_s"] == 180.0  # two times ten lines of ten seconds, without the day between
    assert shelf.tables().attempts.select("log_id", "attempt").rows() == [(first, 1), (second, 1)]


def test_resume_from_elsewhere(shelf: Any) -> None:
    """A resume at an iteration that no log there reached, or with another plan, stays a run of its own."""
    resumed(shelf, at=110)
    assert shelf.tables().runs.height == 2


def test_resume_with_another_plan(shelf: Any) -> None:
    """Two plans are two runs, whatever was resumed."""
    resumed(shelf, at=100, planned=500)
    assert shelf.tables().runs.height == 2


def test_two_trainings_in_one_log(shelf: Any) -> None:
    """A second training in one log, after the first had reached its plan, is a run of its own."""
    log = shelf.log("slurm-1.out", ["mmengine"])
    shelf.event(log, 1, "start")
    shelf.by_iter(log, range(10, 101, 10), 100, START, 1.0, first_line=10)
    shelf.event(log, 50, "start")
    shelf.by_iter(log, range(10, 61, 10), 100, START + DAY, 1.0, first_line=60)
    runs = shelf.tables().runs.sort("started_at")
    assert runs["iters_done"].to_list() == [100, 60]
    assert runs["name"].n_unique() == 2


def test_text_before_bars(shelf: Any) -> None:
    """A bar makes no run in a log where another format speaks."""
    log = shelf.log("slurm-1.out", ["mmengine", "tqdm"])
    shelf.by_iter(log, range(10, 101, 10), 100, START, 1.0)
    shelf.bar(log, [(0, 0), (5000, 600)], 5000, "Iteration", line=9)
    run = shelf.run()
    assert (run["format"], run["iters_done"]) == ("mmengine", 100)


def test_run_id(shelf: Any) -> None:
    """A run's identity is its first log and line, and stays when another log joins."""
    first, _ = resumed(shelf, at=100)
    alone = type(shelf)()
    alone.rows = {name: [f.filter(pl.col("log_id") == first) for f in frames] for name, frames in shelf.rows.items()}
    assert shelf.run()["run_id"] == alone.run()["run_id"]


def test_nothing() -> None:
    """Tables without rows give tables without rows."""
    from tables_by_hand import Shelf

    tables = Shelf().tables()
    assert tables.runs.is_empty()
    assert tables.attempts.is_empty()
