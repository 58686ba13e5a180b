"""The statistics that the analysis shares, as expressions for `group_by(...).agg(...)`; knows no table."""

import polars as pl

Z_95 = 1.959964  # two-sided 95 % point of the normal distribution


def median_rank(count: pl.Expr, *, upper: bool) -> pl.Expr:
    """0-based rank of the order statistic that bounds the 95 % interval of the median of `count` sorted values.

    Normal approximation to the binomial (Conover, Practical Nonparametric Statistics, 1999, section 3.2): ranks
    n/2 ∓ z·√n/2, kept within the sample, so that a small sample gives its whole range and never more.
    """
    half = count.cast(pl.Float64).sqrt() * (Z_95 / 2)
    middle = count.cast(pl.Float64) / 2
    rank = (middle + half).ceil() if upper else (middle - half).floor() - 1
    return rank.clip(0, (count.cast(pl.Float64) - 1).clip(0)).cast(pl.UInt32)


def spread(value: pl.Expr, name: str) -> list[pl.Expr]:
    """Median, mean, 95th percentile, 95 % interval of the median, and count of the non-null values of a group.

    Columns: `name`, `name_mean`, `name_p95`, `name_lo`, `name_hi` (unit of the value) and `name_n`. All null, n 0,
    where a group has no value.
    """
    ordered = value.drop_nulls().sort()
    return [
        ordered.median().alias(name),
        ordered.mean().alias(f"{name}_mean"),
        ordered.quantile(0.95, "linear").alias(f"{name}_p95"),
        ordered.get(median_rank(ordered.len(), upper=False), null_on_oob=True).alias(f"{name}_lo"),
        ordered.get(median_rank(ordered.len(), upper=True), null_on_oob=True).alias(f"{name}_hi"),
        ordered.len().cast(pl.Int64).alias(f"{name}_n"),
    ]


def line(x: pl.Expr, y: pl.Expr, name: str) -> list[pl.Expr]:
    """The least-squares line y = base + slope · x through the pairs of a group that have both values.

    Columns: `name_base` (unit of y), `name_slope` (unit of y per unit of x), `name_residual` (largest distance of a
    point from the line, unit of y; 0 of two points, which any line meets) and `name_points` (distinct x). The first
    three are null where fewer than two distinct x have a value.
    """
    both = x.is_not_null() & y.is_not_null()
    x, y = x.filter(both).cast(pl.Float64), y.filter(both).cast(pl.Float64)
    from_middle = x - x.mean()
    slope = ratio((from_middle * (y - y.mean())).sum(), (from_middle * from_middle).sum())
    base = y.mean() - slope * x.mean()
    return [
        base.alias(f"{name}_base"),
        slope.alias(f"{name}_slope"),
        (y - base - slope * x).abs().max().alias(f"{name}_residual"),
        x.n_unique().cast(pl.Int32).alias(f"{name}_points"),
    ]


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """`numerator / denominator`, null where the denominator is not above zero: unknown, never infinite."""
    return pl.when(denominator > 0).then(numerator / denominator)


def ceil_div(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """⌈numerator / denominator⌉ of whole numbers, exact where floats are not; null for a denominator not above zero."""
    return pl.when(denominator > 0).then((numerator + denominator - 1) // denominator)


def product(*factors: pl.Expr) -> pl.Expr:
    """The product of whole numbers, null beyond 2^53: what no machine counted must not wrap around into sense."""
    whole, size = factors[0], factors[0].cast(pl.Float64).abs()
    for factor in factors[1:]:
        whole, size = whole * factor, size * factor.cast(pl.Float64).abs()
    return pl.when(size < 2**53).then(whole)
