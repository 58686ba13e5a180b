"""What if: counts by the rule that explains what was measured, times under stated assumptions, memory by a line."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from trainqc.pipeline.analyze.identities import SAMPLERS
from trainqc.pipeline.analyze.plan import fitted, largest_batch, plan
from trainqc.pipeline.analyze.plan_terms import (
    FITTED,
    SAME_ITER,
    SAME_RATE,
    Measured,
    Plan,
    PlanError,
    Row,
    Setting,
)

SIZES = ((1, 2560.0), (4, 6144.0), (8, 12288.0), (16, 24064.0))


def bare(**setting: int) -> Measured:
    return Measured(Setting(**{"world_size": 1, "grad_accum": 1} | setting))


def sa2va() -> Measured:
    return Measured(
        Setting(samples=1220, batch_size=1, grad_accum=8, world_size=1, epochs=3),
        iters_per_epoch=1224,
        iters_planned=3672,
        s_per_iter=(16.0, 16.0),
        framework="mmengine",
        sampler="xtuner.dataset.samplers.LengthGroupedSampler",
        sources={"num_samples": "log", "world_size": "log", "grad_accum": "config"},
    )


def counts(made: Plan) -> list[tuple[Any, ...]]:
    return [(row.iters_per_epoch, row.iters, row.updates, row.samples_per_update) for row in made.rows]


def exact(*numbers: int) -> tuple[Any, ...]:
    *spans, last = numbers
    return (*((n, n) for n in spans), last)


def needs(made: Plan) -> dict[str, tuple[str, ...]]:
    return dict(made.missing)


# ── counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_smaller_batch() -> None:
    """32,000 samples: 250 iterations an epoch at batch 128, 1,000 at 32; four accumulated are 128 samples an update."""
    made = plan(bare(samples=32_000, epochs=1), {"batch_size": [128, 32], "grad_accum": [1, 4]})
    assert counts(made) == [
        exact(250, 250, 250, 128),
        ((250, 250), (250, 250), (62, 63), 512),
        exact(1000, 1000, 1000, 32),
        exact(1000, 1000, 250, 128),
    ]


def test_four_ranks_next_time() -> None:
    """1,220 samples on 4 ranks: 936 iterations and 117 updates of 32 at accumulation 8; 918 and 459 of 8 at 2."""
    made = plan(sa2va(), {"world_size": [4], "grad_accum": [8, 2]})
    assert counts(made) == [exact(1224, 3672, 459, 8), exact(312, 936, 117, 32), exact(306, 918, 459, 8)]
    assert [row.times[SAME_ITER].run_s for row in made.rows] == [(58752, 58752), (14976, 14976), (14688, 14688)]
    assert [way.sampler.name for way in made.ways] == ["LengthGroupedSampler"]


def test_a_claim_that_the_counts_contradict() -> None:
    """Four ranks claimed, one counted: the plan starts from one, and says that it left the claim out."""
    base = sa2va()
    claimed = replace(base, setting=replace(base.setting, world_size=4), sources={"num_samples": "log"})
    made = plan(claimed, {"grad_accum": [8]})
    assert made.let_go == ("world_size",)
    assert counts(made) == [exact(1224, 3672, 459, 8)]


def test_cycles() -> None:
    """100 cycles of 10 epochs of 288 iterations: 2,880 a cycle, 288,000 in all."""
    made = plan(Measured(Setting(), iters_per_epoch=288), {"cycles": [100], "epochs": [10]})
    (row,) = made.rows
    assert (row.iters_per_cycle, row.iters) == ((2880, 2880), (288_000, 288_000))
    assert needs(made)["updates"] == ("grad_accum",)


def test_ranks_that_nobody_knows() -> None:
    """1,000 iterations of 32 allow 31,969 to 32,031 samples a rank: 250 iterations of 128 in any case, 63 of 510 or 62.
    On other ranks it is open."""
    base = Measured(Setting(batch_size=32), iters_per_epoch=1000)
    made = plan(base, {"batch_size": [128, 510]})
    assert [row.iters_per_epoch for row in made.rows] == [(1000, 1000), (250, 250), (62, 63)]
    assert plan(base, {"batch_size": [128]}).rows[1].samples_per_update is None


def test_runs_at_other_sizes_decide_what_one_leaves_open() -> None:
    """313 iterations of 4 leave 1,249 to 1,255 samples; 1,250 of 1, 157 of 8 and 79 of 16 leave 1,250, the last batch
    kept."""
    base = Measured(Setting(batch_size=4), iters_per_epoch=313)
    assert plan(base, {"batch_size": [8]}).rows[1].iters_per_epoch == (156, 157)
    made = plan(replace(base, counts=((1, 1250), (4, 313), (8, 157), (16, 79))), {"batch_size": [8, 625]})
    assert [(way.drop, way.samples) for way in made.ways] == [(False, (1250, 1250))]
    assert [row.iters_per_epoch for row in made.rows] == [(313, 313), (157, 157), (2, 2)]


def test_counts_that_cannot_be_of_one_data_set() -> None:
    """Where the other sizes contradict every rule, the run's own counts stand alone."""
    base = Measured(Setting(batch_size=4), iters_per_epoch=313, counts=((8, 5000),))
    assert plan(base, {"batch_size": [8]}).rows[1].iters_per_epoch == (156, 157)


def test_dropping_goes_on() -> None:
    """10,000 samples in batches of 32 gave 312: the loader drops, and would give 156 of 64."""
    base = Measured(Setting(samples=10_000, batch_size=32, world_size=1, epochs=5), 312, 1560, sources={})
    made = plan(base, {"batch_size": [64], "epochs": [5]})
    assert [row.iters_per_epoch for row in made.rows] == [(312, 312), (156, 156)]
    assert all(way.drop for way in made.ways)


def test_a_last_batch_that_nothing_tells_of() -> None:
    """32,000 in batches of 128 are 250 whether the last is kept or dropped: 333 or 334 of 96."""
    base = Measured(Setting(samples=32_000, batch_size=128, world_size=1, grad_accum=1), iters_per_epoch=250)
    assert [row.iters_per_epoch for row in plan(base, {"batch_size": [96]}).rows] == [(250, 250), (333, 334)]
    kept = plan(replace(base, drop_last=False), {"batch_size": [96]})
    assert [row.iters_per_epoch for row in kept.rows] == [(250, 250), (334, 334)]


def test_a_run_planned_in_iterations_keeps_them() -> None:
    """max_iters = 90,000 stays 90,000 at twice the batch: it then sees twice as many samples."""
    base = Measured(Setting(batch_size=2, world_size=4), iters_planned=90_000)
    assert [row.iters for row in plan(base, {"batch_size": [4]}).rows] == [(90_000, 90_000)] * 2


@given(
    samples=st.integers(1, 10**6),
    batch=st.integers(1, 512),
    ranks=st.sampled_from([1, 2, 3, 4, 8]),
    accum=st.integers(1, 16),
    other=st.integers(1, 512),
    rule=st.sampled_from(
        [s for s in SAMPLERS if s.frameworks[0] in ("torch", "mmengine", "huggingface") and not s.one]
    ),
)
def test_the_true_rule_is_within_the_span(samples, batch, ranks, accum, other, rule) -> None:
    """Whatever sampler counted the measured run: what it would count at another batch size lies in the plan's span."""
    counted = rule.iters(samples, batch, ranks, batch * accum, False)
    assume(counted > 0 and not rule.named_only and not rule.grouped and rule.pads and not rule.assumes)
    base = Measured(
        Setting(samples=samples, batch_size=batch, grad_accum=accum, world_size=ranks),
        iters_per_epoch=counted,
        framework=rule.frameworks[0],
        sampler=rule.classes[0] if rule.classes else None,
        sources={"num_samples": "log", "world_size": "log", "iters_per_epoch": "log"},
    )
    made = plan(base, {"batch_size": [other]})
    span = made.rows[-1].iters_per_epoch
    if span is not None:
        assert span[0] <= rule.iters(samples, other, ranks, other * accum, False) <= span[1]


@given(st.integers(1, 10**9), st.integers(1, 4096), st.integers(1, 64), st.lists(st.integers(1, 8192), max_size=8))
def test_larger_batches_never_take_more_iterations(samples: int, batch: int, ranks: int, others: list[int]) -> None:
    """Iterations fall as the batch grows, and hold all samples: I·B·W ≥ N."""
    sizes = sorted({batch, *others})
    made = plan(bare(samples=samples, world_size=ranks, epochs=2), {"batch_size": sizes})
    found = [row.iters_per_epoch for row in made.rows]
    assert found == sorted(found, reverse=True)
    for row in made.rows:
        assert row.iters_per_epoch[0] * row.setting.batch_size * ranks >= samples
        assert row.iters == tuple(2 * count for count in row.iters_per_epoch)


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_time_under_both_assumptions() -> None:
    """0.63 s at batch 32: 630 s an epoch, 182,857 samples/hour. At 128: 157.5 s if an iteration takes as long, 630 s if
    a sample does."""
    made = plan(replace(bare(samples=32_000), s_per_iter=(0.63, 0.63)), {"batch_size": [32, 128]})
    first, second = made.rows
    assert first.times[SAME_ITER].epoch_s == pytest.approx((630.0, 630.0))
    assert first.times[SAME_ITER].samples_per_hour == pytest.approx((182_857, 182_857), abs=0.5)
    assert first.times[SAME_RATE] == first.times[SAME_ITER]
    assert second.times[SAME_ITER].epoch_s == pytest.approx((157.5, 157.5))
    assert second.times[SAME_RATE].epoch_s == pytest.approx((630.0, 630.0))
    assert second.times[SAME_RATE].samples_per_hour == pytest.approx((182_857, 182_857), abs=0.5)
    assert FITTED not in first.times


def test_a_span_of_time() -> None:
    """15.5 to 16.5 s an iteration: 15.8 to 16.8 h for 3,672 of them."""
    made = plan(replace(sa2va(), s_per_iter=(15.5, 16.5)), {})
    low, high = made.rows[0].times[SAME_ITER].run_s
    assert (low / 3600, high / 3600) == pytest.approx((15.81, 16.83), abs=0.005)


def test_time_as_fitted() -> None:
    """Through three measured sizes by numpy's line, its residual to both sides; beyond them it says so; at a measured
    size what was measured."""
    paces = ((1, 0.2), (4, 0.32), (16, 0.55))
    made = plan(replace(bare(samples=1250), s_per_iter=(0.2, 0.2), paces=paces), {"batch_size": [1, 4, 8, 64]})
    slope, base = np.polyfit(*np.array(paces).T, 1)
    off = max(abs(s - base - slope * b) for b, s in paces)
    spans = [row.times[FITTED].s_per_iter for row in made.rows]
    assert spans[1] == (0.32, 0.32)
    assert spans[2] == pytest.approx((base + 8 * slope - off, base + 8 * slope + off))
    assert [row.times[FITTED].extrapolated for row in made.rows] == [False, False, False, True]


@given(st.floats(1e-3, 1e3), st.integers(1, 512), st.integers(1, 512), st.integers(1, 10**7))
def test_the_assumptions_bound_each_other(each: float, batch: int, other: int, samples: int) -> None:
    """A larger batch takes longer by the samples than by the iterations, a smaller one the other way round; samples an
    hour are what the time holds."""
    made = plan(replace(bare(samples=samples), s_per_iter=(each, each)), {"batch_size": [batch, other]})
    row = made.rows[-1]
    by_iter, by_rate = (row.times[name].s_per_iter[0] for name in (SAME_ITER, SAME_RATE))
    assert (by_rate >= by_iter) == (other >= batch) or by_rate == pytest.approx(by_iter)
    for time in row.times.values():
        assert time.samples_per_hour[0] * time.s_per_iter[0] == pytest.approx(row.setting.batch_size * 3600)


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def memory(made: Plan) -> list[tuple[float, float]]:
    return [row.memory.mib for row in made.rows if row.memory is not None]


def test_memory_by_a_line() -> None:
    """9 GiB at 128 and 2.25 at 32 are a line: 4.5 at 64, and the largest batch in 24 GiB is 341, beyond both."""
    base = replace(bare(samples=32_000), memories=((128, 9216.0), (32, 2304.0)))
    made = plan(base, {"batch_size": [128, 32, 64, 256]}, 24576)
    assert memory(made) == [(9216, 9216), (2304, 2304), (4608, 4608), (18432, 18432)]
    assert [row.memory.extrapolated for row in made.rows] == [False, False, False, True]
    assert [row.memory.fits for row in made.rows] == [True] * 4
    assert (made.largest, made.largest_extrapolated) == (341, True)


def test_a_line_has_its_residual() -> None:
    """2.5, 6, 12 and 23.5 GiB are no line: the span is as wide as the worst of them, and counts against the limit."""
    made = plan(replace(bare(), memories=SIZES), {"batch_size": [1, 12]}, 16_384)
    slope, base = np.polyfit(*np.array(SIZES).T, 1)
    off = max(abs(mib - base - slope * b) for b, mib in SIZES)
    assert memory(made)[1] == pytest.approx((base + 12 * slope - off, base + 12 * slope + off))
    assert made.largest == int((16_384 - base - off) // slope) == 10
    assert made.rows[1].memory.fits is False


def test_one_measured_size_gives_bounds() -> None:
    """9 GiB at 128 alone: at 32 between 2.25 and 9; what is missing is named, and no largest batch."""
    made = plan(replace(bare(), memories=((128, 9216.0),)), {"batch_size": [128, 32, 256]}, 10_000)
    assert memory(made) == [(9216, 9216), (2304, 9216), (9216, 18432)]
    assert [row.memory.by for row in made.rows] == ["measured", "bounds", "bounds"]
    assert [row.memory.fits for row in made.rows] == [True, True, None]
    assert made.largest is None
    assert needs(made)["memory"] == ("memory_mib at two batch sizes",)


def test_memory_that_does_not_grow() -> None:
    """A line that falls says nothing about what fits."""
    line = fitted(((8, 100.0), (16, 90.0)))
    assert line is not None
    assert largest_batch(line, 1000) is None


@given(st.lists(st.tuples(st.integers(1, 1024), st.floats(1, 1e6)), min_size=2, max_size=8), st.floats(1, 1e7))
def test_the_largest_batch_fits_and_the_next_does_not(points: list[tuple[int, float]], limit: float) -> None:
    """By the line and its residual: the largest batch is within the limit, one more is not."""
    line = fitted(points)
    assume(line is not None and line.slope > 1e-6)
    largest = largest_batch(line, limit)
    assert largest == 0 or line.at(largest)[1] <= limit * (1 + 1e-9) + 1e-6
    assert line.at(largest + 1)[1] > limit * (1 - 1e-9) - 1e-6


# ── nonsense ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [0, -1, 2**53, 10**30])
def test_absurd_numbers_are_refused_with_a_word(value: int) -> None:
    """Zero, less, and what no machine counts: an error that names which."""
    with pytest.raises(PlanError, match=r"batch_size.*wanted a whole number above zero"):
        plan(bare(samples=100), {"batch_size": [32, value]})


def test_too_many_rows_are_refused() -> None:
    """A thousand combinations at most."""
    many = list(range(1, 101))
    with pytest.raises(PlanError, match="10,000 combinations"):
        plan(bare(samples=100), {"batch_size": many, "grad_accum": many})


@given(
    st.builds(
        Measured,
        setting=st.builds(Setting, *[st.none() | st.integers(1, 2**53 - 1)] * 6),
        iters_per_epoch=st.none() | st.integers(1, 2**53 - 1),
        iters_planned=st.none() | st.integers(1, 2**53 - 1),
        drop_last=st.none() | st.booleans(),
        framework=st.sampled_from([None, "mmengine", "huggingface 4.46", "megatron", "keras", "pytorch", "no such"]),
        sampler=st.sampled_from([None, "InfiniteSampler", "LengthGroupedSampler", "<script>"]),
    ),
    st.fixed_dictionaries({"batch_size": st.lists(st.integers(1, 2**53 - 1), min_size=1, max_size=2)}),
)
def test_any_numbers_make_a_plan(measured: Measured, changes: dict[str, list[int]]) -> None:
    """However large, contradictory or few the numbers: rows come out, spans in order, and what is open is named."""
    made = plan(measured, changes)
    assert 1 <= len(made.rows) <= 3
    for row in made.rows:
        for span in (row.iters_per_epoch, row.iters, row.updates):
            assert span is None or 0 <= span[0] <= span[1]
    assert all(what and wanted for what, wanted in made.missing)


def test_nothing_known_names_what_is_missing() -> None:
    """A batch size alone: everything else is open and named."""
    made = plan(Measured(Setting()), {"batch_size": [8]})
    assert isinstance(made.rows[0], Row)
    assert needs(made) == {
        "iterations per epoch": ("samples", "world_size"),
        "iterations in all": ("epochs",),
        "updates": ("grad_accum", "epochs"),
        "samples per update": ("world_size", "grad_accum"),
        "time": ("s_per_iter",),
        "memory": ("memory_mib at two batch sizes",),
    }
