"""Learning rates that are printed as metrics, or announced where they change, as stages."""

import polars as pl
from tables_by_hand import Shelf
from trainqc.pipeline.tables import METRICS, PROGRESS

SHOWN = ("kind", "first_iter", "last_iter", "lr_first", "lr_last")


def stages(shelf: Shelf) -> list[tuple[object, ...]]:
    return shelf.tables().stages.select(SHOWN).rows()


def rates(shelf: Shelf, log: str, values: dict[tuple[int, int], float], name: str, fmt: str) -> None:
    """A metric of this name on (line, redraw)."""
    shelf.add(
        METRICS,
        [
            {"log_id": log, "line": line, "redraw": redraw, "piece": 0, "format": fmt}
            | {"name": name, "printed_name": name, "value": value}
            for (line, redraw), value in values.items()
        ],
    )


def test_of_a_bar(shelf: Shelf) -> None:
    """`lr=0.1` in the postfix of each epoch's bar: 0.1 for two epochs of 100 iterations, then 0.01."""
    log = shelf.log("a.txt", ["tqdm"])
    for epoch in (1, 2, 3):
        shelf.bar(log, [(50, 5.0), (100, 10.0)], 100, f"Epoch {epoch}/3", line=epoch)
    shown = {(epoch, redraw): 0.1 if epoch < 3 else 0.01 for epoch in (1, 2, 3) for redraw in (0, 1)}
    rates(shelf, log, shown, "lr", "tqdm")
    assert stages(shelf) == [("constant", 1, 200, 0.1, 0.1), ("constant", 201, 300, 0.01, 0.01)]


def test_of_a_record(shelf: Shelf) -> None:
    """Lightning's `lr-Adam` beside the record that prints no rate of its own."""
    log = shelf.log("a.log", ["pytorch"])
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": "pytorch", "phase": "train", "iters_per_epoch": 100}
    shelf.add(PROGRESS, [row | {"line": e, "epoch": e, "iter": 100, "global_iter": 100 * e} for e in range(1, 7)])
    rates(shelf, log, {(e, 0): 0.1 * e for e in range(1, 7)}, "lr-Adam", "pytorch")
    assert [row[0] for row in stages(shelf)] == ["warmup"]


def test_rates_that_differ_in_a_record_are_none(shelf: Shelf) -> None:
    """Two optimizers with a rate each: nobody can tell whose schedule it is."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.bar(log, [(50, 5.0), (100, 10.0)], 100)
    for name, value in (("lr-Adam", 0.1), ("lr-SGD", 0.2)):
        rates(shelf, log, {(1, 0): value, (1, 1): value}, name, "tqdm")
    assert stages(shelf) == []


def keras(shelf: Shelf, announced: dict[int, float], epochs: int = 6, **more: object) -> str:
    """An epoch of 32 batches every ten lines: its bar, the announcement at its end, the bar once more as it closes."""
    log = shelf.log("a.log", ["keras"])
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": "keras", "phase": "train", "iters_per_epoch": 32}
    done = [(e, line, n) for e in range(1, epochs + 1) for line, n in ((10 * e, 16), (10 * e + 5, 32))]
    shelf.add(
        PROGRESS,
        [row | {"line": line, "epoch": e, "iter": n, "global_iter": 32 * (e - 1) + n} | more for e, line, n in done],
    )
    for epoch, rate in announced.items():
        shelf.event(log, 10 * epoch + 3, "lr_change", epoch=epoch, message=f"learning rate {rate} on a plateau")
    return log


def test_announced_on_a_plateau(shelf: Shelf) -> None:
    """The rate before the first announcement is not said; the bar that closes behind one still has the old rate."""
    keras(shelf, {2: 0.5, 4: 0.25})
    assert stages(shelf) == [("constant", 65, 128, 0.5, 0.5), ("constant", 129, 192, 0.25, 0.25)]


def test_what_is_printed_needs_no_announcement(shelf: Shelf) -> None:
    """Where the records print rates, these stand."""
    keras(shelf, {2: 0.5}, lr=1.0)
    assert stages(shelf) == [("constant", 1, 192, 1.0, 1.0)]


def test_rates_in_epochs(shelf: Shelf) -> None:
    """The epochs of a bar have no rate of their own: what is announced is told in the stages alone."""
    keras(shelf, {2: 0.5, 4: 0.25})
    epochs = shelf.tables().epochs
    assert epochs["lr_first"].dtype == pl.Float64
    assert epochs["lr_first"].null_count() == epochs.height
