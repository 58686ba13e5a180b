"""Bars whose epochs begin again: cycles of one run, or runs of their own."""

from collections.abc import Callable, Sequence

import pytest
from tables_by_hand import Shelf
from trainqc.pipeline.tables import METRICS

EPOCHS, STEPS = 5, 100


def numbered(shelf: Shelf, log: str, turn: int, epoch: int) -> int:
    """`Epoch 1/5: …` on a line of its own; gives the line."""
    line = turn * EPOCHS + epoch
    shelf.bar(log, [(50, 5.0), (STEPS, 10.0)], STEPS, f"Epoch {epoch}/{EPOCHS}", line=line)
    return line


def nested(shelf: Shelf, log: str, turn: int, epoch: int) -> int:
    """A bar of batches, and behind it the bar of epochs around it, which begins again with each turn."""
    line = 2 * (turn * EPOCHS + epoch)
    shelf.bar(log, [(50, 5.0), (STEPS, 10.0)], STEPS, "Batches", line=line)
    shelf.bar(log, [(epoch, 10.0 * epoch)], EPOCHS, "Epochs", line=line + 1)
    return line


def read(print_epoch: Callable[[Shelf, str, int, int], int], losses: Sequence[Sequence[float]] | int) -> Shelf:
    """Turns of five epochs with a loss each, or so many turns without."""
    shelf = Shelf()
    log = shelf.log("a.txt", ["tqdm"])
    row = {"log_id": log, "redraw": 1, "piece": 0, "format": "tqdm", "name": "loss", "printed_name": "loss"}
    turns = range(losses) if isinstance(losses, int) else range(len(losses))
    lines = [[print_epoch(shelf, log, turn, epoch) for epoch in range(1, EPOCHS + 1)] for turn in turns]
    if not isinstance(losses, int):
        pairs = [pair for turn in turns for pair in zip(lines[turn], losses[turn], strict=True)]
        shelf.add(METRICS, [row | {"line": line, "value": loss} for line, loss in pairs])
    return shelf


def one_model(turns: int) -> list[list[float]]:
    return [[2.0 * 0.97 ** (EPOCHS * turn + epoch) for epoch in range(EPOCHS)] for turn in range(turns)]


@pytest.mark.parametrize("print_epoch", [numbered, nested])
def test_bars_that_begin_again_are_cycles(print_epoch: Callable[[Shelf, str, int, int], int]) -> None:
    """Eight times five epochs of a model that goes on: one run, whose epochs are those of each cycle."""
    tables = read(print_epoch, one_model(8)).tables()
    names = ("cycles", "attempts", "epochs_done", "epochs_planned", "iters_done", "iters_planned", "state")
    assert tables.runs.select(names).rows() == [(8, 1, 40.0, 5, 4000, 4000, "finished")]
    spans = tables.epochs.select("cycle", "epoch", "first_iter", "last_iter", "s_per_iter").rows()
    assert spans[5] == (2, 1, 501, 600, 0.1)
    assert (len(spans), spans[-1][:2]) == (40, (8, 5))
    assert "begin again 7 times and the model goes on, as the losses of 7" in tables.findings["message"][0]


def test_new_models_on_bars_are_runs() -> None:
    """Five folds of five epochs each, whose losses start over."""
    folds = [[2.0 * 0.6**epoch + 0.01 * turn for epoch in range(EPOCHS)] for turn in range(5)]
    tables = read(numbered, folds).tables()
    assert tables.runs.select("cycles", "epochs_done", "iters_done").rows() == [(None, 5.0, 500)] * 5
    assert tables.attempts["begun_by"].to_list() == ["log", *["anew"] * 4]
    assert tables.attempts["first_line"].to_list() == [1, 6, 11, 16, 21]


def test_bars_without_losses_follow_their_plan() -> None:
    """Nothing tells a new model: the same plan again is taken for a cycle."""
    run = read(numbered, 3).run()
    assert (run["cycles"], run["iters_done"], run["iters_planned"]) == (3, 1500, 1500)
