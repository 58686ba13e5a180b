"""What one page is made of: a run's rows of the tables, in the order in which a page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from . import words
from .overview import Row


@dataclass(frozen=True, eq=False)
class RunTables:
    """What one page is made of: the run's row of `runs`, and its rows of the other tables with all their columns.

    `findings` and `epochs` are in order (below). `facts` holds only the facts that a page cites; `heads`
    (log_id, line, iters_per_epoch, iters_planned) is the first training record of each log that printed these totals.
    """

    run: Row
    findings: Sequence[Row] = ()
    epochs: Sequence[Row] = ()
    logs: Sequence[Row] = ()
    facts: Sequence[Row] = ()
    sources: Sequence[Row] = ()
    heads: Sequence[Row] = ()
    scaling: Sequence[Row] = ()
    claims: Sequence[Row] = ()
    explanations: Sequence[Row] = ()
    alternatives: Sequence[Row] = ()
    stages: Sequence[Row] = ()


def findings_in_order(findings: pl.DataFrame) -> pl.DataFrame:
    """The worst first; within a severity as the log has them."""
    rank = pl.col("severity").replace_strict(list(words.SEVERITY_MARKS), [0, 1, 2], default=3, return_dtype=pl.Int64)
    return findings.sort("run_id", rank, "line", nulls_last=True)


def epochs_in_order(epochs: pl.DataFrame) -> pl.DataFrame:
    """Epochs as they were run, with `updates_before` and `updates_upto`, the run's updates before and after each.

    These are null where they are not certain: an epoch with unknown updates, or more than one attempt, which may have
    done an epoch twice.
    """
    updates = pl.col("updates")
    certain = (updates.null_count() == 0).and_(pl.col("attempt").n_unique() == 1).over("run_id")
    upto = pl.when(certain).then(updates.cum_sum().over("run_id"))
    return epochs.sort("run_id", "cycle", "attempt", "epoch", "first_iter", nulls_last=True).with_columns(
        upto.alias("updates_upto"), (upto - updates).alias("updates_before")
    )
