"""Bars that count samples, as iterations: Keras 1 and 2.0–2.3 on arrays."""

from typing import Any

from trainqc.pipeline.tables import PROGRESS

EPOCHS = 3


def bar(shelf: Any, total: int, shown: list[int], epochs: int = EPOCHS, **more: object) -> str:
    """A Keras bar of `total` samples, redrawn at the counts in `shown`, in each epoch."""
    log = shelf.log("net/keras.log", ["keras"])
    rows = [
        {
            "log_id": log,
            "line": 2 * epoch,
            "redraw": k,
            "piece": 0,
            "format": "keras",
            "phase": "train",
            "epoch": epoch,
            "epochs_planned": EPOCHS,
            "iter": n,
            "iters_per_epoch": total,
            "global_iter": (epoch - 1) * total + n,
            **more,
        }
        for epoch in range(1, epochs + 1)
        for k, n in enumerate(shown)
    ]
    shelf.add(PROGRESS, rows)
    shelf.facts(log, "log", 2, counter="samples")
    return log


def test_samples_are_no_iterations(shelf: Any) -> None:
    """6,429 samples at batch 32 are 201 iterations an epoch, the last one of 29 samples; three epochs are 603."""
    log = bar(shelf, 6429, [32, 6400, 6429])
    shelf.facts(log, "log", 2, batch_size=32)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert (run["num_samples"], run["num_samples_from"]) == (6429, "log")
    assert (run["iters_per_epoch"], run["iters_per_epoch_from"]) == (201, "inferred")
    assert (run["iters_done"], run["iters_planned"], run["epochs_done"]) == (603, 603, 3.0)
    assert (run["state"], run["samples_done"]) == ("finished", 3 * 6429)
    assert tables.epochs.select("first_iter", "last_iter", "iters").rows() == [
        (1, 201, 201),
        (202, 402, 201),
        (403, 603, 201),
    ]
    attempt = tables.attempts.row(0, named=True)
    assert (attempt["iters"], attempt["first_iter"], attempt["iters_per_epoch"]) == (603, 1, None)


def test_broken_off_within_an_epoch(shelf: Any) -> None:
    """A bar that stands at 96 of 1,000 samples made 3 of 32 iterations; the epoch's share is that of the samples."""
    log = bar(shelf, 1000, [32, 64, 96], epochs=1)
    shelf.facts(log, "log", 2, batch_size=32)
    run = shelf.run()
    assert (run["iters_done"], run["iters_per_epoch"], run["iters_planned"]) == (3, 32, 96)
    assert (run["epochs_done"], run["samples_done"], run["state"]) == (0.096, 96, "interrupted")
    assert "3 of 96 iterations" in run["state_reason"]


def test_no_batch_size_no_iterations(shelf: Any) -> None:
    """Without a batch size the iterations are unknown, with a caveat; how far the run came is told in samples."""
    bar(shelf, 1000, [500, 1000], epochs=2, s_per_iter=0.001)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert [run[name] for name in ("iters_per_epoch", "iters_done", "iters_planned", "s_per_iter")] == [None] * 4
    assert (run["num_samples"], run["epochs_done"], run["samples_done"]) == (1000, 2.0, 2000)
    assert "2,000 of 3,000 samples" in run["state_reason"]
    assert "The bar counts samples: without a batch size iterations are open." in run["caveats"]
    assert tables.epochs.is_empty()


def test_pace_of_samples(shelf: Any) -> None:
    """14 ms a sample at batch 32 are 0.448 s an iteration, and 3,600 / 0.014 samples an hour, whatever the ranks."""
    log = bar(shelf, 1000, [1000], s_per_iter=0.014)
    shelf.facts(log, "log", 2, batch_size=32)
    tables = shelf.tables()
    run = tables.runs.row(0, named=True)
    assert round(run["s_per_iter"], 9) == 0.448
    assert round(run["train_samples_per_hour"]) == round(3600 / 0.014)
    assert tables.epochs["s_per_iter"].round(9).to_list() == [0.448] * 3


def test_batch_size_by_the_user(shelf: Any) -> None:
    """A batch size that the user states counts as one that the log shows."""
    bar(shelf, 1000, [1000])
    run = shelf.run(values={"batch_size": 32})
    assert (run["iters_per_epoch"], run["iters_done"], run["batch_size_from"]) == (32, 96, "user")


def test_second_loop_does_not_train(shelf: Any) -> None:
    """An evaluate() behind the last epoch has no phase: neither its steps nor its loss are the training's."""
    log = shelf.log("net/keras.log", ["keras"])
    row = {"log_id": log, "redraw": 0, "piece": 0, "format": "keras", "iters_per_epoch": 32}
    fit = {"phase": "train", "epoch": 1, "epochs_planned": 1, "iter": 32, "global_iter": 32}
    shelf.add(PROGRESS, [row | {"line": 2} | fit])
    shelf.add(PROGRESS, [row | {"line": 3, "iter": 10, "iters_per_epoch": 10, "phase": None}])
    shelf.losses(log, {2: 0.5}, "keras")
    shelf.losses(log, {3: 0.8}, "keras", phase=None)
    run = shelf.run()
    assert (run["iters_per_epoch"], run["iters_done"], run["final_loss"]) == (32, 32, 0.5)
