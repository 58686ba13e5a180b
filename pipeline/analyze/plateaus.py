"""Plateaus: a run's printed learning rates in the order of the training, with their digits, cut where they change."""

import polars as pl

KEY = "run"


def points(
    rows: pl.DataFrame, cuts: pl.DataFrame, speaking: pl.DataFrame, attempts: pl.DataFrame, runs: pl.DataFrame
) -> pl.DataFrame:
    """The rates of a batch in the order of the training: run (run_id), key, line, done, cycle, epoch, lr, since.

    `rows` carry aid, cycle, base and since (`rates.held`); `attempts` (log_id, attempt, run_id, turn, start_iter) and
    `runs` (run_id, iters_per_epoch) as elsewhere. What a later attempt did again is left out. `epoch` is 1-based within
    the cycle.
    """
    later = pl.col("start_iter").reverse().cum_min().reverse().shift(-1).over("run_id")
    known = attempts.sort("run_id", "turn").with_columns(until=later)
    held = (
        cuts.select("aid", "log", "attempt")
        .join(speaking.select("log", "log_id"), on="log")
        .join(known.select("log_id", "attempt", "run_id", "turn", "until"), on=["log_id", "attempt"])
        .join(runs.select("run_id", per_epoch="iters_per_epoch"), on="run_id")
    )
    counted = (pl.col("done") - pl.col("base") - 1) // pl.col("per_epoch") + 1
    return (
        rows.lazy()
        .filter(pl.col("train") & (pl.col("lr") > 0) & pl.col("lr").is_finite())
        .select("aid", "key", "line", "done", "cycle", "base", "lr", "epoch", "since")
        .join(held.lazy(), on="aid", maintain_order="left")  # redraws of one line have one key
        .filter((pl.col("done") <= pl.col("until")).fill_null(True))
        .with_columns(epoch=pl.coalesce(pl.when(pl.col("per_epoch") > 0).then(counted), pl.col("epoch")))
        .sort("run_id", "turn", "key", maintain_order=True)
        .select("key", "line", "log_id", "done", "cycle", "epoch", "lr", "since", run="run_id")
        .collect()
    )


def digits(points: pl.DataFrame) -> pl.DataFrame:
    """`points` with `tol`, half a unit of the last digit that the run's rates are printed with.

    Decimals of the mantissa are counted over the run's values; round values tell little, so three are taken at least
    (mmcv prints `1.978e-03`, mmengine `1.0000e-04`), or two where most of many values need just these. Values above
    0.001 that all have four decimals or fewer were printed so (Keras' `%.4f`). Seven digits or more are a float as it
    is.
    """
    exponent = pl.col("lr").log10().floor()
    mantissa = pl.col("lr") / pl.lit(10.0).pow(exponent)
    need = pl.lit(9)
    for decimals in range(7, -1, -1):
        scaled = mantissa * 10.0**decimals
        need = pl.when((scaled - scaled.round()).abs() < 1e-6 * 10.0**decimals + 1e-9).then(decimals).otherwise(need)
    marked = points.with_columns(exponent=exponent.cast(pl.Int32), need=need.cast(pl.Int32))
    big = pl.col("lr") > 1.001e-3
    decimals = (pl.col("need") - pl.col("exponent")).filter(big).max()
    of_run = marked.group_by(KEY).agg(
        most=pl.max_horizontal(
            pl.col("need").max(),
            pl.when((pl.col("lr").n_unique() >= 20) & ((pl.col("need") == 2).mean() > 0.6)).then(2).otherwise(3),
        ),
        coarse=(decimals <= 4).fill_null(False),
    )
    scientific = 0.5 * pl.lit(10.0).pow(pl.col("exponent") - pl.col("most"))
    exact = pl.col("most") > 6
    fixed = pl.when(pl.col("coarse") & big).then(0.5e-4)
    return (
        marked.join(of_run, on=KEY, how="left", maintain_order="left")
        .with_columns(
            tol=pl.max_horizontal(
                pl.when(exact).then(None).otherwise(scientific),
                pl.when(exact).then(None).otherwise(fixed),
                pl.col("lr") * 1e-6,
            )
        )
        .drop("exponent", "need", "most", "coarse")
    )


def plateaus(points: pl.DataFrame) -> pl.DataFrame:
    """One row per stretch of equal rates of a run, in order: lr, tol, n, first and last line, iteration, cycle, epoch.

    `from_iter` is the iteration behind the row before it, for the rate may have changed anywhere between the two rows;
    or the one from which it is known to hold.
    """
    place = pl.struct("cycle", "epoch").rank("dense").over(KEY).cast(pl.Int64)
    before = pl.col("done").shift(1).over(KEY)
    changed = ((pl.col("lr") - pl.col("lr").shift(1)).abs() > 1e-9 * pl.col("lr")) | (
        pl.col(KEY) != pl.col(KEY).shift(1)
    )
    return (
        points.with_columns(
            place=place, from_iter=pl.coalesce("since", before.fill_null(0) + 1), at=pl.int_range(pl.len()).over(KEY)
        )
        .with_columns(level=changed.fill_null(True).cum_sum())
        .group_by(KEY, "level", maintain_order=True)
        .agg(
            pl.col("lr", "tol", "from_iter", "line", "log_id").first(),
            n=pl.len().cast(pl.Int64),
            first_done=pl.col("done").first(),
            last_done=pl.col("done").last(),
            first_at=pl.col("at").first(),
            last_at=pl.col("at").last(),
            first_place=pl.col("place").first(),
            last_place=pl.col("place").last(),
            first_cycle=pl.col("cycle").first(),
            last_cycle=pl.col("cycle").last(),
            first_epoch=pl.col("epoch").first(),
            last_epoch=pl.col("epoch").last(),
        )
        .with_columns(start=pl.coalesce("first_done", "first_place", "first_at"))
        .with_columns(
            next_start=pl.col("start").shift(-1).over(KEY), last=pl.coalesce("last_done", "last_place", "last_at")
        )
        .with_columns(span=(pl.coalesce("next_start", pl.col("last") + 1) - pl.col("start")).clip(1))
    )
