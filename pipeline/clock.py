"""Time stamps without a year → full ones, for all formats, in the order of the lines.

mmengine's console prints `11/25 05:13:00`, detectron2 too: no year, and a log may cross New Year. The year comes from a
stamp with a year in the same log (a header), else from the file's modification time beside the log's last stamp; each
fall from late to early in the calendar is one year more. Which of the two it was is a fact, `clock_year_from`.
"""

import calendar
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ..parsers.contract import PARTIAL_YEAR

NEW_YEAR = dt.timedelta(days=180)
"""A step back in the calendar by more than this is a New Year; a smaller one is a clock or a concatenated log."""

YEARS = (1970, 2199)
"""Dates that swing to and fro (logs put together) are New Years without end: beyond these a stamp says nothing."""

EARLY = pl.Series([dt.date(year, 1, 1) - dt.date(PARTIAL_YEAR, 1, 1) for year in range(YEARS[0], YEARS[1] + 1)])
LATE = pl.Series([dt.date(year, 3, 1) - dt.date(PARTIAL_YEAR, 3, 1) for year in range(YEARS[0], YEARS[1] + 1)])
"""How far each of YEARS lies from PARTIAL_YEAR, before March and from then on."""

LEAP_YEARS_APART = 9
"""So many years up to now hold a 29 February, whatever the year."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Timeline:
    """All stamps of a batch in order: log, seq, line, shape (number), record, stamp, and for batches with partial
    stamps `day` (the stamp in PARTIAL_YEAR), `full` (whether it was printed with a year) and `turn` (New Years so
    far in the batch)."""

    stamps: pl.DataFrame
    shapes: tuple[Key, ...]
    partial: bool


@dataclass(frozen=True)
class Running:
    """A large log's clock at the end of a piece: its last day, New Years so far, the year that turn 0 has, and whether
    it was told where years come from."""

    day: dt.datetime
    turn: int
    base: int | None
    told: bool = False


@dataclass(frozen=True)
class Stamped:
    """Rows of each shape with complete `logged_at`; rows for `clocks`; rows for `facts`."""

    rows: dict[Key, pl.DataFrame]
    clocks: pl.DataFrame
    facts: pl.DataFrame


def timeline(rows: Mapping[Key, pl.DataFrame], known: set[Key]) -> Timeline:
    """Order the stamps (`logged_at`) of all shapes; those of `known` shapes are no records."""
    shapes = tuple(key for key, frame in rows.items() if "logged_at" in frame.columns)
    parts = [
        rows[key]
        .select("log", "seq", "line", shape=pl.lit(i, pl.UInt16), record=pl.lit(key not in known), stamp="logged_at")
        .filter(pl.col("stamp").is_not_null())
        for i, key in enumerate(shapes)
    ]
    empty: dict[str, pl.DataType] = {"log": pl.UInt32(), "seq": pl.Int64(), "line": pl.Int64(), "shape": pl.UInt16()}
    empty |= {"record": pl.Boolean(), "stamp": pl.Datetime("us")}
    stamps = pl.concat([pl.DataFrame(schema=empty), *parts])
    if len(parts) > 1 or not stamps["seq"].is_sorted():
        stamps = stamps.sort("seq", maintain_order=True)
    full = stamps.select(full=~_has_no_year()).to_series()
    partial = not full.all()
    if partial:
        stamps = stamps.with_columns(_days(stamps["stamp"], full.arg_true()), full)
        back = (pl.col("day").diff() < -NEW_YEAR) & (pl.col("log") == pl.col("log").shift(1))
        stamps = stamps.with_columns(turn=back.fill_null(False).cast(pl.Int32).cum_sum())
    return Timeline(stamps, shapes, partial)


def _days(stamps: pl.Series, full: pl.Series) -> pl.Series:
    """`day` of stamps, of which those at the places `full` have a year (mostly a header's: `dt.replace` is slow)."""
    replaced = stamps.gather(full).dt.replace(year=PARTIAL_YEAR)
    return stamps.clone().scatter(full, replaced.zip_with(replaced.is_not_null(), stamps.gather(full))).alias("day")


def advance(line: Timeline, running: Running | None, modified_at: dt.datetime | None) -> Running | None:
    """The clock of a large log after this piece."""
    if line.stamps.height == 0:
        return running
    last = line.stamps.row(line.stamps.height - 1, named=True)
    if not line.partial:
        return Running(_in_partial_year(last["stamp"]), 0, last["stamp"].year, running is not None and running.told)
    offset = _offset(line, running)
    base = running.base if running else None
    if base is None:
        base = _first_base(line, offset)
    if base is None and modified_at is not None:
        base = _year_before(last["day"], modified_at) - (last["turn"] + offset)
    return Running(last["day"], last["turn"] + offset, base, told=True)


def complete(
    line: Timeline, rows: Mapping[Key, pl.DataFrame], anchors: pl.DataFrame, running: Running | None
) -> Stamped:
    """Give every row its full stamp. anchors: log, modified_at (datetime in UTC) of each log of the batch."""
    stamps, facts = line.stamps, _no_facts()
    if line.partial:
        stamps, facts = _with_years(line, anchors, running)
    done = {key: frame for key, frame in rows.items() if key not in line.shapes}
    for i, key in enumerate(line.shapes):
        done[key] = _put_back(rows[key], stamps.filter(pl.col("shape") == i) if len(line.shapes) > 1 else stamps)
    return Stamped(done, _borders(stamps), facts)


def _has_no_year() -> pl.Expr:
    """Whether `stamp` was printed without a year (`dt.year` takes ten times as long)."""
    return pl.col("stamp").is_between(dt.date(PARTIAL_YEAR, 1, 1), dt.date(PARTIAL_YEAR + 1, 1, 1), "left")


def _in_years(stamps: pl.Series, years: pl.Series) -> pl.Series:
    """Stamps of PARTIAL_YEAR moved to these years. A year outside YEARS is no year: null. In a year without 29 February
    a stamp of that day falls on 1 March."""
    at = years.cast(pl.Int64) - YEARS[0]
    at = at.set((at < 0) | (at >= len(EARLY)), None)
    early = stamps < dt.datetime(PARTIAL_YEAR, 3, 1)  # noqa: DTZ001 (local time, as it was printed)
    return stamps + EARLY.gather(at).zip_with(early, LATE.gather(at))


def _is_leap(year: pl.Expr) -> pl.Expr:
    return (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))


def _day_of(year: pl.Expr) -> pl.Expr:
    """The column `day` in another year; null where that has no such day."""
    day = pl.col("day")
    lost = (day.dt.month() == 2) & (day.dt.day() == 29) & ~_is_leap(year)
    moved = day.dt.replace(year=year, day=pl.when(lost).then(28).otherwise(day.dt.day()))
    return pl.when(~lost).then(moved)


def _put_back(rows: pl.DataFrame, stamps: pl.DataFrame) -> pl.DataFrame:
    if stamps.height == rows.height and (stamps["seq"] == rows["seq"]).all():
        return rows.with_columns(logged_at=stamps["stamp"])
    joined = rows.drop("logged_at").join(
        stamps.select("seq", logged_at="stamp").unique("seq", keep="first"), on="seq", how="left", maintain_order="left"
    )
    return joined.select(rows.columns)


def _with_years(line: Timeline, anchors: pl.DataFrame, running: Running | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    stamps = line.stamps.with_columns(turn=pl.col("turn") + _offset(line, running))
    full = stamps.filter("full")
    first = full.group_by("log").agg(base=(pl.col("stamp").dt.year() - pl.col("turn")).first(), line=pl.first("line"))
    last = (
        stamps.group_by("log")
        .agg(pl.last("day", "turn"), first_line=pl.first("line"))
        .join(anchors, on="log", how="left")
    )
    guess = pl.col("modified_at").dt.replace_time_zone(None)
    moment = guess + pl.duration(days=1)  # the host may lie east of UTC
    leap_days = (last["day"].dt.month() == 2) & (last["day"].dt.day() == 29)
    years = (guess.dt.year() - k for k in range(LEAP_YEARS_APART if leap_days.any() else 2))
    before = (pl.when(_day_of(year) <= moment).then(year) for year in years)
    by_file = (pl.coalesce(*before) - pl.col("turn")).alias("by_file")
    base = last.with_columns(by_file).join(first, on="log", how="left")
    if running is not None and running.base is not None:
        base = base.with_columns(base=pl.lit(running.base, pl.Int32))
    source = pl.when(pl.col("base").is_not_null()).then(pl.lit("a stamp with a year in the log"))
    base = base.with_columns(year_from=source.otherwise(pl.lit("the file's modification time")))
    base = base.with_columns(base=pl.coalesce("base", "by_file"))
    stamps = stamps.join(base.select("log", "base"), on="log", how="left", maintain_order="left")
    years = stamps.select(pl.col("turn") + pl.col("base")).to_series()
    completed = _in_years(stamps["stamp"], years)
    stamps = stamps.with_columns(stamp=completed.zip_with(~stamps["full"], stamps["stamp"]))
    without_year = stamps.filter(~pl.col("full"))["log"].unique()
    facts = base.filter(pl.col("log").is_in(without_year.implode())).select(
        "log",
        line=pl.coalesce("line", "first_line"),
        name=pl.lit("clock_year_from"),
        value="year_from",
        number=pl.lit(None, pl.Float64),
        source=pl.lit("log"),
    )
    return stamps, facts.clear() if running is not None and running.told else facts


def _borders(stamps: pl.DataFrame) -> pl.DataFrame:
    """First and last stamp of each log, and of each stretch without records."""
    new_log = pl.col("log") != pl.col("log").shift(1)
    changed = new_log | (pl.col("record") != pl.col("record").shift(1))
    edge = changed.fill_null(True) | changed.shift(-1).fill_null(True)
    of_log = new_log.fill_null(True) | new_log.shift(-1).fill_null(True)
    return (
        stamps.filter(of_log | (edge & ~pl.col("record")))
        .select("log", "line", logged_at="stamp")
        .unique(maintain_order=True)
    )


def _offset(line: Timeline, running: Running | None) -> int:
    if running is None:
        return 0
    return running.turn + int(line.stamps["day"][0] - running.day < -NEW_YEAR)


def _first_base(line: Timeline, offset: int) -> int | None:
    full = line.stamps.filter("full").head(1)
    return int(full["stamp"][0].year - full["turn"][0] - offset) if full.height else None


def _year_before(day: dt.datetime, moment: dt.datetime) -> int:
    end = moment.replace(tzinfo=None) + dt.timedelta(days=1)
    leap_day = (day.month, day.day) == (2, 29)
    return next(
        year
        for year in range(end.year, end.year - LEAP_YEARS_APART, -1)
        if (not leap_day or calendar.isleap(year)) and day.replace(year=year) <= end
    )


def _in_partial_year(stamp: dt.datetime) -> dt.datetime:
    return stamp.replace(year=PARTIAL_YEAR)


def _no_facts() -> pl.DataFrame:
    words = dict.fromkeys(("name", "value"), pl.String)
    return pl.DataFrame(schema={"log": pl.UInt32, "line": pl.Int64, **words, "number": pl.Float64, "source": pl.String})
