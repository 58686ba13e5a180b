"""Bars that count updates: those of the Hugging Face Trainer, whose header states the total."""

from tables_by_hand import Shelf
from trainqc.pipeline.tables import METRICS

HEADER = {"num_samples": 7625, "epochs_planned": 25, "batch_size": 4, "total_batch_size": 16, "grad_accum": 4}


def header(shelf: Shelf, log: str, line: int, total: int, **more: object) -> None:
    """`Num examples = 7,625` … `Total optimization steps = 11,900`, behind the arguments."""
    shelf.facts(log, "config", line, drop_last=0)
    shelf.facts(log, "log", line, **{**HEADER, "world_size": 1, **more})
    shelf.facts(log, "log", line + 1, updates_planned=total)


def test_updates_are_no_iterations(shelf: Shelf) -> None:
    """11,900 updates of four iterations each: iterations an epoch and in all are counted, those done are open."""
    log = shelf.log("a.txt", ["tqdm"])
    header(shelf, log, 1, 11900)
    shelf.bar(log, [(0, 0.0), (5000, 5500.0), (11900, 13190.0)], 11900, line=7)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert (run["updates_done"], run["updates_done_from"], run["updates_planned"]) == (11900, "log", 11900)
    assert (run["iters_per_epoch"], run["iters_per_epoch_from"]) == (1907, "inferred")
    assert (run["iters_planned"], run["iters_planned_from"]) == (47675, "inferred")
    assert [run[name] for name in ("iters_done", "epochs_done", "samples_done")] == [None] * 3
    assert (run["state"], run["state_reason"]) == ("finished", "all 11,900 updates done")
    assert round(run["s_per_iter"], 4) == round(13190 / 11900 / 4, 4)
    assert round(run["train_s"]) == 13190
    assert any(caveat.startswith("The bar counts updates:") for caveat in run["caveats"])
    attempt = tables.attempts.row(0, named=True)
    assert [attempt[name] for name in ("iters", "last_iter", "iters_per_epoch", "iters_planned")] == [None] * 4
    assert tables.epochs.is_empty()


def test_without_accumulation_updates_are_iterations(shelf: Shelf) -> None:
    """With A = 1 each update is one iteration; the bar is that of the run, an epoch is a 25th of it."""
    log = shelf.log("a.txt", ["tqdm"])
    header(shelf, log, 1, 47675, grad_accum=1, total_batch_size=4)
    shelf.bar(log, [(0, 0.0), (1907, 1907.0), (3814, 3814.0)], 47675, line=7)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert (run["updates_done"], run["iters_done"], run["iters_planned"]) == (3814, 3814, 47675)
    assert (run["iters_per_epoch"], run["epochs_done"], run["s_per_iter"]) == (1907, 2.0, 1.0)
    assert (run["iters_planned_from"], run["samples_done"]) == ("log", 2 * 7625)
    assert tables.epochs.select("epoch", "iters").rows() == [(1, 1907), (2, 1907)]


def test_an_epoch_that_ends_with_its_last_window(shelf: Shelf) -> None:
    """⌈1907/4⌉ = 477 updates an epoch (transformers ≥ 4.52): 480 updates are one epoch and twelve iterations."""
    log = shelf.log("a.txt", ["tqdm"])
    header(shelf, log, 1, 11925)
    shelf.bar(log, [(0, 0.0), (240, 240.0), (480, 480.0)], 11925, line=7)
    run = shelf.run()
    assert (run["updates_per_epoch"], run["epochs_done"]) == (477.0, 1 + 12 / 1907)
    assert "480 of 11,925 updates" in run["state_reason"]


def test_accumulation_that_nobody_states(shelf: Shelf) -> None:
    """Updates alone, from an argument: neither iterations nor their pace follow."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.facts(log, "config", 1, updates_planned=800)
    shelf.bar(log, [(1, 4.0), (678, 2510.0)], 800, line=2)
    run = shelf.run()
    assert (run["updates_done"], run["updates_planned"]) == (678, 800)
    assert [run[name] for name in ("iters_done", "iters_planned", "iters_per_epoch", "s_per_iter")] == [None] * 4
    assert "678 of 800 updates" in run["state_reason"]


def test_a_bar_that_begins_anew_is_another_process(shelf: Shelf) -> None:
    """Three headers and three bars in one log: attempts of one run, of which the last one counts."""
    log = shelf.log("a.txt", ["tqdm"])
    for line, n in ((1, 4425), (101, 9000), (201, 11900)):
        header(shelf, log, line, 11900)
        shelf.bar(log, [(0, 0.0), (n // 2, n / 2), (n, float(n))], 11900, line=line + 5)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert (run["attempts"], run["updates_done"], run["wall_s"]) == (3, 11900, 4425 + 9000 + 11900)
    assert (run["grad_accum"], run["state"]) == (4, "finished")
    assert tables.attempts["first_line"].to_list() == [1, 7, 107]


def test_a_bar_of_each_epoch_counts_iterations(shelf: Shelf) -> None:
    """A bar that begins anew where only an argument has its total as a number of updates counts epochs."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.facts(log, "config", 1, updates_planned=1000)
    for line in (2, 3, 4):
        shelf.bar(log, [(1, 1.0), (1000, 630.0)], 1000, line=line)
    run = shelf.run()
    assert (run["iters_per_epoch"], run["iters_done"]) == (1000, 3000)


def test_updates_that_the_user_states(shelf: Shelf) -> None:
    """A bar of as many steps as the user states updates counts them."""
    log = shelf.log("a.txt", ["tqdm"])
    shelf.bar(log, [(0, 0.0), (40, 40.0), (80, 80.0)], 117)
    run = shelf.run(values={"updates_planned": 117, "grad_accum": 8})
    assert (run["updates_done"], run["updates_planned"], run["iters_done"], run["s_per_iter"]) == (80, 117, None, 0.125)


def rates(shelf: Shelf, accumulated: int) -> dict[str, object]:
    """The stage of 100 updates in which a bar's rate falls linearly to zero, shown at every tenth."""
    log = shelf.log("a.txt", ["tqdm"])
    header(shelf, log, 1, 100, grad_accum=accumulated, total_batch_size=4 * accumulated, epochs_planned=1)
    shown = range(10, 100, 10)
    shelf.bar(log, [(n, float(n)) for n in shown], 100, line=7)
    row = {"log_id": log, "line": 7, "piece": 0, "format": "tqdm", "name": "lr", "printed_name": "lr"}
    shelf.add(METRICS, [row | {"redraw": k, "value": round(1e-3 * (1 - n / 100), 9)} for k, n in enumerate(shown)])
    return shelf.tables().stages.row(0, named=True)


def test_a_schedule_of_a_bar_that_counts_updates(shelf: Shelf) -> None:
    """It steps with the updates, and lies where the bar counts: iterations are not known."""
    stage = rates(shelf, 4)
    assert (stage["kind"], stage["shape"], stage["steps_per"]) == ("decay", "linear", "update")
    assert (stage["first_update"], stage["last_update"]) == (1, 90)
    assert (stage["first_iter"], stage["last_iter"]) == (None, None)
    assert "updates" in str(stage["evidence"])


def test_a_schedule_where_each_update_is_an_iteration(shelf: Shelf) -> None:
    """With A = 1 it lies at the same iterations."""
    stage = rates(shelf, 1)
    assert (stage["steps_per"], stage["first_update"], stage["first_iter"]) == ("update", 1, 1)
    assert (stage["last_update"], stage["last_iter"]) == (90, 90)
