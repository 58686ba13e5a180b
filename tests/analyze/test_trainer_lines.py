"""Dict lines of the Trainer beside its bar: one run, whose bar counts, and the length of an epoch in the fractions."""

import random
from pathlib import Path

import polars as pl
import pytest
from reading import SAMPLES
from tables_by_hand import Shelf
from trainqc.pipeline.analyze import trainer_lines
from trainqc.pipeline.derive import derive
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.registry import formats
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import ATTEMPTS, CLAIMS, METRICS, PROGRESS, RUNS

NO_CLAIMS = pl.DataFrame(schema={"run_id": pl.String, "name": pl.String, "low": pl.Int64})


def printed(fraction: float, digits: str) -> float:
    """A fraction as a log shows it: 4.x rounds, 5.x has four significant digits, 4.40 neither."""
    return {"4.x": round(fraction, 2), "5.x": float(f"{fraction:.4g}"), "4.40": fraction}[digits]


def lines(iters: int, accumulated: int, epochs: int, *, flushes: bool, digits: str, every: int = 5) -> pl.DataFrame:
    """What `beside_bars` gives of a run: an update for each window of `accumulated` iterations."""
    rows: list[dict[str, object]] = []
    updates = window = 0
    for epoch in range(epochs):
        for batch in range(1, iters + 1):
            window += 1
            if window == accumulated or (flushes and batch == iters):
                updates, window = updates + 1, 0
                if updates % every == 0:
                    rows.append({"updates": updates, "fraction": printed(epoch + batch / iters, digits)})
    frame = pl.DataFrame(rows, schema={"updates": pl.Int64, "fraction": pl.Float64})
    return frame.with_row_index("line").select(
        pl.lit("a").alias("log_id"),
        pl.col("line").cast(pl.Int64),
        redraw=pl.lit(0, pl.Int32),
        piece=pl.lit(0, pl.Int32),
        lr=pl.lit(0.1),
        fraction="fraction",
        updates="updates",
        total=pl.lit(updates, pl.Int64),
        bar_line=pl.col("line").cast(pl.Int64) + 1,
        bar_redraw=pl.lit(0, pl.Int32),
        bar_piece=pl.lit(0, pl.Int32),
    )


def claimed(beside: pl.DataFrame, accumulated: int | None) -> list[tuple[str, int, int]]:
    lengths = trainer_lines.epoch_lengths(beside).with_columns(run_id=pl.lit("r"), turn=pl.lit(1, pl.Int32))
    said = (
        NO_CLAIMS
        if accumulated is None
        else pl.DataFrame({"run_id": "r", "name": "grad_accum", "low": accumulated}, NO_CLAIMS.schema)
    )
    return trainer_lines.claims(lengths, said).select("name", "low", "high").rows()


@pytest.mark.parametrize("digits", ["4.x", "5.x", "4.40"])
@pytest.mark.parametrize("flushes", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_the_true_length_is_in_the_range(seed: int, *, flushes: bool, digits: str) -> None:
    """Of any run, whatever becomes of its windows: iterations where A is known, else updates."""
    rng = random.Random(seed)
    iters, accumulated, epochs = rng.randint(3, 3000), rng.choice([1, 2, 4, 7, 8, 32]), rng.randint(1, 4)
    beside = lines(iters, accumulated, epochs, flushes=flushes, digits=digits, every=rng.choice([1, 5, 10]))
    for name, low, high in claimed(beside, accumulated):
        assert name == "iters_per_epoch"
        assert low <= iters <= high
    for name, low, high in claimed(beside, None):
        assert name == "updates_per_epoch"
        assert low <= max(1, iters // accumulated)
        assert high >= -(-iters // accumulated)


def test_the_range_is_narrow() -> None:
    """Four significant digits leave one length of 105 iterations, two decimals of 7,500 iterations a few."""
    assert claimed(lines(105, 4, 3, flushes=True, digits="5.x"), 4) == [("iters_per_epoch", 105, 105)]
    [(_, low, high)] = claimed(lines(7500, 4, 1, flushes=True, digits="4.x", every=1), 4)
    assert high - low < 50


def test_lines_that_come_in_bursts_say_nothing() -> None:
    """Where stdout is buffered several lines stand before one redraw: nobody knows at which update."""
    beside = lines(1000, 4, 1, flushes=True, digits="5.x").with_columns(bar_line=pl.col("bar_line") // 4)
    assert claimed(beside, 4) == []


def test_fractions_that_contradict_each_other_say_nothing() -> None:
    """A process that resumes without skipping data counts its epoch from the beginning."""
    first = lines(1000, 4, 1, flushes=True, digits="5.x")
    beside = pl.concat([first, first.with_columns(pl.col("updates") + 40, pl.col("line") + 1000)])
    assert claimed(beside, 4) == []


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The samples of the real Trainer, analyzed."""
    out: Path = tmp_path_factory.mktemp("trainer") / "out"
    ingest([SAMPLES / "huggingface"], out, formats(), jobs=1)
    derive(out)
    return Store(out)


def run_of(store: Store, name: str) -> dict[str, object]:
    return store.read(RUNS).filter(pl.col("name") == name).row(0, named=True)


def test_bar_and_lines_are_one_run(store: Store) -> None:
    """Counts and times are the bar's, losses, format and the fraction of the epoch are the lines'."""
    assert store.read(RUNS).height == 6
    run = run_of(store, "epochs")
    assert (run["format"], run["updates_done"], run["updates_planned"], run["state"]) == (
        "huggingface",
        81,
        81,
        "finished",
    )
    assert (run["final_loss"], run["best_metric"], run["best_epoch"], run["epochs_done"]) == (0.2231, "loss", 3, 3.0)
    assert (run["iters_per_epoch"], run["updates_per_epoch"]) == (105, 27.0)
    assert run["s_per_iter"] == pytest.approx(0.4, abs=0.01)


def test_without_a_header_the_bar_counts_updates_all_the_same(store: Store) -> None:
    """At the default verbosity the lines behind the bar say whose it is; the fraction says how long an epoch is."""
    run = run_of(store, "max_steps")
    assert (run["updates_done"], run["updates_planned"], run["iters_done"], run["epochs_done"]) == (60, 60, None, 0.384)
    claims = store.read(CLAIMS).filter(pl.col("run_id") == run["run_id"]).select("name", "low", "high", "source").rows()
    assert claims == [("updates_per_epoch", 156, 157, "counted"), ("updates_planned", 60, 60, "log")]


def test_what_a_resumed_bar_jumps_over_was_not_done(store: Store) -> None:
    """Killed behind update 47, resumed at 40: the second process did 41 updates in its own time."""
    run = run_of(store, "killed_and_resumed")
    attempts = store.read(ATTEMPTS).filter(pl.col("run_id") == run["run_id"]).sort("attempt")
    assert attempts["elapsed_s"].to_list() == [72.0, 63.0]
    assert attempts["s_per_iter"].to_list() == pytest.approx([0.39, 0.39], abs=0.01)
    assert (run["attempts"], run["updates_done"], run["wall_s"]) == (2, 81, 135.0)


def test_a_closing_summary_ends_a_run_before_its_plan(store: Store) -> None:
    """Early stopping prints nothing; who stopped is not known."""
    run = run_of(store, "early_stop")
    reason = "the log says that the training is done, at 88 of 240 updates"
    assert (run["state"], run["state_reason"], run["ended_by"]) == ("finished", reason, None)


def test_lines_alone_make_a_run(store: Store) -> None:
    """`disable_tqdm=True`: epochs are all that is counted."""
    run = run_of(store, "no_bar")
    assert (run["format"], run["updates_done"], run["epochs_done"], run["final_loss"]) == (
        "huggingface",
        None,
        3.0,
        0.2231,
    )
    assert run["state_reason"] == "the log says that the training is done, at epoch 3"


def line(shelf: Shelf, log: str, at: int, fraction: float, loss: float = 1.0) -> None:
    """A dict line on a line of its own."""
    row = {"log_id": log, "line": at, "redraw": 0, "piece": 0, "format": "huggingface", "phase": "train", "epoch": 1}
    shelf.add(PROGRESS, [row | {"lr": 0.1}])
    values = [{"name": "loss", "value": loss}, {"name": "epoch", "value": fraction}]
    shelf.add(METRICS, [row | {"printed_name": v["name"]} | v for v in values])


def test_other_bars_do_not_take_the_trainers_place(shelf: Shelf) -> None:
    """A longer evaluation, and a bar with a name, count no updates; the Trainer's bar is that behind its lines."""
    log = shelf.log("a.txt", ["huggingface", "tqdm"])
    shelf.bar(log, [(0, 0.0), (900, 1.0)], 900, name="Map", line=1)
    for k, n in enumerate(range(10, 51, 10)):
        line(shelf, log, 10 + 2 * k, n / 100, loss=1 / n)
        shelf.bar(log, [(n, float(n))], 50, line=11 + 2 * k)
    shelf.bar(log, [(0, 0.0), (400, 4.0), (4000, 40.0)], 4000, line=30)
    run = shelf.run()
    assert (run["format"], run["updates_done"], run["updates_planned"], run["final_loss"]) == (
        "huggingface",
        50,
        50,
        1 / 50,
    )


def test_lines_before_no_bar_of_their_own(shelf: Shelf) -> None:
    """Bars with names are other work: the lines speak for themselves."""
    log = shelf.log("a.txt", ["huggingface", "tqdm"])
    shelf.bar(log, [(0, 0.0), (900, 1.0)], 900, name="Map", line=1)
    line(shelf, log, 10, 0.5)
    shelf.bar(log, [(0, 0.0), (900, 1.0)], 900, name="Map", line=11)
    run = shelf.run()
    assert (run["format"], run["updates_planned"], run["epochs_done"]) == ("huggingface", None, 1.0)


@pytest.mark.parametrize(("capped", "verdict"), [(True, "consistent"), (False, "contradicted")])
def test_epochs_that_follow_from_max_steps_are_no_plan(shelf: Shelf, verdict: str, *, capped: bool) -> None:
    """Sixty updates of an epoch of 157: the header says one epoch, rounded up."""
    log = shelf.log("a.txt", ["huggingface", "tqdm"])
    if capped:
        shelf.facts(log, "log", 1, planned_in="updates")
    shelf.facts(log, "config", 1, drop_last=0)
    shelf.facts(log, "log", 2, num_samples=2500, epochs_planned=1, batch_size=4, total_batch_size=16, grad_accum=4)
    shelf.facts(log, "log", 3, world_size=1, updates_planned=60)
    for k, n in enumerate(range(10, 61, 10)):
        line(shelf, log, 10 + 2 * k, round(n * 4 / 625, 4))
        shelf.bar(log, [(n, float(n))], 60, line=11 + 2 * k)
    best = shelf.tables().explanations.row(0, named=True)
    assert (best["verdict"], best["iters_per_epoch"]) == (verdict, 625)


def test_a_document_that_quotes_lines_is_no_run(tmp_path: Path) -> None:
    """A README with a dict line, even on a line of its own, trained nothing; the same lines alone are a run."""
    quoted = "{'loss': 0.69, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 0.36}\n"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "README.md").write_text(
        "# Training\n\nThe Trainer prints:\n\n" + quoted + "\nand so on.\n" * 3
    )
    (tmp_path / "logs" / "train.log").write_text(quoted * 3)
    ingest([tmp_path / "logs"], tmp_path / "out", formats(), jobs=1)
    derive(tmp_path / "out")
    assert Store(tmp_path / "out").read(RUNS)["log_paths"].to_list() == [["train.log"]]
