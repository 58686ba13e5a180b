"""The end of a run on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from report_hand_made import STARTED, bare, findings, fleet, sa2va
from trainqc.pipeline.report import console
from trainqc.pipeline.report.overview import FleetTables, overview

EXPECTED = Path(__file__).parent / "expected"
PLACES = console.Places(
    Path("trainqc-out/report/index.md"), Path("trainqc-out/tables"), Path("trainqc-out/trainqc.toml.draft")
)


@dataclass
class Ingested:
    seen: int = 15
    read: int = 15
    unchanged: int = 0
    left_out: int = 17
    lines: int = 46_212
    seconds: float = 2.1


def runs(number: int) -> list[dict]:
    """Runs, each started an hour after the one before."""
    return [
        sa2va() | {"run_id": f"{k:08x}", "name": f"run{k}", "started_at": STARTED + timedelta(hours=k)}
        for k in range(number)
    ]


def with_findings(*messages: str, of: Sequence[dict] = ()) -> FleetTables:
    """Each run with a warning of each message, all with the same advice."""
    tables = fleet(*of)
    warning = findings().filter(pl.col("severity") == "warning").head(1).drop("run_id", "message")
    every = tables.runs.select("run_id").head(len(of) or 1).join(pl.DataFrame({"message": messages}), how="cross")
    return replace(tables, findings=every.join(warning, how="cross").select(tables.findings.columns))


@pytest.mark.parametrize(
    ("name", "width", "glyphs"),
    [("console_wide", 118, True), ("console_narrow", 72, True), ("console_plain", 118, False)],
)
def test_the_summary_reads_as_expected(name: str, width: int, glyphs: bool):
    """The summary for these tables is the expected file, to the byte."""
    failed = sa2va() | {
        "run_id": "f00d", "name": "mask2former_b4", "state": "failed", "iters_done": 2310, "iters_planned": 90_000,
        "state_reason": "CUDA out of memory, 1.50 GiB asked for", "best_metric": "mAP", "best_value": 0.8084,
        "best_epoch": 3,
    }  # fmt: skip
    running = sa2va() | {
        "run_id": "beef",
        "name": "resnet_cifar",
        "state": "running",
        "iters_done": 1500,
        "eta_s": 3720.0,
    }
    seen = overview(fleet(sa2va(), bare(), failed, running))
    got = console.summary(seen, places=PLACES, ingested=Ingested(), width=width, glyphs=glyphs)
    expected = EXPECTED / f"{name}.txt"
    if not expected.exists() or expected.read_text() != got:
        expected.with_suffix(".txt.got").write_text(got)
    assert got == (expected.read_text() if expected.exists() else "")
    assert max(len(line) for line in got.splitlines()) <= width


def test_without_glyphs_our_own_words_are_ascii():
    """For a log, a mail or an old terminal nothing but ASCII is printed where the logs hold nothing else."""
    got = console.summary(overview(fleet()), places=PLACES, glyphs=False)
    assert got.isascii()
    assert "\x1b" not in got
    assert "warning sa2va_vessel" in got


def test_over_a_screenful_those_that_need_a_look_and_the_newest_stay():
    """Of 100 runs the table keeps the one with a finding, then the newest, and counts the others."""
    tables = fleet(*runs(100), sa2va() | {"started_at": STARTED - timedelta(days=9)})
    got = console.summary(overview(tables), places=PLACES, most_runs=10)
    table = got[got.index("RUN ") :].splitlines()[1:11]
    assert [line.split()[0] for line in table] == ["sa2va_vessel", *(f"run{k}" for k in range(99, 90, -1))]
    assert "and 91 more runs in the report" in got


def test_many_findings_are_cut_and_counted():
    """Of 50 findings 12 are shown, the worst first, and 38 are left to the report."""
    got = console.summary(overview(with_findings(*(f"finding {k}" for k in range(50)))), places=PLACES)
    assert got.count("finding ") == 12
    assert "and 38 more in the report" in got


def test_what_is_found_alike_in_several_runs_is_said_once():
    """One message with the names of the others; advice that holds for several messages stands under the first."""
    several = with_findings("4 GPUs visible, 1 rank counted", "another", of=runs(6))
    got = console.summary(overview(several), places=PLACES)
    assert got.count("4 GPUs visible, 1 rank counted") == 1
    assert "the same: run4, run3, run2 and 2 more" in got
    assert got.count("start with NPROC_PER_NODE=4") == 1


def test_no_line_ends_between_a_number_and_its_unit():
    """Whatever the width, `2.3 %` stays together, with a blank that a search finds."""
    seen = overview(
        with_findings("28 of 1,220 samples are drawn twice in each epoch to fill it up (2.3 %), 16 h 28 min")
    )
    for width in range(60, 118):
        got = console.summary(seen, places=PLACES, width=width)
        assert "(2.3 %)" in got
        assert "28 min" in got


def test_a_failed_run_needs_a_look_even_without_a_finding():
    """A run that failed or stalled is named with its reason; one with a finding of its own is not named twice."""
    failed = sa2va() | {"run_id": "f", "name": "lost", "state": "failed", "state_reason": "killed"}
    looks = overview(fleet(failed, sa2va() | {"state": "stalled"})).looks
    assert [(look.run, look.severity, look.message.split(":")[0]) for look in looks][:2] == [
        ("lost", "error", "failed"),
        ("sa2va_vessel", "warning", "4 GPUs visible, 1 data-parallel rank counted"),
    ]
    assert not any(look.message.startswith("stalled") for look in looks)


def test_unknown_is_a_question_mark_in_every_cell():
    """A run without numbers shows `?` in each column and `–` only for what was not seen."""
    seen = overview(fleet(bare()))
    got = console.summary(seen, places=PLACES, width=118)
    row = next(line for line in got.splitlines() if line.startswith("bare"))
    assert row.split() == ["bare", "?", "unknown", "?/?", "?", "?", "?", "?", "?", "–"]


def test_what_no_log_says_is_counted_and_the_draft_is_named():
    """Each needed field that is unknown is counted in runs, with the file to fill in."""
    got = console.summary(overview(fleet()), places=PLACES)
    assert "accumulation: 1 run · ranks: 1 run · samples: 1 run · batch: 1 run" in got
    assert "trainqc-out/trainqc.toml.draft" in got
    assert "NOT SAID BY THE LOGS" not in console.summary(overview(fleet(sa2va())), places=PLACES)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (
            Ingested(),
            "Read 15 logs (46,212 lines) as 2 runs, in 2.1 s. Left out: 9 files that are no logs (9 checkpoints).",
        ),
        (
            Ingested(read=1, unchanged=14, left_out=0, seconds=0.3, lines=90),
            "Read 1 changed log of 15 (90 lines)",
        ),
        (Ingested(read=0, unchanged=15, seconds=0.04), "Nothing changed in 15 logs: 2 runs, in 0.04 s."),
    ],
)
def test_the_first_line_says_what_was_read(read: Ingested, said: str):
    """All logs, one changed log, or none: the first line says which."""
    assert said in console.summary(overview(fleet()), places=PLACES, ingested=read, width=200)


def test_the_header_says_what_is_looked_at():
    """Version, files, size, place and threads stand in one line."""
    got = console.header("0.1.0", ["work_dirs"], files=33, size_bytes=18_600_000, threads=4)
    assert got == "trainqc 0.1.0 · 33 files, 18.6 MB under work_dirs · 4 threads · nothing leaves this machine"


def test_the_json_form_holds_the_same_summary():
    """`--json` names runs, looks, what is missing and the places; an unknown is null."""
    content = console.as_dict(overview(fleet()), places=PLACES, ingested=Ingested())
    assert [run["run"] for run in content["runs"]] == ["sa2va_vessel", "bare"]
    assert content["runs"][0]["started_at"] == "2025-11-25T05:13:00"
    assert content["runs"][1]["s_per_iter"] is None
    assert content["runs"][1]["best"] is None
    assert content["missing"] == {"grad_accum": 1, "world_size": 1, "num_samples": 1, "batch_size": 1}
    assert content["read"]["lines"] == 46_212
    assert content["places"]["report"] == "trainqc-out/report/index.md"


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_names_are_cut_before_numbers(width: int):
    """In a narrow window long names lose their middle; a number is whole or its column is not there."""
    long = sa2va() | {"name": "n" * 60 + "_b32", "best_metric": "m" * 60, "best_value": 0.5, "iters_done": 123_456_789}
    got = console.summary(overview(fleet(long)), places=PLACES, width=width)
    row = next(line for line in got.splitlines() if line.startswith("nnn") and "finished" in line)
    assert "123,456,789/3,672" in row
    assert "16.0" in row
    assert "…" in row.split()[0]
    assert row.split()[0].endswith("_b32")
