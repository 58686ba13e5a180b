"""Batch sizes compared: who is compared with whom, what a larger batch brought, and the lines through the runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainqc.pipeline.analyze import scaling
from trainqc.pipeline.analyze.stats import line
from trainqc.pipeline.tables import FACTS, RUNS, SCALING, conform

SEED = {1: (0.2, 2560.0), 4: (0.32, 6144.0), 8: (0.4, 12288.0), 16: (1.6 / 3, 24064.0)}
"""Batch size → (s/iter, MiB): relative speed 1.0, 2.5, 4.0, 6.0; memory 2.5, 6, 12 GB."""


def run(batch_size: int, s_per_iter: float | None = 1.0, **more: Any) -> dict[str, Any]:
    name = more.pop("name", f"net-b{batch_size}")
    row = {"run_id": f"{name}-id", "name": name, "experiment": "net", "format": "pytorch", "batch_size": batch_size}
    return row | {"s_per_iter": s_per_iter} | more


def compare(*runs: Mapping[str, Any], facts: list[dict[str, Any]] | None = None) -> pl.DataFrame:
    """SCALING of these runs, each with a log of its own name."""
    frame = conform(pl.DataFrame(list(runs), infer_schema_length=None), RUNS)
    stated = conform(pl.DataFrame(facts, infer_schema_length=None) if facts else FACTS.empty(), FACTS)
    members = frame.select("run_id", log_id="name")
    return conform(scaling.table(frame, stated.lazy(), members), SCALING)


def seed() -> pl.DataFrame:
    return compare(*(run(b, s, memory_peak_mib=m, world_size=2) for b, (s, m) in SEED.items()))


def column(table: pl.DataFrame, name: str) -> list[Any]:
    return table[name].to_list()


def test_relative_speed_and_efficiency_of_each_step() -> None:
    """Batch 1, 4, 8, 16 at 5, 12.5, 20 and 30 samples/s: 2.5 times at 4 times the batch is 62.5 %, +58 % a doubling."""
    found = seed()
    assert column(found, "batch_size") == [1, 4, 8, 16]
    assert column(found, "relative_throughput") == pytest.approx([1.0, 2.5, 4.0, 6.0])
    assert column(found, "step_from") == [None, 1, 4, 8]
    assert column(found, "step_gain")[1:] == pytest.approx([2.5, 1.6, 1.5])
    assert column(found, "step_efficiency")[1:] == pytest.approx([0.625, 0.8, 0.75])
    assert column(found, "doubling_gain")[1:] == pytest.approx([2.5**0.5 - 1, 0.6, 0.5])
    assert column(found, "samples_per_s") == pytest.approx([10.0, 25.0, 40.0, 60.0])
    assert set(column(found, "knee_batch")) == {None}


def test_lines_are_those_of_numpy() -> None:
    """Memory and time per iteration as least-squares lines: slope, base and largest residual as numpy has them."""
    found = seed().row(0, named=True)
    sizes = np.array(list(SEED), float)
    for values, names in (
        ([m for _, m in SEED.values()], ("memory_base_mib", "memory_mib_per_sample", "memory_residual_mib")),
        ([s for s, _ in SEED.values()], ("iter_base_s", "iter_s_per_sample", "iter_residual_s")),
    ):
        slope, base = np.polyfit(sizes, values, 1)
        residual = np.abs(np.array(values) - base - slope * sizes).max()
        assert [found[name] for name in names] == pytest.approx([base, slope, residual])
    assert (found["memory_points"], found["iter_points"]) == (4, 4)


def test_a_line_by_hand() -> None:
    """Memory 9,216 MiB at 128 and 2,304 at 32 lies on a line through 0 with 72 MiB a sample."""
    found = compare(run(128, memory_peak_mib=9216.0), run(32, memory_peak_mib=2304.0)).row(0, named=True)
    assert (found["memory_base_mib"], found["memory_mib_per_sample"]) == (0.0, 72.0)
    assert (found["memory_residual_mib"], found["memory_points"]) == (0.0, 2)


def test_one_size_has_no_line() -> None:
    """Two runs of which one prints its memory: no line, and no number in its place."""
    found = compare(run(128, memory_peak_mib=9216.0), run(32)).row(0, named=True)
    assert (found["memory_base_mib"], found["memory_mib_per_sample"], found["memory_points"]) == (None, None, 1)


@given(st.lists(st.tuples(st.integers(1, 512), st.floats(1, 1e5)), min_size=2, max_size=20))
def test_a_line_passes_through_the_middle(points: list[tuple[int, float]]) -> None:
    """Through any points: the line meets their means, and no point is further away than the residual says."""
    frame = pl.DataFrame(points, schema=["x", "y"], orient="row")
    found = frame.select(line(pl.col("x"), pl.col("y"), "l")).row(0, named=True)
    if len({x for x, _ in points}) < 2:
        assert found["l_slope"] is None
        return
    x, y = (np.array(values, float) for values in zip(*points, strict=True))
    assert found["l_base"] + found["l_slope"] * x.mean() == pytest.approx(y.mean())
    off = np.abs(y - found["l_base"] - found["l_slope"] * x)
    assert off.max() == pytest.approx(found["l_residual"], abs=1e-6)


def test_the_knee() -> None:
    """From 64 to 128 throughput grows by 10 %: 64 is where growing stops paying."""
    sizes = {16: 1.0, 32: 1.1, 64: 1.3, 128: 2.6 / 1.1, 256: 5.0}
    assert set(column(compare(*(run(b, s) for b, s in sizes.items())), "knee_batch")) == {64}


def test_out_of_memory() -> None:
    """The smallest batch that ended for want of memory is named; it has no pace, and takes part in no step."""
    found = compare(run(8), run(16, 1.5), run(32, None, ended_by="out_of_memory"), run(64, None))
    assert column(found, "batch_size") == [8, 16, 32]
    assert column(found, "fits") == [True, True, False]
    assert set(column(found, "fails_batch")) == {32}
    assert column(found, "relative_throughput")[2] is None


def test_repeated_sizes_count_once() -> None:
    """Several runs of one batch size make one step, by their median."""
    found = compare(run(8, 1.0), run(16, 1.6, name="a"), run(16, 1.0, name="b"), run(16, 1.3, name="c"))
    assert column(found, "step_gain")[1:] == pytest.approx([2 / 1.3] * 3)
    assert sorted(column(found, "relative_throughput")) == pytest.approx([1.0, 1.25, 2 / 1.3, 2.0])


@pytest.mark.parametrize("facts", [("world_size", 2, 4), ("gpu_name", "A100", "H100"), ("num_samples", 100, 200)])
def test_other_facts_are_not_compared(facts: tuple[str, Any, Any]) -> None:
    """Runs on other ranks, another GPU or other data are not compared with each other."""
    name, one, two = facts
    assert compare(run(8, **{name: one}), run(16, **{name: two})).is_empty()
    assert compare(run(8, **{name: one}), run(16, **{name: one})).height == 2


def test_by_name() -> None:
    """Runs that are alone in their experiments are compared where names differ in the batch size alone."""
    alone = [run(b, name=f"meld_b{b}", experiment=f"meld_b{b}") for b in (32, 128)]
    found = compare(*alone, run(8, name="other_b8", experiment="other_b8"), run(1, name="x12", experiment="x12"))
    assert column(found, "batch_size") == [32, 128]
    assert set(column(found, "experiment")) == {"meld_b*"}


def test_by_equal_settings() -> None:
    """Runs whose names say nothing are compared where all else that they state is the same; five settings at least."""
    runs = [run(b, name=f"slurm-{job}", experiment=f"slurm-{job}") for b, job in ((8, 901), (16, 902))]
    settings = {"arguments.lr": "0.1", "arguments.model": "net", "arguments.seed": "1", "arguments.width": "64"}

    def stated(**more: str) -> list[dict[str, Any]]:
        both = [(r["name"], {**settings, "arguments.batch_size": str(r["batch_size"]), **more}) for r in runs]
        return [{"log_id": log, "name": n, "value": v} for log, said in both for n, v in said.items()]

    assert compare(*runs, facts=stated()).is_empty()
    found = compare(*runs, facts=stated(**{"arguments.depth": "3"}))
    assert set(column(found, "experiment")) == {"like slurm-901"}
    other = stated(**{"arguments.depth": "3"})
    other[0]["value"] = "0.2"
    assert compare(*runs, facts=other).is_empty()


def test_what_else_differs_is_named() -> None:
    """A learning rate that was changed with the batch is named with its values; paths and batch sizes are not."""
    facts = [
        {"log_id": f"net-b{b}", "name": name, "value": value}
        for b, lr in ((8, "0.1"), (16, "0.2"))
        for name, value in (("arguments.lr", lr), ("arguments.batch_size", str(b)), ("arguments.output_dir", f"o{b}"))
    ]
    found = compare(run(8), run(16), facts=facts)
    assert column(found, "differs") == [["arguments.lr: 0.1, 0.2"]] * 2


def test_other_data_is_named() -> None:
    """1,250 iterations of 1 and 313 of 4 are of one data set; 313 of 4 and 400 of 8 cannot be."""
    assert column(compare(run(1, iters_per_epoch=1250), run(4, iters_per_epoch=313)), "differs") == [[], []]
    found = compare(run(4, iters_per_epoch=313), run(8, iters_per_epoch=400))
    assert column(found, "differs")[0] == ["samples of a rank and epoch: 1252 to 3200"]


def test_nothing_to_compare() -> None:
    """No runs, one run, and runs without a batch size or a pace give an empty table of the right shape."""
    assert compare(run(8)).schema == SCALING.schema
    assert compare(run(8), run(8, name="again")).is_empty()
    assert compare(run(8), run(16, None)).is_empty()
    assert conform(
        scaling.table(
            RUNS.empty(), FACTS.empty().lazy(), pl.DataFrame(schema={"run_id": pl.String, "log_id": pl.String})
        ),
        SCALING,
    ).is_empty()


def found_for(*runs: dict[str, Any]) -> list[tuple[str, str]]:
    frame = conform(pl.DataFrame(list(runs), infer_schema_length=None), RUNS).with_columns(first_log="name")
    return scaling.findings(compare(*runs), frame).select("run_id", "message").rows()


def test_a_larger_batch_that_pays_is_a_finding() -> None:
    """Once a group: 8 samples/s at batch 8, 13.3 measured at 16. Where the larger one brings 10 % there is none."""
    (found,) = found_for(run(8, 1.0), run(16, 1.2, memory_peak_mib=12288.0))
    assert found == (
        "net-b8-id",
        "batch size 8 trains 8 samples/s a rank; batch size 16 was measured at 13.333 (1.67 times as many), "
        "in 12.0 GiB of memory",
    )
    assert found_for(run(8, 1.0), run(16, 1.82)) == []


def test_a_larger_batch_that_does_not_fit_is_none() -> None:
    """A batch that ran out of memory is no advice, however fast it was before."""
    assert found_for(run(8, 1.0), run(16, 1.1, ended_by="out_of_memory")) == []


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(1e-3, 1e3)), min_size=2, max_size=12))
def test_steps_multiply_to_the_whole(points: list[tuple[int, float]]) -> None:
    """The steps' gains multiply to the largest batch's throughput over the smallest's, whatever was measured."""
    sizes = dict(points)
    found = compare(*(run(b, s) for b, s in sizes.items()))
    if len(sizes) < 2:
        assert found.is_empty()
        return
    ordered = sorted(sizes)
    whole = (ordered[-1] / sizes[ordered[-1]]) / (ordered[0] / sizes[ordered[0]])
    assert found["step_gain"].drop_nulls().product() == pytest.approx(whole)
    assert found["relative_throughput"][-1] == pytest.approx(whole)
    assert found.select((pl.col("step_efficiency") > 0).all()).item()
