"""Runs that only tqdm bars tell of."""

from typing import Any

import polars as pl
import pytest
from trainqc.pipeline.analyze.bars import NOT_TRAINING, OTHER_WORK


@pytest.mark.parametrize(("pattern", "example"), NOT_TRAINING)
def test_known_kinds(pattern: str, example: str) -> None:
    """Each kind that does not train is known by its example, as it is printed."""
    assert pl.select(pl.lit(example).str.contains(f"(?i){pattern}")).item()


@pytest.mark.parametrize(
    "name", ["Iteration", "Epoch 3/10", "Training", "Train", "epoch", "Steps", "loss 0.31", "row 1", ""]
)
def test_training_bars_are_not_among_them(name: str) -> None:
    """What a training loop is called is not taken for other work."""
    assert not pl.select(pl.lit(name).str.contains(OTHER_WORK)).item()


def test_seed_000(shelf: Any) -> None:
    """`1000/1000 [10:30<00:00, 1.58it/s]`: 1,000 iterations, 0.63 s each, 182,857 samples an hour at batch 32."""
    log = shelf.log("resnet/train.log", ["tqdm"])
    shelf.bar(log, [(1000, 630.0)], 1000, "Iteration")
    run = shelf.run(values={"batch_size": 32, "world_size": 1, "num_samples": 32000})
    assert (run["iters_per_epoch"], run["iters_per_epoch_from"], run["iters_done"]) == (1000, "log", 1000)
    assert (run["s_per_iter"], run["wall_s"], run["state"]) == (0.63, 630.0, "finished")
    assert round(run["train_samples_per_hour"]) == 182857
    assert round(run["samples_per_hour"]) == 182857
    assert "What the bar counts is not known: it is taken for training iterations of one rank." in run["caveats"]


def test_downloads_alone_are_no_run(shelf: Any) -> None:
    """A log that holds only bars of other work makes no run."""
    log = shelf.log("a.out", ["tqdm"])
    shelf.bar(log, [(0, 0), (18, 15)], 18, "Loading checkpoint shards")
    assert shelf.tables().runs.is_empty()


def test_epochs_by_description(shelf: Any) -> None:
    """`Epoch 1/3`, `Epoch 2/3` … are turns of one bar: epochs of one run, with the plan from the description."""
    log = shelf.log("cls/a.log", ["tqdm"])
    for epoch in (1, 2):
        shelf.bar(log, [(0, 0.0), (100, 50.0), (200, 100.0)], 200, f"Epoch {epoch}/3", line=epoch)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert (run["iters_per_epoch"], run["epochs_planned"], run["iters_planned"], run["iters_done"]) == (
        200,
        3,
        600,
        400,
    )
    assert tables.epochs.select("epoch", "first_iter", "last_iter", "s_per_iter").rows() == [
        (1, 1, 200, 0.5),
        (2, 201, 400, 0.5),
    ]


def test_named_epochs_give_the_position(shelf: Any) -> None:
    """A log that begins with `Epoch 3/3` is at its third epoch."""
    log = shelf.log("cls/a.log", ["tqdm"])
    shelf.bar(log, [(0, 0.0), (200, 100.0)], 200, "Epoch 3/3")
    run = shelf.run()
    assert (run["iters_done"], run["iters_planned"], run["state"]) == (600, 600, "finished")


def test_nested(shelf: Any) -> None:
    """Of nested bars the inner one counts iterations, the outer one epochs."""
    log = shelf.log("cls/a.log", ["tqdm"])
    shelf.bar(log, [(0, 0.0)], 3, "Epochs", line=1)
    for turn in range(3):
        shelf.bar(log, [(0, 0.0), (500, 60.0), (1000, 120.0)], 1000, "row 1", line=2 + turn)
        shelf.bar(log, [(turn + 1, 120.0 * (turn + 1))], 3, "Epochs", line=2 + turn, redraw=9)
    run = shelf.run()
    assert (run["iters_per_epoch"], run["epochs_planned"], run["iters_done"], run["state"]) == (
        1000,
        3,
        3000,
        "finished",
    )


def test_validation_bar_is_left_aside(shelf: Any) -> None:
    """A validation bar between the turns adds no iteration, and does not end a turn."""
    log = shelf.log("cls/a.log", ["tqdm"])
    shelf.bar(log, [(0, 0.0), (50, 25.0)], 100, "Training", line=1)
    shelf.bar(log, [(0, 0.0), (900, 10.0)], 900, "Validation", line=2)
    shelf.bar(log, [(100, 50.0)], 100, "Training", line=3)
    assert shelf.run()["iters_done"] == 100


def test_resumed_bar(shelf: Any) -> None:
    """A bar with `initial=500` began there: its elapsed time is for what came after, and so is its pace."""
    log = shelf.log("gpt/a.log", ["tqdm"])
    shelf.bar(log, [(500, 0.0), (600, 50.0), (700, 100.0)], 1000, "Steps")
    tables = shelf.tables()
    assert tables.attempts.select("start_iter", "last_iter", "iters").row(0) == (500, 700, 200)
    assert tables.runs["s_per_iter"].item() == 0.5


def test_restart_at_higher_n(shelf: Any) -> None:
    """A bar that begins anew at a higher n is told by its elapsed time, which falls."""
    log = shelf.log("gpt/a.log", ["tqdm"])
    shelf.bar(log, [(0, 0.0), (100, 50.0)], 1000, "Steps", line=1)
    shelf.bar(log, [(200, 0.0), (300, 50.0)], 1000, "Steps", line=2)
    assert shelf.tables().attempts["iters"].item() == 200


def test_long_bar(shelf: Any) -> None:
    """4,617 iterations in 25 h 20 min 26 s are 19.76 s each, with an interval around it."""
    log = shelf.log("crop/slurm.err", ["tqdm"])
    shelf.bar(log, [(n, n * 91226 // 4617) for n in range(4618)], 4617, None)
    run = shelf.run()
    assert run["s_per_iter"] == pytest.approx(91226 / 4617, rel=0.002)
    assert run["s_per_iter_lo"] <= run["s_per_iter"] <= run["s_per_iter_hi"]
    assert run["s_per_iter_from"] == "timestamps"


def test_short_bar_falls_back_to_the_printed_rate(shelf: Any) -> None:
    """A bar of a few seconds has no better clock than its own rate, and the run says so."""
    log = shelf.log("mnist/a.log", ["tqdm"])
    shelf.bar(log, [(0, 0.0), (40, 4.0)], 40, "Training")
    run = shelf.run()
    assert (run["s_per_iter"], run["s_per_iter_from"]) == (0.1, "log")
    assert any("smoothed until the bar closes" in text for text in run["caveats"])


def test_bytes_are_no_iterations(shelf: Any) -> None:
    """A bar that counts 225,063 in less than a second counts something else than training."""
    log = shelf.log("a/workerlog.0", ["tqdm"])
    shelf.bar(log, [(225063, 0.0)], 225063)
    assert shelf.tables().runs.is_empty()


def test_training_that_never_moved(shelf: Any) -> None:
    """A bar at 0 of 100,005 is the training that died before its first iteration, not the short bar before it."""
    log = shelf.log("vla/slurm.out", ["tqdm"])
    shelf.bar(log, [(0, 0.0), (100, 0.0)], 100, line=1)
    shelf.bar(log, [(0, 0.0)], 100005, line=9)
    run = shelf.run()
    assert (run["iters_done"], run["iters_planned"], run["state"]) == (0, 100005, "interrupted")


def test_one_epoch_of_unknown_many(shelf: Any) -> None:
    """`Epoch 27` alone tells its place and no plan."""
    log = shelf.log("seg/a.log", ["tqdm"])
    shelf.bar(log, [(89, 60.0)], 89, "Epoch 27")
    run = shelf.run()
    assert (run["iters_done"], run["epochs_planned"], run["iters_planned"]) == (27 * 89, None, None)
