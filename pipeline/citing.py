"""The text of lines that are cited, kept before the logs are gone: a table stays readable where its log was purged."""

from functools import partial

import polars as pl

from . import match
from .parquet import is_constant
from .tables import PROGRESS

SOURCE_CHARACTERS = 300
"""Kept of a cited line; four times as much goes to where secrets are masked before it is cut."""

ADDRESS = pl.col("log").cast(pl.Int64) * (1 << 40) + pl.col("line")
"""A line's log and number as one number, in the order of the lines: joins on two columns take several times as long."""

TOTALS = ("iters_per_epoch", "iters_planned")
COLUMNS = ("phase", "bar", "epoch", "iter", "global_iter", *TOTALS)
COUNTED_BY_A_BAR = ("huggingface",)
"""Formats whose lines print no step: the bar beside them counts, and is cited where it falls back."""


def sources(settled: match.Settled, claims: match.Claims, ids: pl.Series, state: match.State) -> pl.DataFrame:
    """The text of the lines that facts, events and issues cite, and of the records that findings and headlines cite."""
    cited = [
        frame.select("log", "line") for name in ("facts", "events") if (frame := settled.tables.get(name)) is not None
    ]
    cited.append(settled.issues.select("log", "line"))
    if (progress := settled.tables.get("progress")) is not None:
        cited += citable(progress, settled.tables.get("events"))
    wanted = pl.concat(cited).drop_nulls().unique().with_columns(pl.col("line") - state.line)
    near = claims.lines.frame.filter(ADDRESS.is_in(wanted.select(ADDRESS).to_series().implode()))
    text = near.group_by("log", "line", maintain_order=True).agg(pl.last("redraw"), pl.last("text"))
    return text.select(
        log_id=ids.gather(text["log"]),
        line=pl.col("line") + state.line,
        redraw="redraw",
        text=pl.col("text").str.head(4 * SOURCE_CHARACTERS),
    )


def citable(progress: pl.DataFrame, events: pl.DataFrame | None) -> list[pl.DataFrame]:
    """Lines (log, line) of the records that the analysis may cite: the first and the last of each phase that printed
    these totals, those on either side of a counter that falls back, and the last before a process starts."""
    rows = progress.select("log", "line", "format", *map(partial(_column, progress), COLUMNS))
    alike = [n for n in ("log", "format", "phase", *TOTALS) if rows[n].count() and not is_constant(rows[n])]
    # rows come in line order, so that only the borders of their stretches need grouping: a fifth of the time
    begins = pl.any_horizontal(
        pl.int_range(pl.len()) == 0, *(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in alike)
    )
    border = rows.select(begins=begins).to_series()
    spans = rows.filter(border | border.shift(-1, fill_value=True))
    spans = spans.group_by("log", "format", "phase", *TOTALS).agg(first=pl.min("line"), last=pl.max("line"))
    trained = (
        rows.lazy()
        .filter(pl.col("phase").is_null() | (pl.col("phase") == "train"), pl.col("bar").is_null())
        .select("log", "line", done=pl.coalesce("global_iter", pl.col("epoch").cast(pl.Int64)))
        .drop_nulls("done")
        .collect()
    )
    trained = trained if _in_line_order(trained) else trained.sort("log", "line")
    trained = trained.with_columns(fell=(pl.col("done").diff() < 0) & (pl.col("log").diff() == 0))
    cited = [spans.select("log", line="first"), spans.select("log", line="last")]
    cited.append(trained.filter(pl.col("fell") | pl.col("fell").shift(-1)).select("log", "line"))
    if not rows["format"].unique().cast(pl.String).is_in(COUNTED_BY_A_BAR).any():
        return cited + _before_starts(trained, events)
    spoken = rows.with_columns(pl.col("format").cast(pl.String))
    beside = spoken.filter(pl.col("format").is_in(COUNTED_BY_A_BAR))["log"].unique()
    bars = spoken.filter(pl.col("log").is_in(beside.implode()), pl.col("format") == "tqdm").sort("log", "line")
    back = (pl.col("iter").diff() < 0) & (pl.col("log").diff() == 0)
    cited.append(bars.filter(back | back.shift(-1)).select("log", "line"))
    return cited + _before_starts(trained, events)


def _before_starts(trained: pl.DataFrame, events: pl.DataFrame | None) -> list[pl.DataFrame]:
    if events is None:
        return []
    starts = events.filter(pl.col("kind") == "start").select("log", "line").sort("log", "line")
    behind = trained.select(ADDRESS).to_series().search_sorted(starts.select(ADDRESS).to_series(), side="right")
    starts = starts.with_columns(before=behind.cast(pl.Int64) - 1).filter(pl.col("before") >= 0)
    last = trained.select("log", "line")[starts["before"]]
    return [last.filter(last["log"] == starts["log"])]


def _column(progress: pl.DataFrame, name: str) -> pl.Expr:
    """A column of `progress`, which a format that knows no such thing leaves out."""
    return pl.col(name) if name in progress.columns else pl.lit(None, PROGRESS.schema[name]).alias(name)


def _in_line_order(rows: pl.DataFrame) -> bool:
    later = pl.col("line") >= pl.col("line").shift(1)
    next_log = pl.col("log") > pl.col("log").shift(1)
    return bool(rows.select((next_log | ((pl.col("log") == pl.col("log").shift(1)) & later)).all()).item())
