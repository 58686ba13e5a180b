"""Shapes of a ramp: linear, exponential or cosine, each fitted with weights and judged by the printed digits.

A shape fits where no point lies further from it than its printed value may lie from the true one. Linear and
exponential ones have two free numbers, a cosine four: y = m + p·cos ωx + q·sin ωx, ω from a grid that is refined
twice. A cosine is asked only where neither of the others fits, and only counts where it begins at its peak or trough,
as schedules do (torch CosineAnnealingLR, mmengine CosineAnnealingLR, Keras CosineDecay).
"""

import math

import polars as pl

POINTS = 33  # points of a ramp that are looked at
FITS = 2.0  # distance from the fitted shape in half units of the last digit: the fit itself may be off by one
SEEN = 4  # points from which on a line or an exponential means something
FEWEST = 7  # points from which on a cosine means something
SHARES = (0.10, 1.03, 0.01)  # share of a half period that a ramp covers: from, to, step
BEGIN = 0.1  # radians that a cosine may begin away from its peak or trough, beside one step of the ramp
FINEST = 2e-5  # share of the largest rate below which a cosine's distance does not matter
RAMPS = 400  # ramps of a batch for which a cosine is tried


def thinned(ramps: pl.DataFrame) -> pl.DataFrame:
    """At most POINTS plateaus of each segment, evenly, the ends included: segment, x, t (0..1), y, tol."""
    at, count = pl.int_range(pl.len()).over("segment"), pl.len().over("segment")
    slot = (at * (POINTS - 1)) // (count - 1).clip(1)
    first = pl.col("x").first().over("segment")
    width = pl.col("x").last().over("segment") - first
    return (
        ramps.with_columns(slot=slot, at=at, last=at == count - 1)
        .filter((pl.col("slot") != pl.col("slot").shift(1).over("segment")).fill_null(True) | pl.col("last"))
        .select("segment", "x", t=(pl.col("x") - first) / width, width=width, y="lr", tol="tol")
        .filter(pl.col("width") > 0)
    )


def line(x: pl.Expr, y: pl.Expr, w: pl.Expr) -> list[pl.Expr]:
    """Weighted least squares for `group_by(...).agg`: intercept `a` and slope `b`."""
    total = w.sum()
    mean_x, mean_y = (w * x).sum() / total, (w * y).sum() / total
    b = (w * (x - mean_x) * (y - mean_y)).sum() / (w * (x - mean_x) ** 2).sum()
    return [(mean_y - b * mean_x).alias("a"), b.alias("b")]


def fitted(points: pl.DataFrame) -> pl.DataFrame:
    """Per segment: linear, exponential, cosine (whether it fits), off_* (largest distance as a share of the largest
    rate), and rate (the exponential's factor per unit of x)."""
    y, tol = pl.col("y"), pl.col("tol")
    level = straight(points).select("segment", "far", "off")
    bent = points.group_by("segment").agg(*line(pl.col("t"), y.log(), (y / tol) ** 2), pl.col("width").first())
    curved = away(points, bent, (pl.col("a") + pl.col("b") * pl.col("t")).exp())
    either = (
        level.rename({"far": "far_linear", "off": "off_linear"})
        .join(curved.rename({"far": "far_exponential", "off": "off_exponential"}), on="segment")
        .join(bent.select("segment", rate=(pl.col("b") / pl.col("width")).exp()), on="segment")
        .join(points.group_by("segment").agg(seen=pl.len() >= SEEN), on="segment")
        .with_columns(
            linear=pl.col("seen") & (pl.col("far_linear") <= FITS),
            exponential=pl.col("seen") & (pl.col("far_exponential") <= FITS),
        )
    )
    neither = either.filter(~pl.col("linear") & ~pl.col("exponential")).select("segment").sort("segment").head(RAMPS)
    open_ = points.join(neither, on="segment", how="semi", maintain_order="left")
    waves = cosines(open_.filter(pl.len().over("segment") >= FEWEST))
    return either.join(waves, on="segment", how="left").with_columns(
        cosine=(pl.col("far_cosine") <= FITS).fill_null(False)
    )


def straight(points: pl.DataFrame) -> pl.DataFrame:
    """Per segment the weighted straight line over t: a, b, and `far`, `off` of `away`."""
    lines = points.group_by("segment").agg(line(pl.col("t"), pl.col("y"), 1 / pl.col("tol") ** 2))
    return away(points, lines, pl.col("a") + pl.col("b") * pl.col("t")).join(lines, on="segment")


def away(points: pl.DataFrame, fits: pl.DataFrame, curve: pl.Expr) -> pl.DataFrame:
    """Per segment: `far`, the largest distance from the curve in units of tol; `off`, as a share of the largest y."""
    apart = (pl.col("y") - curve).abs()
    return (
        points.join(fits, on="segment", maintain_order="left")
        .group_by("segment", maintain_order=True)
        .agg(far=(apart / pl.col("tol")).max(), off=apart.max() / pl.col("y").max())
    )


def cosines(points: pl.DataFrame) -> pl.DataFrame:
    """Per segment the best cosine that begins at its peak or trough: far_cosine, off_cosine."""
    empty = pl.DataFrame(schema={"segment": pl.UInt32, "far_cosine": pl.Float64, "off_cosine": pl.Float64})
    if not points.height:
        return empty.with_columns(pl.col("segment").cast(points.schema["segment"]))
    # a rate that ends at zero is printed far finer than a sum of three terms can be told
    points = points.with_columns(tol=pl.max_horizontal("tol", pl.col("y").max().over("segment") * FINEST))
    low, high, step = SHARES
    shares = pl.DataFrame({"share": [low + step * k for k in range(round((high - low) / step) + 1)]})
    best = waves(points.join(shares, how="cross"))
    for _ in range(3):
        step /= 10
        near = pl.DataFrame({"by": [step * k for k in range(-12, 13)]})
        around = (
            best.select("segment", "share")
            .join(near, how="cross")
            .select("segment", share=pl.col("share") + pl.col("by"))
        )
        best = waves(points.join(around.filter(pl.col("share") > 0), on="segment"))
    return best.select("segment", far_cosine="far", off_cosine="off")


def waves(points: pl.DataFrame) -> pl.DataFrame:
    """For each segment and share the weighted fit of m + p·cos + q·sin by its normal equations (Cramer's rule).

    Gives the best share of each segment among those that begin where a schedule does: segment, share, far, off."""
    angle = math.pi * pl.col("share") * pl.col("t")
    w, c, s, y = 1 / pl.col("tol") ** 2, angle.cos(), angle.sin(), pl.col("y")
    sums = {
        "w": w, "c": w * c, "s": w * s, "cc": w * c * c, "cs": w * c * s, "ss": w * s * s,
        "y": w * y, "cy": w * c * y, "sy": w * s * y,
    }  # fmt: skip
    normal = points.group_by("segment", "share").agg(
        *(value.sum().alias(f"n_{name}") for name, value in sums.items()), spacing=pl.col("t").diff().max()
    )
    g = {name: pl.col(f"n_{name}") for name in sums}
    columns = (("w", "c", "s"), ("c", "cc", "cs"), ("s", "cs", "ss"))
    right = ("y", "cy", "sy")
    whole = determinant([[g[name] for name in column] for column in columns])
    parts = [
        determinant([[g[name] for name in (right if k == at else column)] for k, column in enumerate(columns)]) / whole
        for at in range(3)
    ]
    solved = normal.with_columns(m=parts[0], p=parts[1], q=parts[2])
    phase = pl.arctan2(pl.col("q"), pl.col("p"))
    start = pl.min_horizontal(phase.abs(), math.pi - phase.abs())
    begins = start <= BEGIN + math.pi * pl.col("share") * pl.col("spacing")
    apart = (y - pl.col("m") - pl.col("p") * c - pl.col("q") * s).abs()
    return (
        points.join(solved.filter(begins).select("segment", "share", "m", "p", "q"), on=["segment", "share"])
        .group_by("segment", "share")
        .agg(far=(apart / pl.col("tol")).max(), off=apart.max() / y.max())
        .filter(pl.col("far").is_finite())
        .sort("segment", "far", "share")
        .unique("segment", keep="first", maintain_order=True)
    )


def determinant(columns: list[list[pl.Expr]]) -> pl.Expr:
    (a, d, g), (b, e, h), (c, f, i) = columns
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
