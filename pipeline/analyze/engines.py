"""Lines of an engine below the program that trains (DeepSpeed): they count iterations and updates, or updates alone.

DeepSpeed 0.3 to 0.19 prints two lines a step: one with the updates of the run, one with the iterations too. The first
is no second step: where a log counts iterations, its rows that count updates alone are left out here. Where it counts
nothing else (the pipeline engine; a timer that is switched off), updates are what its counter counts
(`update_counters`), and several rows of one update are the last of them with what the others say.
"""

import polars as pl

from ..tables import trains
from . import timeline

ENGINES = ("deepspeed",)
TOOK = "s_per_update"
PLACE = ["key", "redraw", "piece"]


def apart(summary: pl.DataFrame) -> pl.DataFrame:
    """`timeline.summarize` without engines whose program prints training records of its own: these speak."""
    engine = pl.col("format").is_in(ENGINES)
    program = (pl.col("train_rows") > 0) & ~engine & ~pl.col("format").is_in(timeline.BARS)
    return summary.filter(~(engine & program.any().over("log_id")))


def by_updates(progress: pl.LazyFrame) -> pl.DataFrame:
    """Formats of logs whose training records count updates and nothing else: log_id, format. Most batches have none,
    and are not read for it."""
    own = ["log_id", "format"]
    have = progress.filter(trains() & (pl.col("update") > 0)).select(own).unique().collect(engine="streaming")
    if not have.height:
        return have
    ours = progress.filter(trains() & pl.col("log_id").is_in(have["log_id"].implode()))
    counts = ours.filter(pl.any_horizontal(pl.col("iter", "global_iter").is_not_null()))
    return have.join(counts.select(own).unique().collect(engine="streaming"), on=own, how="anti")


def times(metrics: pl.LazyFrame, counting: pl.DataFrame) -> pl.DataFrame:
    """The seconds an update that these logs (`by_updates`) print: log_id, line, redraw, piece, took."""
    ours = pl.col("log_id").is_in(counting["log_id"].implode()) & (pl.col("name") == TOOK)
    printed = metrics.filter(ours) if counting.height else metrics.head(0)
    return printed.select("log_id", "line", "redraw", "piece", took="value").collect(engine="streaming")


def timed(rows: pl.DataFrame, took: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """`rows` (with key, redraw, piece) with the seconds of `times` in `s_per_iter`: of what is counted."""
    here = took.join(speaking.select("log_id", "log"), on="log_id")
    if not here.height:
        return rows
    placed = here.select("redraw", "piece", "took", key=timeline.key("log", "line"))
    joined = rows.join(placed, on=PLACE, how="left", maintain_order="left")
    return joined.with_columns(s_per_iter=pl.coalesce("s_per_iter", "took")).drop("took")


def counted(rows: pl.DataFrame, counting: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """`rows` in order, each step once: `done` counts updates in the logs of `counting` (`by_updates`)."""
    if rows["update"].null_count() == rows.height:
        return rows.drop("update")
    logs = speaking.join(counting, on=["log_id", "format"], how="semi")["log"]
    alone, update = pl.col("log").is_in(logs.implode()), pl.col("update")
    rows = rows.with_columns(
        done=pl.when(~alone).then("done").when(update > 0).then(update),
        tells=update.is_not_null().any().over("log") & pl.col("train"),
        step=pl.when(alone).then(pl.struct("log", "update").rle_id()),
    )
    said = [pl.col(name).drop_nulls().first().over("step") for name in ("logged_at", "lr", "s_per_iter")]
    again = alone & (pl.col("step") == pl.col("step").shift(-1)).fill_null(value=False)
    return (
        rows.with_columns(pl.when(alone).then(value).otherwise(value.meta.output_name()) for value in said)
        .filter(~pl.col("tells") | (pl.col("done").is_not_null() & ~again))
        .drop("update", "tells", "step")
    )
