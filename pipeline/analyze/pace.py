"""Seconds per iteration: from clocks where they resolve it, else as printed.

mmengine's `time` is the mean of the last ten iterations, not of those since the line before (LogProcessor's
`window_size`, mmengine 0.1.0 to 0.10.7). Where a line comes every ten iterations or more often, it leaves nothing out
and is finer than stamps of one second. Where lines are rarer it is a sample, and the difference of two stamps is the
better clock, over stretches that are long against that second. Where nothing is printed the stamps are all there is.
"""

import polars as pl

from .stats import spread

WINDOW = 10  # iterations that mmengine's printed time is a mean of
STRETCH_S = 100.0  # a stretch this long keeps the stamps' rounding near 1 %
SHORT_STRETCH_S = 20.0  # near 5 %: of a short attempt that prints no time
FINE_STRETCH_S = 0.1  # near 1 % of stamps with milliseconds
FEWEST = 3  # stretches without which there is no median of them
SHARES = 5  # stretches that a short attempt is divided into, if they do not become too short


def values(rows: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Training rows with `value` (s per iteration) and `by_clock`, and the gaps to the row before.

    `rows` carry `aid`, `key` and are in order. `edges` (key) are lines that interrupt training: checkpoints, resumes.
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
    marked = rows.select("train", "aid", "epoch", "done", "key", "logged_at", "s_per_iter")
    marked = marked.with_columns(near=near, before=pl.col("key").shift(1))
    if edges.height:
        marked = marked.join_asof(edges.select("key", edge="key").sort("key"), on="key", check_sortedness=False)
    else:
        marked = marked.with_columns(edge=pl.lit(None, pl.Int64))
    same_attempt = pl.col("train") & pl.col("train").shift(1) & (pl.col("aid").diff() == 0)
    clean = pl.col("near") & ~(pl.col("edge") >= pl.col("before")).fill_null(False)
    gap_s = pl.col("logged_at").diff().dt.total_microseconds() / 1e6
    marked = marked.select(
        "train",
        "aid",
        "s_per_iter",
        "near",
        clean=clean,
        gap_iters=pl.when(same_attempt & (pl.col("done").diff() > 0)).then(pl.col("done").diff()),
        gap_s=pl.when(clean).then(gap_s),
        fine=pl.col("logged_at").dt.microsecond() != 0,
    )
    few = ~(pl.col("clean") & pl.col("s_per_iter").is_not_null()).any().over("aid")
    marked = marked.with_columns(few=few).with_row_index("row")
    clocked = stretches(marked)
    of_attempts = clocked.join(marked.select("row", "aid"), on="row").select("aid", by_clock=True).unique()
    marked = marked.join(clocked, on="row", how="left", maintain_order="left").join(
        of_attempts, on="aid", how="left", maintain_order="left"
    )
    printed = pl.when((pl.col("clean") | pl.col("few")) & pl.col("train")).then("s_per_iter")
    by_clock = pl.col("by_clock").fill_null(False)
    value = pl.when(by_clock).then("stretch").otherwise(printed)
    return rows.hstack(marked.select("near", "clean", "few", "gap_iters", "gap_s", by_clock=by_clock, value=value))


def stretches(marked: pl.DataFrame) -> pl.DataFrame:
    """Seconds per iteration from stamps, of attempts whose clock is the better one: row (its last), stretch.

    Gaps between clean neighbours are summed up to STRETCH_S; a longer gap is a stretch of its own. Of an attempt that
    prints no time of its own stretches may be shorter: each gap, where the stamps have fractions of a second.
    """
    gaps = marked.lazy().filter(pl.col("gap_s").is_not_null())
    gaps = gaps.select("row", "aid", "gap_s", "gap_iters", "fine", "s_per_iter")
    total_s, printed = pl.col("gap_s").sum(), pl.col("s_per_iter").count() > 0
    short_s = (total_s / SHARES).clip(SHORT_STRETCH_S, STRETCH_S)
    long_s = pl.when(printed).then(STRETCH_S).when(pl.col("fine").any()).then(FINE_STRETCH_S).otherwise(short_s)
    better = (
        gaps.group_by("aid")
        .agg(pl.col("gap_s", "gap_iters").median(), printed=printed, long_s=long_s)
        .filter(~pl.col("printed") | (pl.col("gap_s") >= STRETCH_S) | (pl.col("gap_iters") > WINDOW))
    )
    started = pl.col("gap_s").cum_sum().over("aid") - pl.col("gap_s")
    return (
        gaps.join(better.select("aid", "long_s"), on="aid", maintain_order="left")
        .with_columns(number=(started // pl.col("long_s")).cast(pl.Int64))
        .group_by("aid", "number")
        .agg(pl.col("gap_s").sum(), pl.col("gap_iters").sum(), pl.col("row").max(), pl.col("long_s").first())
        .filter(pl.col("gap_s") >= pl.col("long_s") * 0.9)
        .filter(pl.len().over("aid") >= FEWEST)
        .select("row", stretch=pl.col("gap_s") / pl.col("gap_iters"))
        .collect()
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
