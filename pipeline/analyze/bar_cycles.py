"""Cycles of bars: numbered epochs, or the turns of an outer bar, that begin again in one log.

`Epoch 1/10` … `Epoch 10/10` on bars, twenty times, is one model in twenty cycles, or twenty models: `cycles` judges it
by plan and losses as it does for other records, from one row a turn.
"""

import polars as pl

from . import cycles, timeline

OF_OUTER = pl.when(pl.col("outer_turns") > 1).then((pl.col("nth").cast(pl.Int64) - 1) % pl.col("outer_total") + 1)
"""The epoch of a turn inside an outer bar that begins again: its place in a turn of that one."""


def restarted(chosen: pl.DataFrame) -> pl.DataFrame:
    """The turns of logs whose numbered epochs fall, each on lines of its own, as rows that `cycles` asks for."""
    named = chosen.filter(pl.col("named_epoch").is_not_null() & ~pl.col("of_updates"))
    if not named.height:
        return named
    apart = (pl.col("first_line").diff().over("log").fill_null(1) > 0) & (
        pl.col("first_line") > pl.col("last_line").shift(1).over("log").fill_null(0)
    )
    fell = pl.col("named_epoch").diff().over("log") < 0
    whole = pl.len().over("log") == pl.col("nth").max().over("log")
    again = named.filter(whole & apart.all().over("log") & fell.any().over("log"))
    epoch = pl.col("named_epoch") + pl.col("zero_based").cast(pl.Int64)
    ordered = again.sort("log", "turn").with_columns(
        key=timeline.key("log", "last_line"),
        line="last_line",
        epoch=epoch.cast(pl.Int32),
        epochs_planned=pl.col("epochs_planned").cast(pl.Int32),
        iters_per_epoch="total",
        done=(epoch - 1) * pl.col("total") + pl.col("last_n"),
        train=pl.lit(value=True),
        fell=fell.fill_null(value=False),
    )
    return ordered.sort("key")


def borders(rows: pl.DataFrame) -> pl.DataFrame:
    """Where the epochs of `restarted` begin again, as `timeline.cuts` has them."""
    begin = rows.select("log", first_line=pl.lit(1, pl.Int64), begun_by=pl.lit("log")).unique("log")
    fell = rows.filter("fell").select("log", "first_line", begun_by=pl.lit("counter"))
    return timeline.with_key(pl.concat([begin, fell]))


def whole(chosen: pl.DataFrame) -> pl.DataFrame:
    """`chosen` (`bars.spoken_turns`) of logs whose epochs never begin again: cycle 1, base 0."""
    return chosen.with_columns(cycle=pl.lit(1, pl.Int32), base=pl.lit(0, pl.Int64), begun_by=pl.lit(None, pl.String))


def judged(
    chosen: pl.DataFrame, rows: pl.DataFrame, losses: pl.DataFrame, events: pl.DataFrame, speaking: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`whole` with the attempts, cycle, base and begun_by of those that do (`rows`, by `restarted`), and the table of
    cycles. `losses` and `events` come from `timeline.keyed`."""
    cuts = borders(rows)
    turns = cycles.turns(timeline.in_attempts(rows, cuts), cuts, losses, events)
    found = cycles.judge(turns)
    numbered, kept = cycles.numbered(found), cycles.merged(cuts, found)
    begins = numbered.select("key", "cycle", "base").sort("key")
    attempt = kept.select("aid", "attempt", why="begun_by")
    placed = (
        timeline.in_attempts(rows.select("log", "turn", "key", "epoch"), kept)
        .join_asof(begins, on="key", check_sortedness=False)
        .join(attempt, on="aid")
        .select("log", "turn", cycle_of="cycle", base_of="base", epoch_of="epoch", attempt_of="attempt", why="why")
    )
    joined = chosen.join(placed, on=["log", "turn"], how="left", maintain_order="left")
    told = joined.with_columns(
        attempt=pl.coalesce("attempt_of", "attempt"),
        cycle=pl.coalesce("cycle_of", "cycle"),
        base=pl.coalesce("base_of", "base"),
        epoch=pl.coalesce("epoch_of", "epoch"),
        begun_by="why",
    )
    before = pl.when(pl.col("why").is_not_null()).then(pl.col("before").first().over("log", "attempt")).otherwise(0)
    moved = told.with_columns(start=pl.col("start") - before, end=pl.col("end") - before)
    return moved.select(chosen.columns), cycles.table(numbered, kept, speaking)
