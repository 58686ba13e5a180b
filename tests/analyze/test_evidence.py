"""What logs and user claim of a run: which statements are claims, and which lines they stand on."""

from datetime import datetime

import polars as pl
import pytest
from tables_by_hand import Shelf
from trainqc.pipeline.settings import read_pairs
from trainqc.pipeline.tables import SOURCES

START = datetime(2025, 11, 25, 5, 13)
Row = tuple[str, int, int, str, int | None]


def claims(shelf: Shelf, *names: str, **arguments: object) -> list[Row]:
    """(name, low, high, source, line) of the claims, or of those with these names."""
    found = shelf.tables(**arguments).claims
    if names:
        found = found.filter(pl.col("name").is_in(names))
    return found.select("name", "low", "high", "source", "line").rows()


def test_the_claims_of_a_log(shelf: Shelf, sa2va: str) -> None:
    """Statements, printed totals and visible GPUs, in the order of their names, each with its line."""
    assert claims(shelf) == [
        ("num_samples", 1220, 1220, "log", 90),
        ("batch_size", 1, 1, "config", 49),
        ("grad_accum", 8, 8, "config", 48),
        ("epochs_planned", 3, 3, "config", 60),
        ("world_size", 1, 1, "log", 36),
        ("iters_planned", 3672, 3672, "log", 100),
        ("gpus_visible", 4, 4, "log", 9),
    ]


def test_the_user_claims_beside_the_log(shelf: Shelf, sa2va: str) -> None:
    """What the user states is a claim like others, without a line; it does not silence the log."""
    told = {"world_size": 4, "drop_last": False}
    assert claims(shelf, "world_size", "drop_last", values=told) == [
        ("world_size", 4, 4, "user", None),
        ("world_size", 1, 1, "log", 36),
        ("drop_last", 0, 0, "user", None),
    ]


def test_the_user_claims_what_logs_seldom_print(shelf: Shelf, sa2va: str) -> None:
    """Raw samples, repeats and updates, as `--set` gives them: claims of the user, on no line of any log."""
    told = read_pairs(["raw_samples=1,220", "repeats=1", "updates_planned=459"])
    found = shelf.tables(values=told).claims.filter(pl.col("source") == "user")
    assert found.select("name", "low", "log_id", "line", "holds").rows() == [
        ("raw_samples", 1220, None, None, True),
        ("repeats", 1, None, None, True),
        ("updates_planned", 459, None, None, True),
    ]


def test_a_number_of_updates_that_the_user_has_wrong_goes(shelf: Shelf, sa2va: str) -> None:
    """Three epochs of 1,224 iterations make 459 updates of 8."""
    found = shelf.tables(values=read_pairs(["updates_planned=460"])).claims
    assert found.filter(~pl.col("holds")).select("name", "source").rows() == [("updates_planned", "user")]


def test_the_words_of_a_line(shelf: Shelf, sa2va: str) -> None:
    """A claim carries the text of its line, where the tables hold it."""
    shelf.add(SOURCES, [{"log_id": sa2va, "line": 36, "redraw": 0, "text": "    GPU number: 1"}])
    found = shelf.tables().claims.filter(pl.col("name") == "world_size")
    assert found["text"].item() == "GPU number: 1"


def test_what_a_log_says_twice_and_differently_is_no_claim(shelf: Shelf, sa2va: str) -> None:
    """Two sample counts in one log: nobody can tell which was meant."""
    shelf.facts(sa2va, "log", 91, num_samples=610)
    assert claims(shelf, "num_samples") == []


def test_the_last_attempt_counts(shelf: Shelf, sa2va: str) -> None:
    """A process that was started again with other settings claims them anew; what it does not repeat stays."""
    shelf.event(sa2va, 500, "start")
    shelf.event(sa2va, 501, "resume", global_iter=3600)
    shelf.facts(sa2va, "config", 510, batch_size=2)
    shelf.by_iter(sa2va, range(3610, 3671, 10), 3672, datetime(2025, 11, 26), 16.0, first_line=520)
    assert claims(shelf, "batch_size", "grad_accum") == [
        ("batch_size", 2, 2, "config", 510),
        ("grad_accum", 8, 8, "config", 48),
    ]


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0**60])
def test_no_count_no_claim(shelf: Shelf, sa2va: str, value: float) -> None:
    """Fractions, zero and what no machine counted claim nothing."""
    shelf.facts(sa2va, "user", 0, repeats=value)
    assert claims(shelf, "repeats") == []


def test_accumulation_that_a_configuration_leaves_out(shelf: Shelf) -> None:
    """mmengine's optimizer wrapper accumulates one iteration where it is told nothing: a claim of the framework."""
    log = shelf.log("a/20251125_051300/a.log", ["mmengine"])
    shelf.facts(log, "config", 20, **{"optim_wrapper.type": "OptimWrapper"})
    shelf.by_iter(log, range(10, 101, 10), 100, START, 1.0)
    assert claims(shelf, "grad_accum") == [("grad_accum", 1, 1, "default", None)]


def test_ranks_from_a_scaled_learning_rate(shelf: Shelf) -> None:
    """`the current batch size is 8`, with batches of 2, are four ranks."""
    log = shelf.log("a/20251125_051300/a.log", ["mmengine"])
    shelf.facts(log, "config", 20, batch_size=2)
    shelf.facts(log, "log", 95, auto_scale_batch=8)
    shelf.facts(log, "config", 60, epochs_planned=3)
    shelf.by_iter(log, range(10, 101, 10), 100, START, 1.0)
    assert claims(shelf, "world_size") == [("world_size", 4, 4, "log", 95)]


def header(shelf: Shelf, log: str) -> None:
    """The header of the Hugging Face Trainer."""
    shelf.facts(log, "log", 1, num_samples=7625)
    shelf.facts(log, "log", 2, epochs_planned=25)
    shelf.facts(log, "log", 4, total_batch_size=16)
    shelf.facts(log, "log", 6, updates_planned=11900)


def test_a_bar_of_updates(shelf: Shelf) -> None:
    """A bar whose total is the stated number of updates counts them: it says nothing of iterations."""
    log = shelf.log("a.txt", ["tqdm"])
    header(shelf, log)
    shelf.bar(log, [(1, 1.0), (11900, 13190.0)], 11900, line=7)
    assert claims(shelf, "iters_per_epoch", "iters_planned") == []
    assert claims(shelf, "updates_planned", "global_batch") == [
        ("updates_planned", 11900, 11900, "log", 6),
        ("global_batch", 16, 16, "log", 4),
    ]


def test_a_bar_that_begins_anew(shelf: Shelf) -> None:
    """A bar for each epoch: its total is an epoch's iterations."""
    log = shelf.log("a.txt", ["tqdm"])
    for line in (1, 2, 3):
        shelf.bar(log, [(1, 1.0), (1000, 630.0)], 1000, "Iteration", line=line)
    assert claims(shelf) == [("iters_per_epoch", 1000, 1000, "log", 1)]


def test_one_bar_for_the_whole_run(shelf: Shelf) -> None:
    """A single bar tells how many iterations the run has, not how many an epoch."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.bar(log, [(1, 1.0), (1000, 630.0)], 1000, "train", line=1)
    assert claims(shelf) == [("iters_planned", 1000, 1000, "log", 1)]


def test_configured_updates_overrule_configured_epochs(shelf: Shelf) -> None:
    """With max_steps the epochs of the arguments are only a default that nobody asks."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.facts(log, "config", 1, updates_planned=800, epochs_planned=1)
    shelf.bar(log, [(1, 1.0), (678, 2510.0)], 800, line=2)
    assert claims(shelf) == [("updates_planned", 800, 800, "log", 2), ("updates_planned", 800, 800, "config", 1)]


def test_samples_counted_by_a_bar(shelf: Shelf) -> None:
    """A bar over as many items as the log states samples counts samples."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.facts(log, "log", 1, num_samples=6000)
    shelf.bar(log, [(64, 1.0), (6000, 63.0)], 6000, line=2)
    assert claims(shelf, "iters_planned", "iters_per_epoch") == []


@pytest.mark.parametrize(
    ("raw", "more", "found"),
    [
        (610, {}, [("repeated", "info", "the data set is repeated 2 times: 1,220 samples of 610 raw ones", 90)]),
        (1220, {}, []),
        (1500, {}, [("filtered", "info", "1,220 of 1,500 raw samples are left: filtered or packed, 280 fewer", 90)]),
        (400, {"repeats": 4}, [("filtered", "info", "1,220 of 1,600 samples are left (4 times 400 raw ones): ", 90)]),
        (1000, {}, [("samples_unlike", "warning", "1,220 samples of 1,000 raw ones: the rows were cut into", 90)]),
        (300, {"repeats": 4}, [("samples_unlike", "warning", "1,220 samples of 300 raw ones, 4 times: the rows", 90)]),
    ],
)
def test_raw_samples_beside_others(shelf: Shelf, sa2va: str, raw: int, more: dict[str, int], found: object) -> None:
    """A log that states rows of a file and samples of the loader: what became of them, on its line."""
    shelf.facts(sa2va, "log", 90, raw_samples=raw, **more)
    codes = ["repeated", "filtered", "samples_unlike"]
    seen = shelf.tables().findings.filter(pl.col("code").is_in(codes))
    rows = seen.select("code", "severity", "message", "line").rows()
    assert [(c, s, m[: len(f[2])], n) for (c, s, m, n), f in zip(rows, found, strict=True)] == found
