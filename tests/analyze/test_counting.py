"""The identities of counting."""

from datetime import datetime
from typing import Any

import pytest
from trainqc.pipeline.tables import PROGRESS

START = datetime(2024, 1, 1)


def by_epoch(shelf: Any, length: int, epochs: int, **facts: object) -> str:
    log = shelf.log("net/a.log", ["mmengine"])
    end = shelf.by_epoch(log, range(1, epochs + 1), range(1, length + 1), length, START, 1.0)
    shelf.event(log, end, "checkpoint", epoch=epochs)
    shelf.facts(log, "config", 9, **{"optim_wrapper.type": "OptimWrapper", "epochs_planned": epochs, **facts})
    return log


def test_updates_straddle_epochs(shelf: Any) -> None:
    """15 iterations in 3 epochs at accumulation 8 are 2 updates: windows cross epochs, the last is flushed."""
    by_epoch(shelf, 5, 3, grad_accum=8)
    tables = shelf.tables()
    assert tables.runs.select("updates_done", "updates_planned", "updates_per_epoch").row(0) == (2, 2, 0.625)
    assert tables.epochs["updates"].to_list() == [0.0, 1.0, 1.0]


def test_no_flush_before_the_end(shelf: Any) -> None:
    """A run that stopped at 12 of 15 iterations made one update of 8, not two."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 13), 15, START, 1.0)
    shelf.facts(log, "config", 9, grad_accum=8)
    run = shelf.run()
    assert (run["updates_done"], run["updates_planned"]) == (1, 2)


def test_accumulation_by_default(shelf: Any) -> None:
    """A dumped configuration that sets no accumulation has mmengine's default of 1, with a caveat."""
    by_epoch(shelf, 5, 3)
    run = shelf.run()
    assert (run["grad_accum"], run["grad_accum_from"], run["updates_done"]) == (1, "config", 15)
    assert any("default of 1" in text for text in run["caveats"])


def test_accumulation_unknown(shelf: Any) -> None:
    """Without a dumped configuration accumulation and updates are unknown."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 16), 15, START, 1.0)
    run = shelf.run()
    assert (run["grad_accum"], run["updates_done"], run["updates_done_from"]) == (None, None, None)
    assert "Accumulation is not said: updates are open." in run["caveats"]


def test_no_default_without_the_wrapper(shelf: Any) -> None:
    """Facts that the log prints, such as its work directory, are no dumped configuration."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 16), 15, START, 1.0)
    shelf.facts(log, "log", 9, work_dir="w")
    shelf.facts(log, "config", 9, batch_size=1)
    assert shelf.run()["updates_done"] is None


def test_plan_from_epochs(shelf: Any) -> None:
    """By epoch the plan is the printed length times the configured epochs."""
    by_epoch(shelf, 6, 4)
    run = shelf.run()
    assert (run["iters_planned"], run["iters_planned_from"], run["iters_per_epoch_from"]) == (24, "config", "log")
    assert (run["epochs_done"], run["state"]) == (4.0, "finished")


@pytest.mark.parametrize(
    ("sampler", "samples", "batch", "ranks", "accum", "drop", "expected"),
    [
        ("DefaultSampler", 270, 2, 1, 1, False, 135),
        ("DefaultSampler", 1220, 1, 4, 8, False, 305),
        ("InfiniteSampler", 1000, 3, 8, 1, False, 334),
        ("InternRepoSampler", 1003, 2, 4, 1, False, 125),
        ("DefaultSampler", 10000, 32, 1, 1, True, 312),
        ("DefaultSampler", 10000, 32, 1, 1, False, 313),
    ],
)
def test_sampler_rules(
    shelf: Any, sampler: str, samples: int, batch: int, ranks: int, accum: int, drop: bool, expected: int
) -> None:
    """Where no epoch length is printed, samples, batch, ranks and sampler give it, and it is called inferred."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 5), 20 * expected, START, 1.0)
    stated = {"num_samples": samples, "batch_size": batch, "world_size": ranks, "grad_accum": accum, "drop_last": drop}
    shelf.facts(log, "config", 9, sampler=f"mmengine.dataset.{sampler}", **stated)
    run = shelf.run()
    assert (run["iters_per_epoch"], run["iters_per_epoch_from"]) == (expected, "inferred")


@pytest.mark.parametrize(("ranks", "expected"), [(1, 1224), (2, 616), (4, 312), (8, 160)])
def test_grouped_sampler(shelf: Any, ranks: int, expected: int) -> None:
    """xtuner's sampler fills each rank up to whole windows of accumulation, which total and epochs confirm."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 5), 3 * expected, START, 1.0)
    stated = {"num_samples": 1220, "batch_size": 1, "world_size": ranks, "grad_accum": 8, "epochs_planned": 3}
    shelf.facts(log, "config", 9, sampler="xtuner.dataset.samplers.LengthGroupedSampler", **stated)
    tables = shelf.tables()
    assert tables.explanations.select("verdict", "iters_per_epoch").row(0) == ("consistent", expected)
    assert tables.runs["iters_per_epoch"].item() == expected


def test_unknown_sampler(shelf: Any) -> None:
    """A sampler whose rule is not known gives no epoch length: null, with a caveat."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 5), 5000, START, 1.0)
    shelf.facts(log, "config", 9, sampler="my.OddSampler", num_samples=100, batch_size=2, world_size=1)
    run = shelf.run()
    assert run["iters_per_epoch"] is None
    assert "Iterations per epoch are not said." in run["caveats"]


def test_padding_is_no_sample(shelf: Any) -> None:
    """11 samples at batch 4 fill 3 iterations an epoch: 2 epochs and 1 iteration draw 11 + 11 + 4."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 3), range(1, 4), 3, START, 1.0, first_line=10)
    shelf.by_epoch(log, range(3, 4), range(1, 2), 3, START, 1.0, first_line=90)
    shelf.facts(log, "config", 9, num_samples=11, batch_size=4, world_size=1, sampler="DefaultSampler")
    assert shelf.run()["samples_done"] == 26


def test_endless_sampler(shelf: Any) -> None:
    """An endless sampler pads nothing: every iteration draws its batch, whatever the set's size."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(100, 8001, 100), 8000, START, 0.14)
    shelf.facts(log, "config", 9, sampler="InfiniteSampler", batch_size=12)
    shelf.facts(log, "log", 8, world_size=1)
    run = shelf.run()
    assert (run["samples_done"], run["iters_per_epoch"]) == (96000, None)


def test_total_that_epochs_do_not_divide(shelf: Any) -> None:
    """A printed total that the configured epochs do not divide gives no epoch length."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 5), 1000, START, 1.0)
    shelf.facts(log, "config", 9, epochs_planned=3)
    assert shelf.run()["iters_per_epoch"] is None


def test_nonsense_is_no_count(shelf: Any) -> None:
    """A batch size of 0, -1 or 2.5 states nothing that can be counted with."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 5), 1000, START, 1.0)
    shelf.facts(log, "config", 9, batch_size=0, world_size=2.5, grad_accum=-1)
    run = shelf.run()
    assert (run["batch_size"], run["world_size"], run["grad_accum"]) == (None, None, None)
    assert (run["batch_size_from"], run["world_size_from"]) == (None, None)


@pytest.mark.parametrize(
    ("fmt", "length", "grad_accum", "updates"),
    [
        ("mmcv", 5, 8, 2),  # 15 iterations: one window of 8, and what is left is flushed
        ("keras", 5, 8, 1),  # what is left is lost
        ("lightning", 5, 8, 3),  # flushed at each epoch's end
        ("pytorch", 4, 3, None),  # 12 iterations: 4 windows, or 2 an epoch
        ("pytorch", 4, 2, 6),
        ("made_up", 5, 8, None),
        ("made_up", 5, 1, 15),
    ],
)
def test_updates_by_the_rules_of_each_format(
    shelf: Any, fmt: str, length: int, grad_accum: int, updates: int | None
) -> None:
    """Three epochs: what becomes of windows is the framework's habit; where two are possible, they have to agree."""
    log = shelf.log("net/a.log", [fmt])
    rows = [(epoch, i) for epoch in (1, 2, 3) for i in range(1, length + 1)]
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": fmt, "phase": "train", "epochs_planned": 3}
    done = [{"line": k, "epoch": e, "iter": i, "global_iter": k} for k, (e, i) in enumerate(rows, 1)]
    shelf.add(PROGRESS, [row | {"iters_per_epoch": length, "iters_planned": 3 * length} | more for more in done])
    shelf.facts(log, "config", 1, grad_accum=grad_accum)
    run = shelf.run()
    assert (run["updates_done"], run["updates_planned"]) == (updates, updates)
