"""Whole pages against expected files that were made by the tool and read by a person."""

from datetime import timedelta
from pathlib import Path

import pytest
from report_hand_made import LATER, STARTED, bare, findings, fleet, row_of, run_tables, sa2va
from trainqc.pipeline.report import markdown
from trainqc.pipeline.report.fleet_page import index
from trainqc.pipeline.report.model import Picture, Report
from trainqc.pipeline.report.overview import overview
from trainqc.pipeline.report.page import page
from trainqc.pipeline.report.run_tables import RunTables

EXPECTED = Path(__file__).parent / "expected"


def failed() -> dict[str, object]:
    return sa2va() | {
        "name": "mask2former_b4",
        "state": "failed",
        "state_reason": "CUDA out of memory, 1.50 GiB asked for",
        "ended_by": None,
        "iters_done": 2310,
        "iters_planned": 90_000,
        "epochs_done": None,
        "epochs_planned": None,
        "updates_done": 289,
        "train_s": None,
        "samples_done": None,
        "samples_per_hour": None,
        "samples_per_hour_from": None,
        "num_samples": None,
        "num_samples_from": None,
        "final_loss": None,
    }


def pages() -> dict[str, Report]:
    pictures = (Picture("sa2va_vessel/loss.png", "Loss over training"),)
    seen = overview(fleet())
    return {
        "sa2va": page(run_tables(sa2va()), pictures),
        "bare": page(RunTables(row_of(bare())), without_pictures="No loss and no time per iteration was printed."),
        "failed": page(run_tables(failed(), epochs=findings().clear())),
        "index": index(seen, {line.run_id: f"runs/{line.run}.md" for line in seen.runs}, now=LATER),
        "index_of_a_week": index(
            seen, {}, now=LATER, since=STARTED - timedelta(days=2), until=STARTED + timedelta(days=5), others=12
        ),
        "index_of_nothing": index(overview(fleet_of_nothing()), {}, now=LATER),
    }


def fleet_of_nothing():
    tables = fleet()
    return type(tables)(tables.runs.clear(), tables.findings.clear(), tables.attempts.clear(), tables.logs.clear())


@pytest.mark.parametrize("name", ["sa2va", "bare", "failed", "index", "index_of_a_week", "index_of_nothing"])
def test_a_page_reads_as_expected(name: str):
    """A page for these tables is the expected file, to the byte; a difference leaves `<name>.md.got` beside it."""
    got = markdown.render(pages()[name])
    expected = EXPECTED / f"{name}.md"
    if not expected.exists() or expected.read_text() != got:
        expected.with_suffix(".md.got").write_text(got)
    assert got == (expected.read_text() if expected.exists() else "")


@pytest.mark.parametrize(
    "number",
    ["222 samples/hour", "1,224 iterations an epoch", "3,672 iterations planned", "459 updates of 8 samples"],
)
def test_the_headline_numbers_of_the_seed_are_on_its_page(number: str):
    """The Sa2VA page says 222 samples/hour, 1,224 iterations an epoch, 3,672 in all and 459 updates of 8 samples."""
    assert number in markdown.render(page(run_tables(sa2va())))


def test_a_source_is_a_footnote_with_its_line_and_text():
    """A number read from a line of a log is footnoted with path:line and the text of that line."""
    text = markdown.render(page(run_tables(sa2va())))
    assert "**1 rank**[^6]" in text
    assert "[^6]: printed in the log, `sa2va_vessel/20251125_051300.log:36` `GPU number: 1`" in text


def test_every_unknown_is_a_question_mark_and_is_named():
    """A run of which nothing is known shows `?` for each number, never 0, and says what the log does not say."""
    text = markdown.render(page(RunTables(row_of(bare()))))
    for shown in ("? samples", "? ranks", "? iterations an epoch", "? s/iter", "? updates", "? of ? iterations"):
        assert f"**{shown}**[^" in text
    for unsaid in ("how many samples the training set has", "how long an iteration took", "how many updates were made"):
        assert f"The log does not say {unsaid}." in text
    assert " 0 " not in text
    assert "None" not in text


def test_a_long_run_shows_the_first_and_last_epochs_and_says_so():
    """Of 1,000 epochs the table shows 40 and names how many lie between."""
    epoch = run_tables(sa2va()).epochs[0]
    many = [{**epoch, "epoch": number} for number in range(1, 1001)]
    text = markdown.render(page(RunTables(row_of(sa2va()), epochs=many)))
    assert "… 960 epochs between them: table `epochs`." in text
    assert sum(line.startswith("| ") and "5 h 26 min" in line for line in text.splitlines()) == 40


@pytest.mark.parametrize(
    ("iters", "said"),
    [
        (312, "10,000 / (32 × 1 rank) = 312.5, rounded down: the last, smaller batch is dropped."),
        (313, "10,000 / (32 × 1 rank) = 312.5, rounded up: the last, smaller batch is used."),
        (400, "Plain division gives 10,000 / (32 × 1 rank) = 312.5; the log counts 87 more."),
        (None, "By plain division: 10,000 / (32 × 1 rank) = 312.5, so 313 or 312."),
    ],
)
def test_the_epoch_step_says_how_the_division_was_rounded(iters: int | None, said: str):
    """10,000 samples at batch 32 are 312 or 313 iterations; the page says which one the log shows."""
    run = sa2va() | {"num_samples": 10_000, "batch_size": 32, "world_size": 1, "iters_per_epoch": iters}
    assert said in markdown.render(page(RunTables(row_of(run))))


def test_the_last_window_of_accumulation_is_accounted_for():
    """15 iterations at accumulation 8 are one full window; whether the rest made an update is said by the count."""
    run = sa2va() | {"iters_done": 15, "grad_accum": 8, "updates_per_epoch": None}
    assert "the last 7 iterations made an update too." in markdown.render(
        page(RunTables(row_of(run | {"updates_done": 2})))
    )
    assert "the last 7 iterations made none." in markdown.render(page(RunTables(row_of(run | {"updates_done": 1}))))
