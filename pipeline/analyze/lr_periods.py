"""How many iterations a learning rate stays the same where every iteration is printed: those of one update.

A scheduler that steps with the optimizer (accelerate, the Hugging Face Trainer, most scripts of one's own) changes the
rate once in A iterations; mmengine's steps with each iteration. The window at an epoch's end may be shorter than A,
where it is flushed. Rounding makes periods too: only steps that are larger than it count.
"""

import polars as pl

from .plateaus import KEY

FEWEST = 3  # gaps of one length


def of_segments(levels: pl.DataFrame) -> pl.DataFrame:
    """`stages.segmented` → segment, period: iterations between two changes, null where they are not one number of two
    or more, or not every iteration is printed. The first and last plateau of a segment may be cut short."""
    follows = pl.col("segment") == pl.col("segment").shift(-1)
    behind = pl.col("segment") == pl.col("segment").shift(1)
    starts = pl.col("first_done").shift(-1)
    gap = starts - pl.col("first_done")
    inside = (pl.col("first_place") == pl.col("first_place").shift(-1)).fill_null(False)
    every = (pl.col("n") == pl.col("last_done") - pl.col("first_done") + 1) & (
        ~follows | (starts == pl.col("last_done") + 1)
    ).fill_null(True)
    clear = (follows & behind & ~pl.col("fine") & ~pl.col("fine").shift(1)).fill_null(False)
    marked = levels.with_columns(gap=gap, every=every, inner=clear & inside, border=clear & ~inside)
    inner, border = (pl.col("gap").filter(name) for name in ("inner", "border"))
    one = (inner.len() >= FEWEST) & (inner.min() == inner.max()) & (inner.max() > 1)
    return marked.group_by("segment", maintain_order=True).agg(
        period=pl.when(pl.col("every").all() & one & (border.max().fill_null(0) <= inner.max())).then(inner.max())
    )


def of_logs(levels: pl.DataFrame) -> pl.DataFrame:
    """The period of each run (`KEY`) in whose epochs it shows: run, line, period; none where segments differ.

    A staircase that falls by one factor looks the same and is left out: `StepLR` may step with each iteration.
    """
    ratio = pl.col("lr").shift(-1) / pl.col("lr")
    follows = pl.col("segment") == pl.col("segment").shift(-1)
    ratios = levels.with_columns(ratio=pl.when(follows).then(ratio), slack=4 * pl.col("tol") / pl.col("lr"))
    shaped = ratios.group_by("segment", maintain_order=True).agg(
        pl.col(KEY, "line").first(),
        named=pl.col("first_epoch").is_not_null().all(),
        stairs=pl.col("ratio").max() - pl.col("ratio").min() <= pl.col("slack").max(),
    )
    told = of_segments(levels).join(shaped, on="segment").filter(pl.col("named") & ~pl.col("stairs"))
    periods = told.drop_nulls("period").group_by(KEY, maintain_order=True)
    return periods.agg(pl.col("line", "period").first(), same=pl.col("period").n_unique() == 1).filter("same")
