"""Texts that quote records and are no logs of a training: source code, documents, notes.

A line in a test or a README is read like any other, and stays in the parsed tables as the record that it looks like. It
makes a run only where records are a good part of what stands in the file; and where a few stand in a long text of
another kind, the run has no state that anybody could know.
"""

import polars as pl

from ..tables import SOURCE_ENDING

LEAST_SHARE = 0.5  # of a source file's or document's lines, those aside that are known as no records
FEW_RECORDS, RARE = 3, 20  # so few records among so many times their lines of other text are a quotation


def without(logs: pl.DataFrame) -> pl.DataFrame:
    """`logs` without source files and documents that only quote records."""
    parsed, others = pl.col("lines_parsed"), pl.col("lines_unknown")
    is_source = pl.col("path").str.contains(SOURCE_ENDING)
    return logs.filter(~(is_source & (parsed < LEAST_SHARE * (parsed + others))).fill_null(False))


def quotes() -> pl.Expr:
    """Whether a log (a row of `logs`) is likelier a text that quotes one."""
    rare = pl.col("lines_unknown") >= RARE * pl.col("lines_parsed")
    return (pl.col("records").is_between(1, FEW_RECORDS) & rare).fill_null(False)
