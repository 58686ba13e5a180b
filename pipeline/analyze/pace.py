"""Seconds per iteration: from clocks where they resolve it, else as printed, and what it costs in hours.

mmengine's `time` is the mean of the last ten iterations, not of those since the line before (LogProcessor's
`window_size`, mmengine 0.1.0 to 0.10.7); its stamps have a resolution of one second. The difference of two stamps is
the better clock, but only where it is long against that second.
"""

import polars as pl

from .stats import spread

RESOLVED_S = 20.0  # an interval this long keeps the second's rounding below 5 %


def values(rows: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Training rows with `value` (s per iteration) and `by_clock`, and the gaps to the row before.

    `rows` carry `aid`, `key` and are in order. `edges` (key) are the lines that interrupt training: checkpoints, resumes.
    A row counts if the row before it is a training row of the same attempt and epoch with no edge between; the first
    row of an attempt, and rows behind a validation or a checkpoint, hold warm-up or foreign time and are left out,
    unless the attempt has no others. Rows of other phases pass through with null values.
    """
    near = (
        pl.col("train")
        & pl.col("train").shift(1)
        & (pl.col("aid").diff() == 0)
        & (pl.col("epoch").eq_missing(pl.col("epoch").shift(1)))
        & (pl.col("done").diff() > 0)
    ).fill_null(False)
    marked = rows.with_columns(near=near, before=pl.col("key").shift(1))
    if edges.height:
        marked = marked.join_asof(edges.select("key", edge="key").sort("key"), on="key", check_sortedness=False)
    else:
        marked = marked.with_columns(edge=pl.lit(None, pl.Int64))
    same_attempt = pl.col("train") & pl.col("train").shift(1) & (pl.col("aid").diff() == 0)
    clean = pl.col("near") & ~(pl.col("edge") >= pl.col("before")).fill_null(False)
    gap_s = pl.col("logged_at").diff().dt.total_microseconds() / 1e6
    return (
        marked.with_columns(
            clean=clean,
            gap_iters=pl.when(same_attempt & (pl.col("done").diff() > 0)).then(pl.col("done").diff()),
            gap_s=pl.when(clean).then(gap_s),
        )
        .with_columns(
            by_clock=(pl.col("gap_s").median().over("aid") >= RESOLVED_S).fill_null(False),
            few=~(pl.col("clean") & pl.col("s_per_iter").is_not_null()).any().over("aid"),
        )
        .with_columns(
            value=pl.when("by_clock")
            .then(pl.col("gap_s") / pl.col("gap_iters"))
            .when((pl.col("clean") | pl.col("few")) & pl.col("train"))
            .then("s_per_iter")
        )
        .drop("before", "edge")
    )


def aggregates() -> list[pl.Expr]:
    """What an attempt or an epoch keeps of its training rows' `values`."""
    both = (
        pl.col("s_per_iter").is_not_null() & pl.col("data_s_per_iter").is_not_null() & (pl.col("clean") | pl.col("few"))
    )
    source = pl.when(pl.col("value").count() == 0).then(None).when(pl.col("by_clock").any()).then(pl.lit("timestamps"))
    return [
        *spread(pl.col("value"), "s_per_iter"),
        source.otherwise(pl.lit("log")).alias("s_per_iter_from"),
        pl.col("data_s_per_iter").filter(both).sum().alias("data_s"),
        pl.col("s_per_iter").filter(both).sum().alias("data_of_s"),
    ]


def pooled(attempts: pl.DataFrame) -> pl.DataFrame:
    """The pace of each run from its attempts' paces: run_id, s_per_iter and its kin, data_wait_fraction.

    Of one attempt it is that attempt's pace. Of several, the mean is exact; median and 95th percentile are the means of
    the attempts', weighted by their values, and the interval is that of the widest reach: an approximation that holds
    while the attempts ran at about one pace.
    """
    weight = pl.col("s_per_iter_n")
    known = attempts.filter(pl.col("s_per_iter").is_not_null())
    weighted = [
        ((pl.col(name) * weight).sum() / weight.sum()).alias(name)
        for name in ("s_per_iter", "s_per_iter_mean", "s_per_iter_p95")
    ]
    return known.group_by("run_id").agg(
        *weighted,
        pl.col("s_per_iter_lo").min(),
        pl.col("s_per_iter_hi").max(),
        weight.sum(),
        pl.when(pl.col("s_per_iter_from").n_unique() == 1)
        .then(pl.col("s_per_iter_from").first())
        .otherwise(pl.lit("log")),
        data_wait_fraction=pl.when(pl.col("data_of_s").sum() > 0).then(
            pl.col("data_s").sum() / pl.col("data_of_s").sum()
        ),
    )
