"""Which runs a report of a window holds."""

from datetime import UTC, datetime, timedelta

import pytest
from report_hand_made import ATTEMPTS, ENDED, LOGS, RUNS, STARTED, frame
from trainqc.pipeline.report.overview import FleetTables, active, run_logs
from trainqc.pipeline.tables import FINDINGS

HOUR = timedelta(hours=1)
STAMPED = {"run_id": "a", "name": "a", "started_at": STARTED, "ended_at": ENDED, "log_paths": ["a.log"]}
MODIFIED = datetime(2025, 11, 26, 8, tzinfo=UTC)


def fleet(*runs: dict) -> FleetTables:
    rows = [
        {"log_id": f"log-{run['run_id']}", "path": f"{run['run_id']}.log", "modified_at": MODIFIED, "status": "parsed"}
        for run in runs
    ]
    pairs = [{"log_id": f"log-{run['run_id']}", "run_id": run["run_id"], "attempt": 1} for run in runs]
    found = frame(FINDINGS, *({"run_id": run["run_id"], "code": "x", "severity": "info"} for run in runs))
    return FleetTables(frame(RUNS, *runs), found, frame(ATTEMPTS, *pairs), frame(LOGS, *rows))


def names(tables: FleetTables) -> list[str]:
    return tables.runs["run_id"].to_list()


@pytest.mark.parametrize(
    ("since", "until", "kept"),
    [
        (None, None, True),
        (ENDED, None, True),
        (ENDED + timedelta(seconds=1), None, False),
        (None, STARTED, True),
        (None, STARTED - timedelta(seconds=1), False),
        (STARTED + HOUR, STARTED + 2 * HOUR, True),
        (ENDED + HOUR, ENDED + 2 * HOUR, False),
        (STARTED - 2 * HOUR, STARTED - HOUR, False),
    ],
)
def test_a_run_is_in_the_window_when_it_lived_in_it(since: datetime | None, until: datetime | None, kept: bool):
    """started_at ≤ until and ended_at ≥ since, both ends included; findings follow their run."""
    tables = active(fleet(STAMPED), since, until)
    assert names(tables) == (["a"] if kept else [])
    assert tables.findings.height == tables.attempts.height == tables.runs.height


def test_a_run_without_stamps_lives_when_its_logs_were_modified():
    """No stamp at all: the time of the last modification of its logs decides, at the right zone."""
    tables = fleet({"run_id": "b", "name": "b", "log_paths": ["b.log"]})
    assert names(active(tables, MODIFIED, MODIFIED)) == ["b"]
    assert names(active(tables, MODIFIED + HOUR, None)) == []
    assert names(active(tables, None, MODIFIED - HOUR)) == []


def test_a_run_without_an_end_lives_until_its_logs_were_modified():
    """A run that has started and not ended is in every window up to the last change of its logs."""
    tables = fleet(STAMPED | {"ended_at": None})
    assert names(active(tables, MODIFIED - HOUR, None)) == ["a"]
    assert names(active(tables, MODIFIED + HOUR, None)) == []


def test_logs_without_an_attempt_belong_by_their_unique_path():
    """A JSON copy without an attempt is of the run that lists its path, unless two roots have that path."""
    tables = fleet(STAMPED | {"log_paths": ["a.log", "copy.json", "twice.json"]})
    copies = [
        {"log_id": name, "path": path} for name, path in (("c", "copy.json"), ("d", "twice.json"), ("e", "twice.json"))
    ]
    tables = FleetTables(
        tables.runs, tables.findings, tables.attempts, frame(LOGS, *tables.logs.to_struct().to_list(), *copies)
    )
    assert sorted(run_logs(tables)["log_id"].to_list()) == ["c", "log-a"]
