"""The last train loss of each log, and losses that are not a number."""

import polars as pl

from ..tables import trains


def values(metrics: pl.LazyFrame, speaking: pl.DataFrame) -> pl.LazyFrame:
    """The train losses of the format that speaks, or has the values, in order: log_id, line, value."""
    return (
        metrics.filter((pl.col("name") == "loss") & trains() & pl.col("log_id").is_in(speaking["log_id"].implode()))
        .join(speaking.lazy().select("log_id", format="values_of"), on=["log_id", "format"], how="semi")
        .select("log_id", "line", "redraw", "piece", "value")
        .sort("log_id", "line", "redraw", "piece")
        .drop("redraw", "piece")
    )


def of_logs(metrics: pl.LazyFrame, speaking: pl.DataFrame) -> pl.LazyFrame:
    """Per log: final_loss, its line, nan_losses, nan_loss_line; from rows of the format that has the values."""
    bad = ~pl.col("value").is_finite()
    order = ["line", "redraw", "piece"]
    return (
        metrics.filter((pl.col("name") == "loss") & trains())
        .select("log_id", "format", *order, "value")
        .join(speaking.lazy().select("log_id", format="values_of"), on=["log_id", "format"], how="semi")
        .group_by("log_id")
        .agg(
            pl.col("value").sort_by(order).last().alias("final_loss"),
            pl.col("line").max().alias("final_loss_line"),
            bad.sum().cast(pl.Int64).alias("nan_losses"),
            pl.col("line").filter(bad).min().alias("nan_loss_line"),
        )
    )


def into_attempts(attempts: pl.DataFrame, losses: pl.DataFrame) -> pl.DataFrame:
    """`attempts` with the log's final loss at the attempt that printed it; NaN losses at the one that began them."""
    joined = attempts.join(losses, on="log_id", how="left")
    printed = pl.col("final_loss_line").is_between("first_line", "last_line")
    began = pl.col("nan_loss_line").is_between("first_line", "last_line")
    return joined.with_columns(
        final_loss=pl.when(printed).then("final_loss"),
        nan_losses=pl.when(began).then("nan_losses").when(pl.col("nan_losses").is_not_null()).then(0),
        nan_loss_line=pl.when(began).then("nan_loss_line"),
    ).drop("final_loss_line")
