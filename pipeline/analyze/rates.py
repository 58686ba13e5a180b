"""Learning rates that do not stand in `progress.lr`: printed as a metric, or announced where they change.

As a metric: `lr=3e-05` in a bar's postfix, `learning_rate`, Lightning's `lr-Adam` (LearningRateMonitor, 1.0 to 2.6).
Announced: Keras' `Epoch 00012: ReduceLROnPlateau reducing learning rate to 0.0001.` (Keras 1 to 3): the new rate holds
from the next epoch to the next announcement. The rate before the first one is not said.
"""

import polars as pl

from . import timeline

NAMES = ("lr", "learning_rate", "learning rate")
BY_OPTIMIZER = "lr-"
ON_PLATEAU = r"^learning rate ([0-9.e+-]+) on a plateau$"  # what the Keras parser calls ReduceLROnPlateau's line
PLACE = ["key", "redraw", "piece"]


def printed(metrics: pl.LazyFrame) -> pl.LazyFrame:
    """The rates among the metrics: log_id, line, redraw, piece, lr. Of several that differ none is told."""
    named = pl.col("name").is_in(NAMES)
    rates = metrics.filter(named | pl.col("name").str.starts_with(BY_OPTIMIZER))
    one = pl.col("value").n_unique() == 1
    return rates.group_by("log_id", "line", "redraw", "piece").agg(lr=pl.when(one).then(pl.col("value").first()))


def beside(rows: pl.DataFrame, printed: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """`rows` (with key, redraw, piece) with `lr`: as it stands there, else as it stands among the record's metrics."""
    here = printed.join(speaking.select("log_id", "log"), on="log_id")
    if not here.height:
        return rows if "lr" in rows.columns else rows.with_columns(lr=pl.lit(None, pl.Float64))
    placed = here.select("redraw", "piece", key=timeline.key("log", "line"), printed_lr="lr")
    joined = rows.join(placed, on=PLACE, how="left", maintain_order="left")
    own = ["lr"] if "lr" in rows.columns else []
    return joined.with_columns(lr=pl.coalesce(*own, "printed_lr")).drop("printed_lr")


def held(rows: pl.DataFrame, events: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the announced rate in `lr` where none is printed, and `since`: the iteration from which an announced
    rate holds (null for others). `rows` carry aid, key, epoch and done, in order.

    The announcement at an epoch's end stands before the last redraw of its bar: rows of that epoch keep the rate
    before. In an attempt that prints rates nothing is taken from announcements.
    """
    rate = pl.col("message").str.extract(ON_PLATEAU).cast(pl.Float64, strict=False)
    said = events.filter(pl.col("kind") == "lr_change").with_columns(rate=rate).drop_nulls("rate")
    if not said.height:
        return rows.with_columns(since=pl.lit(None, pl.Int64))
    announced = timeline.in_attempts(said, cuts).select(
        "key", "aid", "rate", ended="epoch", before=pl.col("rate").shift(1).over("aid")
    )
    found = rows.select("key", "aid", "epoch").join_asof(announced, on="key", by="aid", check_sortedness=False)
    told = found.select(rate=pl.when(pl.col("epoch") <= pl.col("ended")).then("before").otherwise("rate"))
    changed = pl.col("rate").ne_missing(pl.col("rate").shift(1).over("aid")) & pl.col("rate").is_not_null()
    silent = pl.col("lr").is_null().all().over("aid")
    return (
        rows.hstack(told)
        .with_columns(
            since=pl.when(silent & changed).then(pl.col("done").shift(1).over("aid") + 1),
            lr=pl.when(silent).then("rate").otherwise("lr"),
        )
        .drop("rate")
    )
