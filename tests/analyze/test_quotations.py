"""Texts that quote records: no run of their own, or no state that nobody can know."""

from datetime import timedelta
from typing import Any

import pytest
from tables_by_hand import NOW


def quoting(shelf: Any, path: str, parsed: int, unknown: int, records: int = 1) -> Any:
    """A file with so many lines of records and of other text; its last record is the end of its plan."""
    counts = {"lines_parsed": parsed, "lines_unknown": unknown, "records": records, "lines_known": 90}
    log = shelf.log(path, ["mmengine"], modified_at=NOW - timedelta(minutes=1), **counts)
    shelf.by_iter(log, range(3660, 3671, 10), 3672, None, 1.0)
    return shelf.tables().runs


@pytest.mark.parametrize("path", ["tests/test_a.py", "README.md", "docs/a.rst", "notes.IPYNB"])
def test_a_source_file_that_quotes_a_record_is_no_run(shelf: Any, path: str) -> None:
    """13 records among 449 other lines of a source file are examples, no training."""
    assert quoting(shelf, path, 13, 449, records=13).is_empty()


def test_a_log_under_the_name_of_a_source_file(shelf: Any) -> None:
    """A log that somebody saved as `results.rb` is one: its lines are records."""
    assert quoting(shelf, "results.rb", 35, 30, records=35)["state"].to_list() == ["finished"]


def test_a_note_that_quotes_a_record_has_no_state(shelf: Any) -> None:
    """Two records in a long text of another kind: nothing finished, nothing runs."""
    run = quoting(shelf, "notes.txt", 2, 60, records=2)
    assert run["state"].to_list() == ["unknown"]
    assert "may quote a log" in run["state_reason"][0]


def test_a_log_with_much_other_text(shelf: Any) -> None:
    """Many records among many warnings are a log."""
    assert quoting(shelf, "train.log", 4, 400, records=4)["state"].to_list() == ["finished"]
