"""Memory that a log prints on a line of its own, as scripts do at the end of an epoch or of the training."""

import polars as pl

NAME = "memory_peak_mib"


def printed(facts: pl.LazyFrame, speaking: pl.DataFrame) -> pl.LazyFrame:
    """log_id, line, memory_printed_mib of such lines behind the log's first training record.

    Before it nothing was trained: what stands there is the size of the card, whatever it is called.
    """
    begun = speaking.lazy().select("log_id", "first_train_line")
    return (
        facts.filter((pl.col("name") == NAME) & (pl.col("number") > 0))
        .join(begun, on="log_id")
        .filter(pl.col("line") > pl.col("first_train_line"))
        .select("log_id", "line", memory_printed_mib="number")
    )


def into_attempts(attempts: pl.DataFrame, printed: pl.DataFrame) -> pl.DataFrame:
    """`attempts` whose memory_peak_mib is at least what such a line says in or behind them."""
    if printed.is_empty():
        return attempts
    spans = attempts.select("log_id", "first_line", "attempt").sort("log_id", "first_line")
    peaks = (
        printed.sort("log_id", "line")
        .join_asof(spans, left_on="line", right_on="first_line", by="log_id", check_sortedness=False)
        .group_by("log_id", "attempt")
        .agg(pl.col("memory_printed_mib").max())
    )
    joined = attempts.join(peaks, on=["log_id", "attempt"], how="left", maintain_order="left")
    both = pl.max_horizontal("memory_peak_mib", "memory_printed_mib")
    return joined.with_columns(memory_peak_mib=both).drop("memory_printed_mib")
