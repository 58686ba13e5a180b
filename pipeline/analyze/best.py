"""The best state that a run names: from its own `best` lines, else from validation metrics whose direction is known."""

import polars as pl

# mmengine's CheckpointHook: "The best checkpoint with 0.8080 coco/bbox_mAP at 196 epoch is saved to …"
BEST = r"best checkpoint with (\S{1,40}) (\S{1,120}) at (\d{1,18}) (epoch|iter)"
# metrics whose better direction their name decides; a name that fits neither has none
HIGHER = (
    r"(?i)(^|[/_.])(m?acc|accuracy|aacc|macc|top-?[15]|map(_\d+)?|bbox_map(_\d+)?|miou|iou|ap|ar|auc|f1|psnr|ssim|m?dice"
    r"|pck|bleu|cider)([/_.]?top[15])?$"
)
LOWER = r"(?i)(^|[/_.])(loss|nme|rmse|mse|mae|epe|perplexity|ppl|wer|cer|fid)$"


def said(events: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """From `best` events: run_id, best_metric, best_value, best_epoch, best_iter, best_direction. One metric per run:
    that of the last line.

    The direction is what the lines themselves show: each names a better state than the one before. One shows none.
    """
    spans = attempts.select("log_id", "first_line", "run_id", "turn").sort("log_id", "first_line")
    named = (
        events.filter(pl.col("kind") == "best")
        .select("log_id", "line", parts=pl.col("message").str.extract_groups(BEST))
        .unnest("parts")
        .rename({"1": "value", "2": "metric", "3": "at", "4": "unit"})
        .with_columns(pl.col("value").cast(pl.Float64, strict=False), pl.col("at").cast(pl.Int64, strict=False))
        .filter(pl.col("value").is_not_null())
        .sort("log_id", "line")
        .join_asof(spans, left_on="line", right_on="first_line", by="log_id", check_sortedness=False)
        .filter(pl.col("run_id").is_not_null())
        .sort("run_id", "turn", "line")
    )
    chosen = named.filter(pl.col("metric") == pl.col("metric").last().over("run_id"))
    last, first = pl.col("value").last(), pl.col("value").first()
    return chosen.group_by("run_id", maintain_order=True).agg(
        best_metric=pl.col("metric").last(),
        best_value=last,
        best_epoch=pl.when(pl.col("unit").last() == "epoch").then(pl.col("at").last()),
        best_direction=pl.when(last > first).then(pl.lit("max")).when(last < first).then(pl.lit("min")),
    )


def measured(metrics: pl.LazyFrame) -> pl.LazyFrame:
    """Per log and validation metric with a known direction: its best value and the epoch of it."""
    known = metrics.filter(
        (pl.col("phase") == "val") & (pl.col("name").str.contains(HIGHER) | pl.col("name").str.contains(LOWER))
    )
    signed = (
        known.filter(pl.col("value").is_finite())
        .with_columns(
            best_direction=pl.when(pl.col("name").str.contains(LOWER)).then(pl.lit("min")).otherwise(pl.lit("max"))
        )
        .with_columns(score=pl.when(pl.col("best_direction") == "min").then(-pl.col("value")).otherwise("value"))
    )
    return (
        signed.sort("score", "line", descending=[True, False], nulls_last=True)
        .group_by("log_id", "name", maintain_order=True)
        .agg(
            best_value=pl.col("value").first(),
            best_epoch=pl.col("epoch").first(),
            best_direction=pl.col("best_direction").first(),
        )
        .sort("log_id", pl.col("name").str.contains(LOWER), "name")
        .unique("log_id", keep="first", maintain_order=True)
        .rename({"name": "best_metric"})
    )


def of_runs(said: pl.DataFrame, measured: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """One row per run that has a best: its own word first, else the best validation value over its logs."""
    columns = ["run_id", "best_metric", "best_value", "best_epoch", "best_direction"]
    logs = attempts.select("run_id", "log_id").unique()
    single = logs.filter(pl.len().over("log_id") == 1)  # values of a log that holds several runs are nobody's alone
    score = pl.when(pl.col("best_direction") == "min").then(-pl.col("best_value")).otherwise("best_value")
    counted = (
        measured.join(single, on="log_id")
        .join(said, on="run_id", how="anti")
        .with_columns(score=score)
        .sort(
            "run_id", pl.col("best_direction") == "min", "best_metric", "score", descending=[False, False, False, True]
        )
        .unique("run_id", keep="first", maintain_order=True)
    )
    return pl.concat([said.select(columns), counted.select(columns)], how="vertical_relaxed")
