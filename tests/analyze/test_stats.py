"""The shared statistics."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainqc.pipeline.analyze.stats import ceil_div, ratio, spread

VALUES = st.lists(st.floats(0.001, 1e6, allow_nan=False), min_size=1, max_size=200)


def spread_of(values: list[float | None]) -> dict[str, float]:
    return pl.DataFrame({"v": values}, schema={"v": pl.Float64}).select(spread(pl.col("v"), "s")).row(0, named=True)


@given(VALUES)
def test_interval_holds_the_median(values: list[float]) -> None:
    """The interval of the median lies within the sample and around the median, for any sample."""
    s = spread_of(list(values))
    assert min(values) <= s["s_lo"] <= s["s"] <= s["s_hi"] <= max(values)
    assert s["s_n"] == len(values)


def test_interval_of_a_hundred() -> None:
    """Of 100 sorted values the interval reaches from about the 40th to about the 61st."""
    s = spread_of([float(i) for i in range(1, 101)])
    assert (s["s_lo"], s["s"], s["s_hi"]) == (40.0, 50.5, 60.0) or (s["s_lo"], s["s_hi"]) == (40.0, 61.0)


def test_no_values() -> None:
    """Without a value all is null and n is 0."""
    assert spread_of([None]) == {"s": None, "s_mean": None, "s_p95": None, "s_lo": None, "s_hi": None, "s_n": 0}


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_ceil_div(a: int, b: int) -> None:
    """⌈a/b⌉ is exact for large numbers too."""
    assert pl.select(ceil_div(pl.lit(a, pl.Int64), pl.lit(b, pl.Int64))).item() == -(-a // b)


@pytest.mark.parametrize("zero", [0, None])
def test_no_denominator(zero: int | None) -> None:
    """A rate over nothing is unknown, not infinite."""
    assert pl.select(ratio(pl.lit(5), pl.lit(zero, pl.Int64))).item() is None
