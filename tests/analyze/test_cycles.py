"""An epoch counter that starts again: cycles of one run, runs of their own, or attempts."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import trainqc
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_by_hand import Shelf
from trainqc.pipeline.derive import Tables
from trainqc.pipeline.tables import METRICS, PROGRESS

START = 2.3  # the loss of a model that knows nothing


def turns_on(shelf: Shelf, log: str, losses: Sequence[Sequence[float]], steps: int = 288, planned: int = 10) -> int:
    """Keras' verbose=2: each turn begins at `Epoch 1/planned` and prints one line an epoch; gives the line behind."""
    rows = [
        {"epoch": epoch, "value": loss, "turn": turn}
        for turn, of_turn in enumerate(losses)
        for epoch, loss in enumerate(of_turn, 1)
    ]
    frame = pl.DataFrame(rows, schema_overrides={"epoch": pl.Int32}).with_row_index("at")
    frame = frame.with_columns(line=2 * pl.col("at").cast(pl.Int64) + 2)
    common = {"log_id": pl.lit(log), "redraw": 0, "piece": 0, "format": pl.lit("keras"), "phase": pl.lit("train")}
    done = (pl.col("epoch").cast(pl.Int64) - 1) * steps + steps
    progress = frame.select(
        "line", "epoch", epochs_planned=planned, iter=steps, iters_per_epoch=steps, global_iter=done, **common
    )
    shelf.add(PROGRESS, progress)
    shelf.add(
        METRICS, frame.select("line", "epoch", "value", name=pl.lit("loss"), printed_name=pl.lit("loss"), **common)
    )
    return 2 * len(rows) + 2


def falling(
    start: float, floor: float, epochs: int, tau: float, noise: float, seed: int, first: int = 1
) -> list[float]:
    """Losses of the epochs first … first + epochs − 1 of a model that learns: exponential, with noise of its own."""
    drawn = random.Random(seed)
    at = range(first, first + epochs)
    return [floor + (start - floor) * 2.718281828 ** (-t / tau) + drawn.gauss(0, noise) for t in at]


def one_model(turns: int, epochs: int, tau: float, noise: float, seed: int) -> list[list[float]]:
    flat = falling(START, 0.1, turns * epochs, tau, noise, seed)
    return [flat[t * epochs : t * epochs + epochs] for t in range(turns)]


def new_models(turns: int, epochs: int, tau: float, noise: float, seed: int) -> list[list[float]]:
    return [falling(START, 0.1, epochs, tau, noise, seed + 1000 * t) for t in range(turns)]


def read(losses: Sequence[Sequence[float]], **plan: int) -> Tables:
    shelf = Shelf()
    turns_on(shelf, shelf.log("train.log", ["keras"]), losses, **plan)
    return shelf.tables()


def test_a_hundred_cycles_are_one_run() -> None:
    """100 schedules of 10 mini-epochs of 288 batches: one run of 288,000 iterations, 2,880 a cycle."""
    tables = read(one_model(100, 10, 300.0, 0.005, 1))
    run = tables.runs.row(0, named=True)
    assert tables.runs.height == 1
    names = ("cycles", "attempts", "epochs_done", "epochs_planned", "iters_per_epoch", "iters_done", "iters_planned")
    assert [run[name] for name in names] == [100, 1, 1000.0, 10, 288, 288_000, 288_000]
    assert (run["state"], run["ended_by"]) == ("finished", "epochs")
    per_cycle = tables.epochs.group_by("cycle", maintain_order=True).agg(
        pl.col("iters").sum(), pl.col("first_iter").min(), pl.col("last_iter").max(), pl.col("epoch").max()
    )
    assert per_cycle["iters"].unique().to_list() == [2880]
    assert per_cycle["last_iter"].to_list() == [2880 * cycle for cycle in range(1, 101)]
    assert per_cycle["first_iter"].to_list() == [2880 * cycle + 1 for cycle in range(100)]
    assert tables.epochs.filter(pl.col("cycle") == 7)["epoch"].to_list() == list(range(1, 11))
    finding = tables.findings.row(0, named=True)
    assert finding["code"] == "cycles"
    assert "99 times and the model goes on, as the losses of" in finding["message"]


def test_new_models_are_runs() -> None:
    """A search prints the same plan again and again: where the losses start over each time, each is a run."""
    tables = read(new_models(5, 10, 4.0, 0.02, 2))
    assert tables.runs["cycles"].to_list() == [None] * 5
    assert tables.attempts["begun_by"].to_list() == ["log", *["anew"] * 4]
    assert tables.runs["iters_done"].to_list() == [2880] * 5
    assert tables.findings["code"].to_list() == ["new_model"] * 4
    assert (
        "and so do the losses (1.793 at the begin, 0.2637 at the end of the turn before, 1.86 at the very first)"
        in tables.findings["message"][0]
    )


def test_an_interrupted_model_among_new_ones_is_a_run_too() -> None:
    """The one fit() that was stopped by hand does not become an attempt of the model behind it."""
    losses = new_models(4, 10, 4.0, 0.02, 3)
    losses[1] = losses[1][:7]
    assert read(losses).runs["iters_done"].to_list() == [2880, 7 * 288, 2880, 2880]


def test_a_jump_by_another_weight_is_no_new_model() -> None:
    """A loss that is multiplied from a cycle on stands as high as at first, but falls little: the model goes on."""
    losses = one_model(20, 10, 20.0, 0.002, 4)
    heavier = [[20 * loss for loss in turn] for turn in losses[10:]]
    run = read([*losses[:10], *heavier]).runs.row(0, named=True)
    assert run["cycles"] == 20


def test_losses_that_tell_nothing() -> None:
    """Noise alone: the counter that starts again with the same plan, once its plan is done, is taken for a cycle."""
    drawn = random.Random(5)
    tables = read([[0.69 + drawn.gauss(0, 0.01) for _ in range(4)] for _ in range(6)], planned=4)
    assert tables.runs["cycles"].to_list() == [6]
    assert "because the plan stays the same; the losses (line " in tables.findings["message"][0]


def test_one_epoch_a_turn() -> None:
    """`Epoch 1/1` sixty times, as loops around fit(epochs=1) print: the losses go on falling."""
    shelf = Shelf()
    turns_on(shelf, shelf.log("train.log", ["keras"]), one_model(60, 1, 20.0, 0.01, 6), planned=1)
    closing = shelf.rows["progress"][0]
    running = closing.with_columns(pl.col("iter", "global_iter") - 1, pl.col("line") - 1)
    shelf.rows["progress"].append(running)
    run = shelf.run()
    assert (run["cycles"], run["iters_done"]) == (60, 60 * 288)


def test_another_plan_is_a_run_of_its_own() -> None:
    """fit() with 3 epochs, then with 10: two plans, two runs."""
    shelf = Shelf()
    log = shelf.log("train.log", ["keras"])
    turns_on(shelf, log, [[1.0, 0.9, 0.8]], planned=3)
    later = Shelf()
    end = turns_on(later, log, [[0.7, 0.6, 0.5, 0.4]], planned=10)
    for name, frames in later.rows.items():
        shelf.rows[name].extend(frame.with_columns(pl.col("line") + end) for frame in frames)
    tables = shelf.tables()
    assert tables.attempts["begun_by"].to_list() == ["log", "plan"]
    assert tables.runs.sort("iters_planned")["iters_done"].to_list() == [3 * 288, 4 * 288]


def test_cycles_that_stop_early() -> None:
    """Each cycle has its own length where the losses show that the model goes on; iterations are those done."""
    flat = falling(START, 0.1, 22, 6.0, 0.005, 7)
    tables = read([flat[:10], flat[10:16], flat[16:]])
    run = tables.runs.row(0, named=True)
    assert (run["cycles"], run["iters_done"], run["epochs_done"], run["iters_planned"]) == (3, 22 * 288, 22.0, 30 * 288)
    last = tables.epochs.group_by("cycle", maintain_order=True).agg(pl.col("epoch", "last_iter").max())
    assert last.rows() == [(1, 10, 2880), (2, 6, 16 * 288), (3, 6, 22 * 288)]


def test_a_restart_is_an_attempt() -> None:
    """A counter that falls back before its plan is done, with losses that start over: the same run, begun again."""
    tables = read([falling(START, 0.1, 6, 4.0, 0.01, 8), falling(START, 0.1, 10, 4.0, 0.01, 9)])
    assert tables.attempts["begun_by"].to_list() == ["log", "counter"]
    assert tables.runs.select("attempts", "iters_done", "cycles").rows() == [(2, 2880, None)]


def test_a_process_that_starts_is_an_attempt() -> None:
    """Between two process starts nothing is a cycle, whatever the losses are."""
    shelf = Shelf()
    log = shelf.log("train.log", ["keras"])
    turns_on(shelf, log, one_model(2, 10, 30.0, 0.01, 10))
    shelf.event(log, 1, "start")
    shelf.event(log, 21, "start")
    assert shelf.tables().attempts["begun_by"].to_list() == ["log", "start"]


def test_epochs_without_a_counter() -> None:
    """Lines that name an epoch and no iteration: the cycles are counted, iterations stay unknown."""
    shelf = Shelf()
    turns_on(shelf, shelf.log("train.log", ["keras"]), one_model(3, 5, 10.0, 0.01, 11), planned=5)
    bare = shelf.rows["progress"][0].with_columns(
        pl.lit(None, pl.Int64).alias(name) for name in ("iter", "iters_per_epoch", "global_iter")
    )
    shelf.rows["progress"] = [bare]
    run = shelf.run()
    assert (run["cycles"], run["iters_done"], run["epochs_planned"], run["epochs_done"]) == (3, None, 5, 15.0)
    assert (run["state"], run["state_reason"]) == ("finished", "all 15 epochs done")


@settings(max_examples=25, deadline=None)
@given(
    turns=st.integers(2, 12),
    epochs=st.integers(3, 12),
    tau=st.floats(1.5, 8.0),
    noise=st.sampled_from([0.0, 0.003, 0.02]),
    seed=st.integers(0, 10_000),
    again=st.booleans(),
)
def test_simulated_losses(turns: int, epochs: int, tau: float, noise: float, seed: int, again: bool) -> None:
    """A model that learned something is told from new ones, whatever the length of the turns and the noise."""
    losses = (new_models if again else one_model)(turns, epochs, tau, noise, seed)
    runs = read(losses, planned=epochs).runs
    assert runs["cycles"].to_list() == ([None] * turns if again else [turns])


def test_no_loss_is_read_where_no_counter_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that counts on costs nothing: its losses are not even scanned."""
    asked: list[Any] = []
    monkeypatch.setattr("trainqc.pipeline.analyze.losses.values", lambda *a: asked.append(a))
    read([falling(START, 0.1, 10, 4.0, 0.01, 12)])
    assert asked == []


SAMPLES = Path(__file__).parents[2] / "sample_logs" / "keras"


def test_the_sample_of_ten_schedules(tmp_path: Path) -> None:
    """Ten fits of four epochs of twelve steps on one model, by Keras 3.15: one run with ten cycles."""
    trainqc.ingest(SAMPLES / "cycles.log", out=tmp_path / "out")
    trainqc.analyze(tmp_path / "out")
    run = trainqc.read(tmp_path / "out", "runs").row(0, named=True)
    names = ("cycles", "attempts", "epochs_planned", "epochs_done", "iters_per_epoch", "iters_done", "iters_planned")
    assert [run[name] for name in names] == [10, 1, 4, 40.0, 12, 480, 480]
    epochs = trainqc.read(tmp_path / "out", "epochs").sort("first_iter")
    assert epochs["first_iter"].to_list() == list(range(1, 480, 12))
    assert epochs["lr_last"].round(7).to_list()[:4] == [0.00025, 0.0005, 0.00075, 0.001]


@pytest.fixture
def read_sample(tmp_path: Path) -> Callable[[str], dict[str, pl.DataFrame]]:
    """The derived tables of one sample log."""

    def tables(name: str) -> dict[str, pl.DataFrame]:
        out = tmp_path / name
        trainqc.ingest(SAMPLES / f"{name}.log", out=out)
        trainqc.analyze(out)
        return {table: trainqc.read(out, table) for table in ("runs", "stages", "findings")}

    return tables


def test_the_sample_of_epochs_within_epochs(read_sample: Callable[[str], dict[str, pl.DataFrame]]) -> None:
    """SEEDS.md 003 as Keras prints it: 200 schedules of 10 mini-epochs of 288 batches, five stages of 40 schedules, and
    a decay that no schedule reaches. Another weight of the loss in each stage makes no new model."""
    tables = read_sample("schedules")
    names = ("cycles", "attempts", "epochs_planned", "epochs_done", "iters_done", "iters_planned", "ended_by")
    run = tables["runs"].row(0, named=True)
    assert [run[name] for name in names] == [200, 1, 10, 2000.0, 576_000, 576_000, "epochs"]
    stages = tables["stages"].sort("stage")
    assert stages.select(
        "kind", "shape", "steps_per", "first_cycle", "last_cycle", "first_epoch", "last_epoch"
    ).rows() == [("warmup", "linear", "epoch", 40 * k + 1, 40 * k + 40, 1, 10) for k in range(5)]
    assert stages["lr_first"].to_list() == pytest.approx([1e-4, 3e-5, 1e-5, 3e-6, 1e-6])
    assert stages["lr_last"].to_list() == pytest.approx([1e-3, 3e-4, 1e-4, 3e-5, 1e-5])
    assert stages["last_iter"].to_list() == [115_200 * k for k in range(1, 6)]
    assert tables["findings"].select("code", "line").rows()[0] == ("unreachable_schedule", 1)
    assert tables["findings"]["message"][0] == (
        "decay_start_epoch = 10, and each cycle has 10 epochs: the decay is never reached"
    )


def test_the_sample_of_new_models(read_sample: Callable[[str], dict[str, pl.DataFrame]]) -> None:
    """Five folds, each on a model that is built anew: five runs of 60 steps."""
    runs = read_sample("new_models")["runs"]
    assert runs.select("iters_done", "cycles", "state").rows() == [(60, None, "finished")] * 5


def test_the_sample_that_stops_early(read_sample: Callable[[str], dict[str, pl.DataFrame]]) -> None:
    """The reason names the best epoch and the patience."""
    run = read_sample("early_stop")["runs"].row(0, named=True)
    assert (run["state"], run["ended_by"]) == ("finished", "early_stop")
    assert run["state_reason"] == "early stop at 42 of 600 iterations; the best epoch was 2, 5 epochs before (patience)"


def told_of(planned: int, losses: Sequence[Sequence[float]]) -> Tables:
    """`Learning schedule 1/planned` stands before the first of these turns."""
    shelf = Shelf()
    log = shelf.log("train.log", ["keras"])
    turns_on(shelf, log, losses)
    shelf.facts(log, "log", 1, cycles_planned=planned)
    return shelf.tables()


def test_cycles_that_the_log_plans() -> None:
    """40 of 200 schedules are done: the plan is that of all, and the run is not finished."""
    tables = told_of(200, one_model(40, 10, 120.0, 0.005, 1))
    run = tables.runs.row(0, named=True)
    names = ("cycles", "cycles_planned", "epochs_done", "iters_done", "iters_planned", "ended_by")
    assert [run[name] for name in names] == [40, 200, 400.0, 115_200, 576_000, None]
    assert run["state"] != "finished"
    claims = tables.claims.filter(pl.col("name") == "cycles")
    assert claims.select("low", "high", "source", "line").rows() == [(200, 200, "log", 1)]
    assert any("40 of 200 planned cycles" in caveat for caveat in run["caveats"])


def test_the_first_of_the_cycles_that_the_log_plans() -> None:
    """Nothing began again yet: the plan is told all the same."""
    run = told_of(200, one_model(1, 4, 120.0, 0.005, 1)).runs.row(0, named=True)
    assert (run["cycles"], run["cycles_planned"], run["iters_planned"]) == (None, 200, 576_000)


@pytest.mark.parametrize("planned", [5, 39])
def test_planned_cycles_that_are_fewer_than_those_begun(planned: int) -> None:
    """What is counted so cannot be these turns."""
    run = told_of(planned, one_model(40, 10, 120.0, 0.005, 1)).runs.row(0, named=True)
    assert (run["cycles"], run["cycles_planned"], run["iters_planned"]) == (40, None, 115_200)


def test_new_models_are_no_planned_cycles() -> None:
    """`Schedule 1/5` before five models of their own: each has its own plan."""
    runs = told_of(5, new_models(5, 10, 4.0, 0.02, 2)).runs
    assert runs["cycles_planned"].to_list() == [None] * 5
    assert runs["iters_planned"].to_list() == [2880] * 5


def one_epoch_each(losses: Sequence[float], steps: int | None, headers: Sequence[int]) -> Tables:
    """`Epoch 1/1` and one line (verbose=2), again and again; `headers`: the turns before which that line stands."""
    shelf = Shelf()
    log = shelf.log("train.log", ["keras"])
    turns_on(shelf, log, [[loss] for loss in losses], steps=steps, planned=1)
    for turn in headers:
        shelf.facts(log, "log", 2 * turn + 1, epochs_planned=1)
    return shelf.tables()


@pytest.mark.parametrize("steps", [48, None])
def test_epochs_of_one_that_come_again(steps: int | None) -> None:
    """100 × fit(epochs=1): the counter never falls, the line `Epoch 1/1` tells; also where no steps are printed."""
    tables = one_epoch_each(falling(START, 0.1, 100, 40.0, 0.005, 1), steps, range(100))
    run = tables.runs.row(0, named=True)
    assert tables.runs.height == 1
    assert [run[name] for name in ("cycles", "epochs_done", "epochs_planned")] == [100, 100.0, 1]
    assert run["iters_done"] == (4800 if steps else None)
    assert "99 times and the model goes on" in tables.findings["message"][0]


def test_a_line_that_is_printed_twice_is_no_cycle() -> None:
    """Without `Epoch 1/1` between them two equal records are one epoch's."""
    run = one_epoch_each([2.0, 1.9, 1.8], 48, [0]).runs.row(0, named=True)
    assert (run["cycles"], run["epochs_done"]) == (None, 1.0)
