"""Stages of a learning rate: what was planned is found in what was printed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainqc.pipeline.analyze import shapes, stages

Rate = Callable[[int], float]


def printed(value: float) -> float:
    """mmengine's `1.2345e-03`."""
    return float(f"{value:.4e}")


def keras(value: float) -> float:
    """Keras' `%.4f` above 0.001, else `%.4e`."""
    return float(f"{value:.4f}" if value > 1e-3 else f"{value:.4e}")


def series(
    rates: Sequence[float], done: Sequence[int], per_epoch: int | None, show: Callable[[float], float] = printed
) -> pl.DataFrame:
    """What `plateaus.points` gives for one run without cycles."""
    epochs = [None if per_epoch is None else (d - 1) // per_epoch + 1 for d in done]
    return pl.DataFrame(
        {
            "key": list(done),
            "line": list(range(1, len(done) + 1)),
            "log_id": "a",
            "done": list(done),
            "cycle": 1,
            "epoch": epochs,
            "lr": [show(rate) for rate in rates],
            "since": None,
            "run": "a-1",
        },
        schema_overrides={"cycle": pl.Int32, "epoch": pl.Int64, "done": pl.Int64, "since": pl.Int64},
    )


def by_iteration(rate: Rate, total: int, every: int = 10, per_epoch: int | None = None) -> pl.DataFrame:
    done = list(range(every, total + 1, every))
    return series([rate(d - 1) for d in done], done, per_epoch)


def by_epoch(rates: Sequence[float], per_epoch: int = 100, show: Callable[[float], float] = printed) -> pl.DataFrame:
    """One line an epoch, the rate of the epoch."""
    return series(rates, [per_epoch * (e + 1) for e in range(len(rates))], per_epoch, show)


RUNS = pl.DataFrame(
    {"run_id": ["a-1"], "cycles": [None], "grad_accum": [None], "counter": [None], "format": ["mmengine"]},
    schema={
        "run_id": pl.String,
        "cycles": pl.Int32,
        "grad_accum": pl.Int64,
        "counter": pl.String,
        "format": pl.String,
    },
)
SILENT = pl.DataFrame(schema={"log_id": pl.String, "kind": pl.String, "message": pl.String, "line": pl.Int64})


def found(points: pl.DataFrame) -> list[dict[str, Any]]:
    return stages.table(points, RUNS, SILENT).to_dicts()


def told(points: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in found(points)]


def cosine(peak: float, low: float, begin: int, end: int) -> Rate:
    return lambda i: low + (peak - low) / 2 * (1 + math.cos(math.pi * (i - begin) / (end - begin)))


def test_warmup_then_cosine() -> None:
    """The schedule of the Sa2VA case: 110 iterations of linear warm-up, then a cosine to zero."""
    decay = cosine(4e-5, 0.0, 110, 3672)
    points = by_iteration(lambda i: 4e-5 * (0.01 + 0.99 * i / 109) if i < 110 else decay(i), 3672, per_epoch=1224)
    rows = told(points, "kind", "shape", "first_iter", "last_iter", "steps_per", "first_epoch", "last_epoch")
    assert rows == [
        ("warmup", "linear", 1, 110, "iteration", 1, 1),
        ("decay", "cosine", 111, 3670, "iteration", 1, 3),
    ]


def test_steps_at_milestones_are_constants() -> None:
    """Ten epochs, then a tenth for three, then a hundredth for one: three constants, none of them a decay."""
    rates = [0.2] * 10 + [0.02] * 3 + [0.002] * 2
    rows = told(by_epoch(rates), "kind", "first_epoch", "last_epoch", "lr_first")
    assert rows == [("constant", 1, 10, 0.2), ("constant", 11, 13, 0.02), ("constant", 14, 15, 0.002)]


def test_a_staircase_is_one_decay() -> None:
    """A tenth every five epochs, four times: one decay in steps, with its factor."""
    rates = [0.1 * 0.1 ** (e // 5) for e in range(25)]
    rows = found(by_epoch(rates))
    assert [(row["kind"], row["shape"], row["first_epoch"], row["last_epoch"]) for row in rows] == [
        ("decay", "step", 1, 25)
    ]
    assert rows[0]["factor"] == pytest.approx(0.1, rel=1e-3)


def test_exponential_by_epoch() -> None:
    """0.95 an epoch: the factor per epoch, with several rows an epoch as the proof that it steps by epochs."""
    done = list(range(10, 2001, 10))
    points = series([0.1 * 0.95 ** ((d - 1) // 100) for d in done], done, 100)
    row = found(points)[0]
    assert (row["kind"], row["shape"], row["steps_per"], row["last_epoch"]) == ("decay", "exponential", "epoch", 20)
    assert row["factor"] == pytest.approx(0.95, abs=1e-4)


def test_one_row_an_epoch_does_not_prove_epochs() -> None:
    """With one rate an epoch steps within it would not show: `steps_per` stays open, and the evidence says why."""
    row = found(by_epoch([0.1 * 0.9**e for e in range(12)]))[0]
    assert (row["shape"], row["steps_per"]) == ("exponential", None)
    assert row["evidence"] == "one rate an epoch is printed: steps within an epoch would not show"


def test_a_polynomial_has_no_name() -> None:
    """(1 − t)^0.9 is neither a line, an exponential nor a cosine."""
    points = by_iteration(lambda i: 1e-4 + 0.0499 * (1 - i / 1600) ** 0.9, 1600)
    assert told(points, "kind", "shape") == [("decay", None)]


def test_constant() -> None:
    assert told(by_iteration(lambda _: 2e-5, 500), "kind", "shape", "n", "residual") == [("constant", None, 50, 0.0)]


def test_restarts_of_a_cosine_are_stages() -> None:
    """Three warm restarts in one run: three decays."""
    decay = cosine(0.1, 0.001, 0, 400)
    rows = told(by_iteration(lambda i: decay(i % 400), 1200), "kind", "shape", "first_iter")
    assert rows == [("decay", "cosine", 1), ("decay", "cosine", 401), ("decay", "cosine", 801)]


def test_rates_that_no_plan_made() -> None:
    """Noise is no schedule: its turns are many, and a run of more than ROWS stages lists none."""
    done = list(range(1, 5001))
    noise = [0.01 + 0.001 * math.sin(d * d) for d in done]
    assert len(found(series(noise, done, None, lambda v: v))) <= stages.ROWS


def in_cycles(
    profiles: Sequence[Sequence[float]], steps: int = 288, show: Callable[[float], float] = keras
) -> pl.DataFrame:
    """One line an epoch in cycles."""
    rows = [(c, e, rate) for c, profile in enumerate(profiles, 1) for e, rate in enumerate(profile, 1)]
    points = series([rate for *_, rate in rows], [steps * (k + 1) for k in range(len(rows))], None, show)
    return points.with_columns(
        cycle=pl.Series([c for c, *_ in rows], dtype=pl.Int32), epoch=pl.Series([e for _, e, _ in rows], dtype=pl.Int64)
    )


def of_cycles(points: pl.DataFrame) -> pl.DataFrame:
    return stages.table(points, RUNS.with_columns(cycles=pl.lit(200, pl.Int32)), SILENT)


LEVELS = (1e-4, 3e-5, 1e-5, 3e-6, 1e-6)


def test_five_stages_of_forty_schedules() -> None:
    """SEEDS.md 003: within a schedule a warm-up over ten mini-epochs to the tenfold, forty schedules a stage."""
    profiles = [[LEVELS[c // 40] * (1 + e) for e in range(10)] for c in range(200)]
    rows = of_cycles(in_cycles(profiles))
    assert rows.select("kind", "shape", "first_cycle", "last_cycle", "repeats", "first_iter", "last_iter").rows() == [
        ("warmup", "linear", 40 * k + 1, 40 * k + 40, 40, 115_200 * k + 1, 115_200 * k + 115_200) for k in range(5)
    ]
    assert rows.select("first_epoch", "last_epoch", "cycle_factor").unique().rows() == [(1, 10, 1.0)]
    assert rows["lr_first"].to_list() == list(LEVELS)
    assert rows["lr_last"].to_list() == pytest.approx([10 * level for level in LEVELS])


def test_constant_stages_of_forty_schedules() -> None:
    """The same levels without a warm-up: five constants over forty cycles each."""
    rows = of_cycles(in_cycles([[LEVELS[c // 40]] * 10 for c in range(200)]))
    assert rows.select("kind", "first_cycle", "last_cycle", "lr_first").rows() == [
        ("constant", 40 * k + 1, 40 * k + 40, LEVELS[k]) for k in range(5)
    ]


def test_warmup_and_decay_within_a_cycle() -> None:
    """Four epochs up, eight epochs down by 0.8, in each of six cycles: two stages that come back six times."""
    profile = [0.0001, 0.0002, 0.0003, 0.0004, *(0.0004 * 0.8**e for e in range(1, 9))]
    rows = of_cycles(in_cycles([profile] * 6, show=printed))
    assert rows.select("kind", "shape", "first_epoch", "last_epoch", "repeats").rows() == [
        ("warmup", "linear", 1, 4, 6),
        ("decay", "exponential", 5, 12, 6),
    ]
    assert rows["factor"][1] == pytest.approx(0.8, abs=1e-3)


def test_levels_that_fall_from_cycle_to_cycle() -> None:
    """A profile whose top falls by 0.95 with each cycle is one stage with that factor."""
    rows = of_cycles(in_cycles([[0.001 * 0.95**c * (e + 1) / 4 for e in range(4)] for c in range(10)], show=printed))
    assert rows.select("kind", "shape", "first_cycle", "last_cycle", "repeats").rows() == [
        ("warmup", "linear", 1, 10, 10)
    ]
    assert rows["cycle_factor"][0] == pytest.approx(0.95, abs=1e-3)


def test_a_rate_that_changes_by_cycle() -> None:
    """Constant within each cycle, 0.9 of it in the next: it steps by cycles."""
    rows = of_cycles(in_cycles([[0.001 * 0.9**c] * 5 for c in range(12)], show=printed))
    assert rows.select("kind", "shape", "steps_per").rows() == [("decay", "exponential", "cycle")]
    assert rows["factor"][0] == pytest.approx(0.9, abs=1e-3)


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[tuple[str, str | None, int, int]], list[float], int]:
    """A warm-up, a constant and a decay of drawn lengths (each may be missing), the rate of each iteration, and how
    many iterations lie between two prints."""
    every = draw(st.sampled_from([1, 5, 10]))
    top = draw(st.floats(1e-5, 0.5))
    lengths = [every * draw(st.integers(12, 60)) for _ in range(3)]
    with_warmup, with_constant, with_decay = (draw(st.booleans()) for _ in range(3))
    rates: list[float] = []
    truth: list[tuple[str, str | None, int, int]] = []
    if with_warmup:
        low = top * draw(st.floats(0.001, 0.1))
        rates += [low + (top - low) * i / lengths[0] for i in range(lengths[0])]
        truth.append(("warmup", "linear", 0, lengths[0]))
    if with_constant or not (with_warmup or with_decay):
        truth.append(("constant", None, len(rates), len(rates) + 4 * lengths[1]))
        rates += [top] * (4 * lengths[1])
    if with_decay:
        shape = draw(st.sampled_from(["linear", "exponential", "cosine"]))
        n = lengths[2]
        low = top * draw(st.floats(0.01, 0.3))
        curve: dict[str, Rate] = {
            "linear": lambda i: top + (low - top) * (i + 1) / n,
            "exponential": lambda i: top * (low / top) ** ((i + 1) / n),
            "cosine": lambda i: low + (top - low) / 2 * (1 + math.cos(math.pi * i / n)),
        }
        truth.append(("decay", shape, len(rates), len(rates) + n))
        rates += [curve[shape](i) for i in range(n)]
    return truth, rates, every


@settings(max_examples=150, deadline=None)
@given(plans())
def test_plans_are_found(plan: tuple[list[tuple[str, str | None, int, int]], list[float], int]) -> None:
    """Kinds and shapes are those of the plan (a shape may stay open, none is wrong), borders lie within one print."""
    truth, rates, every = plan
    done = list(range(every, len(rates) + 1, every))
    rows = found(series([rates[d - 1] for d in done], done, None))
    assert [row["kind"] for row in rows] == [kind for kind, *_ in truth]
    for row, (_, shape, first, last) in zip(rows, truth, strict=True):
        assert row["shape"] in (shape, None)
        assert abs(row["first_iter"] - 1 - first) <= 3 * every
        assert abs(row["last_iter"] - last) <= 3 * every


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows a ramp has, its shape is judged on POINTS of them."""
    seen: list[int] = []
    fit = shapes.fitted
    monkeypatch.setattr(shapes, "fitted", lambda points: (seen.append(points.height), fit(points))[1])
    for total in (1_000, 100_000):
        assert told(by_iteration(cosine(0.1, 0.0, 0, total), total, every=10), "shape") == [("cosine",)]
    assert max(seen) <= shapes.POINTS + 1


def updates(flushed: bool, accumulated: int = 8, per_epoch: int = 100, total: int = 1000) -> pl.DataFrame:
    """Every iteration printed, a linear warm-up over the run that steps with the optimizer."""
    a_epoch = -(-per_epoch // accumulated)

    def window(i: int) -> int:
        return i // per_epoch * a_epoch + i % per_epoch // accumulated if flushed else i // accumulated

    return by_iteration(lambda i: 1e-5 * (1 + window(i)), total, 1, per_epoch)


@pytest.mark.parametrize("flushed", [True, False], ids=["flushed", "carried"])
@pytest.mark.parametrize(("grad_accum", "unit"), [(8, "update"), (4, "iteration"), (None, "iteration")])
def test_a_rate_that_steps_with_the_optimizer(flushed: bool, grad_accum: int | None, unit: str) -> None:
    """Eight iterations at one rate, where eight are an update; the last window of an epoch may be shorter."""
    of_run = RUNS.with_columns(grad_accum=pl.lit(grad_accum, pl.Int64))
    rows = stages.table(updates(flushed), of_run, SILENT)
    assert rows.select("kind", "steps_per").rows() == [("warmup", unit)]


def test_rounding_is_no_update() -> None:
    """A decay that steps with each iteration and shows it every ten, for want of digits."""
    points = by_iteration(lambda i: 1e-4 * (1 - i / 100_000), 2000, 1, 100)
    rows = stages.table(points, RUNS.with_columns(grad_accum=pl.lit(10, pl.Int64)), SILENT)
    assert rows["steps_per"].to_list() == ["iteration"]
