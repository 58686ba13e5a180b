"""Stages whose rates step with the optimizer, and stages of counters that count updates."""

import polars as pl

from .update_counters import COUNTS_UPDATES

TRAINER = pl.col("format").eq("huggingface").fill_null(value=False)
"""Its scheduler steps with the updates, and its lines count nothing else (transformers 4.20 to 5.23)."""


def by_update(stages: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """`stages.found` (`run` is the run_id), with what steps by update: where the counter counts updates, and where the
    rate changes every A iterations, A > 1."""
    known = stages.join(
        runs.select("run_id", "grad_accum", "counter", "format"),
        left_on="run",
        right_on="run_id",
        how="left",
        maintain_order="left",
    )
    a, within = pl.col("grad_accum"), pl.col("unit") == "iteration"
    counted = within & (COUNTS_UPDATES | TRAINER)
    steps = (within & ~counted & (pl.col("period") == a) & (a > 1)).fill_null(value=False)
    return known.with_columns(
        steps_per=pl.when(steps | counted).then(pl.lit("update")).otherwise("steps_per"),
        evidence=pl.when(steps)
        .then(pl.format("the rate changes every {} iterations, and these are one update", "period"))
        .when(counted & COUNTS_UPDATES)
        .then(pl.lit("the rate changes from record to record, and the counter counts updates"))
        .when(counted)
        .then(pl.lit("rows of one epoch show different rates, and this trainer's scheduler steps with the updates"))
        .otherwise("evidence"),
        factor=pl.when(steps & (pl.col("shape") == "exponential")).then(pl.col("factor") ** a).otherwise("factor"),
    ).drop("grad_accum", "counter", "format")


def counted(stages: pl.DataFrame) -> pl.DataFrame:
    """Stages (with counter and grad_accum of their run) with first_update and last_update where the counter counts
    updates; their iterations are known where each update is one."""
    ends = ("first", "last")
    unknown = COUNTS_UPDATES & pl.col("grad_accum").ne_missing(1)
    return stages.with_columns(
        *(pl.when(COUNTS_UPDATES).then(f"{end}_iter").alias(f"{end}_update") for end in ends),
        *(pl.when(~unknown).then(f"{end}_iter").alias(f"{end}_iter") for end in ends),
    ).drop("counter", "grad_accum")
