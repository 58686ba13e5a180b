"""One value per fact, with its source; disagreement is a finding."""

from datetime import datetime
from typing import Any

START = datetime(2024, 1, 1)


def log_of(shelf: Any) -> str:
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 11), 10, START, 1.0)
    return log


def test_log_before_configuration(shelf: Any) -> None:
    """What the program printed goes before what was configured, and the difference is shown with both lines."""
    log = log_of(shelf)
    shelf.facts(log, "config", 48, batch_size=1)
    shelf.facts(log, "log", 60, batch_size=4)
    tables = shelf.tables()
    assert tables.runs.select("batch_size", "batch_size_from").row(0) == (4, "log")
    said = tables.findings.filter(tables.findings["code"] == "conflict").row(0, named=True)
    assert said["message"] == "batch size: 4 (the log, line 60) or 1 (the configuration, line 48)"


def test_no_first_wins(shelf: Any) -> None:
    """Two different values from one source in one attempt leave the fact unknown, with a caveat and a finding."""
    log = log_of(shelf)
    shelf.facts(log, "config", 48, batch_size=1)
    shelf.facts(log, "config", 70, batch_size=4)
    tables = shelf.tables()
    assert tables.runs.select("batch_size", "batch_size_from").row(0) == (None, None)
    assert "batch_size: the log states several values, none is taken." in tables.runs["caveats"].item().to_list()
    assert "conflict" in tables.findings["code"].to_list()


def test_said_twice(shelf: Any) -> None:
    """The same value at two lines is no conflict, however it is written."""
    log = log_of(shelf)
    shelf.facts(log, "config", 48, batch_size=4)
    shelf.facts(log, "config", 70, batch_size=4.0)
    assert shelf.run()["batch_size"] == 4
    assert "conflict" not in shelf.tables().findings["code"].to_list()


def test_user_before_all(shelf: Any) -> None:
    """The user's value counts, and what the log says against it is a finding at the log's line."""
    log = log_of(shelf)
    shelf.facts(log, "log", 36, world_size=1)
    tables = shelf.tables(values={"world_size": 4})
    assert tables.runs.select("world_size", "world_size_from").row(0) == (4, "user")
    assert tables.findings.filter(tables.findings["code"] == "contradicted")["line"].to_list() == [36]


def test_change_between_attempts(shelf: Any) -> None:
    """A second attempt on other ranks is no contradiction: the last attempt's value counts."""
    log = log_of(shelf)
    shelf.event(log, 1, "start")
    shelf.event(log, 200, "start")
    shelf.event(log, 201, "resume", global_iter=5)
    shelf.by_iter(log, range(6, 11), 10, START, 1.0, first_line=300)
    shelf.facts(log, "log", 36, world_size=1)
    shelf.facts(log, "log", 236, world_size=2)
    tables = shelf.tables()
    assert tables.runs.select("world_size", "attempts").row(0) == (2, 2)
    assert "conflict" not in tables.findings["code"].to_list()


def test_old_user_facts_are_forgotten(shelf: Any) -> None:
    """What the user said in an earlier run of the command does not count again."""
    log = log_of(shelf)
    shelf.facts(log, "user", 0, num_samples=999)
    assert shelf.run()["num_samples"] is None
