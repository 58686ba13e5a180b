"""How a log format is described: four shapes of text and one pure function.

A format is a module in this folder, or behind the entry point `trainqc.parsers` of another distribution, with

    PARSER = Parser("name", shapes=(Record(...), Region(...), ...), to_tables=to_tables)

The shapes say which lines the format knows and which columns stand in them; the engine (`trainqc.pipeline.match`)
finds them in frames of many logs at once. `to_tables(matched)` puts the typed columns under the names of TABLES.md. It
sees columns, never lines; it does not raise for anything that a log holds.

Patterns must be understood by Rust's regex engine (linear time: no look-around, no back-references) and by Python's
`regex` in the same way. A pattern may be slow and general: the engine learns from the first line of each *layout* (the
words between the fields, the order of names) a pattern that cannot backtrack, and reads all lines of that layout by it.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

KEY = {
    "log": pl.UInt32(),  # the log's number within the batch
    "line": pl.Int64(),  # physical line, 1-based
    "redraw": pl.Int32(),  # among the non-empty redraws of the line
    "piece": pl.Int32(),  # 0, or 1 … for text that stood glued behind a record
    "seq": pl.Int64(),  # ordinal of the redraw in the batch: records of one log are joined on it
}
"""Columns that every frame of matched rows begins with. A row that `to_tables` returns keeps them."""


# ── fields: how the text of a group becomes a value, and what class of text a learned layout accepts for it ─────────


@dataclass(frozen=True)
class Field:
    """`read` turns texts into values, null for what is no such value.

    `layout` is the class that learned layouts use for the group; None: the text itself with its digits generalised (for
    words that recur, such as a bar's description).
    """

    dtype: pl.DataType
    read: Callable[[pl.Series], pl.Series]
    layout: str | None
    unknown: str = ""  # a text that says "not known": null, and no bad value


def _integer(text: pl.Series) -> pl.Series:
    return text.cast(pl.Int64, strict=False)


def _number(text: pl.Series) -> pl.Series:
    return text.cast(pl.Float64, strict=False)


SI = "kKMGTPEZY"


def _si_number(text: pl.Series) -> pl.Series:
    """Numbers that may end in an SI letter, `2.86M` → 2.86e6 (tqdm with unit_scale=True, any version)."""
    plain = text.cast(pl.Float64, strict=False)
    if plain.null_count() == text.null_count():
        return plain
    powers = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6, "Z": 7, "Y": 8}
    parts = text.str.extract_groups(r"^([0-9.]+)([kKMGTPEZY]?)$").struct.unnest()
    power = parts["2"].replace_strict(powers, default=None, return_dtype=pl.Float64)
    return plain.zip_with(plain.is_not_null(), parts["1"].cast(pl.Float64, strict=False) * 1000.0**power)


def _duration(text: pl.Series) -> pl.Series:
    """`[N day(s), ][H:]MM:SS` → seconds (tqdm's clock, Python's timedelta). A leading `-` makes it negative; days alone
    where there are any, as Python prints minus five seconds: `-1 day, 23:59:55`."""
    if (text.str.len_bytes() > len("hh:mm:ss")).any() or text.str.starts_with("-").any():
        parts = text.str.extract_groups(r"^(-)?(?:([0-9]+) days?, )?([0-9:]+)$").struct.unnest()
        sign = parts["1"].is_null().cast(pl.Int8) * 2 - 1
        days, clock = parts["2"].cast(pl.Float64, strict=False), _clock(parts["3"])
        return (sign * clock).zip_with(days.is_null(), sign * days * 86400 + clock)
    return _clock(text)


CLOCK_FORMAT = "%H:%M:%S"


def _clock(text: pl.Series) -> pl.Series:
    """`[H:]MM:SS`, as the time of a day where it may be one: that takes half the time of `_clock_by_position`."""
    length = text.str.len_bytes()
    if not length.is_between(len("h:mm:ss"), len("hh:mm:ss")).all():
        return _clock_by_position(text)
    moments = _moments(text.str.pad_start(len("hh:mm:ss"), "0"), CLOCK_FORMAT).to_physical()
    seconds = (moments - MIDNIGHT_US).cast(pl.Float64) / 1e6
    return _filled(seconds, text, _clock_by_position)  # bars go on behind 23:59:59


def _clock_by_position(text: pl.Series) -> pl.Series:
    """`[H:]MM:SS` by position, which is ten times as fast as by pattern."""
    length = text.str.len_bytes()
    shortest, longest = (length.min() or 0), (length.max() or 0)
    seconds = text.str.tail(2).cast(pl.UInt32, strict=False)
    if shortest == longest == 5:
        return (text.str.head(2).cast(pl.UInt32, strict=False) * 60 + seconds).cast(pl.Float64)
    minutes = text.str.slice(-5, 2)
    minutes = (minutes if shortest == 5 else minutes.str.strip_suffix(":")).cast(pl.UInt32, strict=False)
    if longest == 5:
        return (minutes * 60 + seconds).cast(pl.Float64)
    hours = text.str.head(-6).cast(pl.UInt32, strict=False).fill_null(0)
    return (hours * 3600 + minutes * 60 + seconds).cast(pl.Float64)


def _moments(text: pl.Series, form: str) -> pl.Series:
    return text.str.to_datetime(form, strict=False, time_unit="us", cache=False)


def _filled(read: pl.Series, text: pl.Series, again: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """`read`, and what is missing in it read again."""
    odd = read.is_null() & text.is_not_null()
    return read.scatter(odd.arg_true(), again(text.filter(odd))) if odd.any() else read


MIDNIGHT_US = int(_moments(pl.Series(["00:00:00"]), CLOCK_FORMAT).to_physical()[0])
"""The day that polars gives to a time without one."""

PARTIAL_YEAR = 1904
"""The year of a stamp that was printed without one (a leap year: 29 February is a date). `clock` completes it."""

STAMP_FORMAT = "%Y/%m/%d %H:%M:%S"


def _stamp(text: pl.Series) -> pl.Series:
    """Local time stamps of the producers (FORMATS.md §0.2); without a year they are given PARTIAL_YEAR."""
    short = text.str.len_bytes() == len(SHORT_STAMP)
    if short.all():
        return _without_year(text)
    head = text.str.replace_many(["-", "T", ","], ["/", " ", "."])
    full = head.zip_with(~short.fill_null(False), f"{PARTIAL_YEAR}/" + head)
    whole = _moments(full.str.slice(0, 19), STAMP_FORMAT)
    fraction = full.str.extract(r"^.{19}\.([0-9]{3,6})").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    return (whole.cast(pl.Int64) + fraction).cast(pl.Datetime("us"))


SHORT_STAMP, SHORT_FORMAT = "mm/dd hh:mm:ss", STAMP_FORMAT.removeprefix("%Y/")


def _without_year(text: pl.Series) -> pl.Series:
    """SHORT_STAMPs. Put behind a year they take twice as long to read; so they are moved from the year that polars
    gives them, which has no 29 February: that day is read again."""
    stamps = _moments(text, SHORT_FORMAT)
    moved = (stamps + EARLY).zip_with(stamps < MARCH, stamps + LATE)
    return _filled(moved, text, lambda odd: _moments(f"{PARTIAL_YEAR}/" + odd, STAMP_FORMAT))


JANUARY, MARCH = _moments(pl.Series(["01/01 00:00:00", "03/01 00:00:00"]), SHORT_FORMAT)
EARLY, LATE = dt.datetime(PARTIAL_YEAR, 1, 1) - JANUARY, dt.datetime(PARTIAL_YEAR, 3, 1) - MARCH  # noqa: DTZ001


TEXT = Field(pl.String(), lambda text: text, None)
WORD = Field(pl.String(), lambda text: text, "[!-~]+")
INT = Field(pl.Int64(), _integer, "[0-9]+")
FLOAT = Field(pl.Float64(), _number, "[0-9A-Za-z.+-]+")
SI_NUMBER = Field(pl.Float64(), _si_number, "[0-9.e+kKMGTPEZY-]+")
DURATION = Field(pl.Float64(), _duration, None)
STAMP = Field(pl.Datetime("us"), _stamp, None)


def skipped(layout: str) -> Field:
    """Text that carries nothing, such as a bar's cells: its class for learned layouts, and no column."""
    return Field(pl.Null(), lambda text: pl.Series(text.name, [None] * 0), layout)


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Pairs:
    """How the group `pairs` of a record splits into names and values, so that any metric arrives without being named.

    `pattern` has the groups `name` and `value`; what stands between two pairs is not read. `known` names the fields
    that become columns of the record; all others are metrics where they are numbers and facts where they are not.
    """

    pattern: str
    known: Mapping[str, Field] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A line that says something.

    hints: literals of which a candidate has at least one (found for all formats in one pass).
    pattern: claims a candidate; its named groups are `fields`, the group `pairs` is split by `pairs`, the group `tail`
        is text glued behind the record: it goes round again as a new piece (three rounds at most).
    almost: a looser pattern; a candidate that fits it but not `pattern` is *drift* and is reported.
    carry: a column: the last row that has a value in it is remembered over the borders of chunks (`Matched.latest`).
    known: the line is recognised, but is no record by itself (a banner): it does not count as parsed.
    fallback: asked only for lines that no other record of any format claims; `known` ones last, and these share a line:
        a banner such as `Epoch 3/10` says something to several formats.
    examples: real lines; each is matched whole by this record and by no other.
    """

    name: str
    hints: tuple[str, ...]
    pattern: str
    examples: tuple[str, ...]
    fields: Mapping[str, Field] = field(default_factory=dict)
    pairs: Pairs | None = None
    almost: str | None = None
    carry: str | None = None
    known: bool = False
    fallback: bool = False

    @cached_property
    def columns(self) -> dict[str, pl.DataType]:
        """The columns of the record's rows, KEY first."""
        known = self.pairs.known if self.pairs else {}
        typed = {**self.fields, **known}
        return {**KEY, **{name: f.dtype for name, f in typed.items() if f.dtype != pl.Null()}}

    @cached_property
    def no_rows(self) -> pl.DataFrame:
        """`Matched.rows` where nothing was claimed; so for the other shapes."""
        return pl.DataFrame(schema={**KEY, "row": pl.Int32(), **self.columns})


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows whose columns come from the last header line of the log (CSV, `nvidia-smi dmon`).

    header: pattern of a header line. separator: a literal, or " " for runs of blanks. columns: header cell → (name,
    field), cells compared after stripping; a header cell that is not named becomes a text column under its own name in
    `Matched.cells`. row: pattern that a row must fit beside having as many cells as its header.
    """

    name: str
    hints: tuple[str, ...]
    header: str
    separator: str
    columns: Mapping[str, tuple[str, Field]]
    row: str
    examples: tuple[tuple[str, ...], ...]

    @cached_property
    def no_rows(self) -> pl.DataFrame:
        return pl.DataFrame(schema={**KEY, "row": pl.Int32(), **{n: f.dtype for n, f in self.columns.values()}})


@dataclass(frozen=True, kw_only=True)
class Region:
    """A stretch of lines with one meaning (configuration dump, environment block, traceback).

    It begins with a line that fits `start` (a banner that a `known` record claims may begin one) and ends before a line
    that fits `stop`, before any claimed line, and before the start of another region. Its lines are `lines_known`;
    `Matched.region` gives them to `to_tables`.
    examples: stretches, each a tuple of lines of which the last no longer belongs to it.
    """

    name: str
    hints: tuple[str, ...]
    start: str
    stop: str | None
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole file that is one JSON value. `load` is called once a file with its text and gives rows with columns of
    `schema` (the engine adds KEY, with line 1), or None where the file is not of this kind."""

    name: str
    hints: tuple[str, ...]
    load: Callable[[str], pl.DataFrame | None]
    schema: Mapping[str, pl.DataType]
    examples: tuple[str, ...]

    @cached_property
    def no_rows(self) -> pl.DataFrame:
        return pl.DataFrame(schema={**KEY, "row": pl.Int32(), **self.schema})


Shape = Record | Table | Region | Document


@dataclass(frozen=True)
class Values:
    """Free pairs of a record that are numbers. `rows` are positions in `Matched.rows`; a layout's pairs share one name
    and stand in consecutive rows (`rows` is the first of them), pairs of odd lines come with a name and a row each."""

    name: str | pl.Series
    value: pl.Series
    rows: int | pl.Series


@dataclass(frozen=True)
class Matched:
    """What the engine found for one parser in one batch of logs; shapes that found nothing give empty frames."""

    record_rows: Mapping[str, pl.DataFrame]
    record_values: Mapping[str, Sequence[Values]]
    record_words: Mapping[str, pl.DataFrame]
    carried: Mapping[str, pl.DataFrame]
    regions: Mapping[str, pl.DataFrame]
    remembered: pl.DataFrame | None = None
    """What the parser's `remember` gave at the end of the log's earlier piece; None at the beginning of a log."""

    def rows(self, record: str) -> pl.DataFrame:
        """KEY, `row` (depth of a nested bar's cursor), and the typed columns of a Record, Table or Document."""
        return self.record_rows[record]

    def latest(self, record: str, rows: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
        """`rows` with columns of the last `record` row before each in the same log that has them: {column: new name}.
        Over the borders of chunks only the record's `carry` column is remembered."""
        before = pl.concat([self.carried[record], self.record_rows[record]], how="diagonal_relaxed")
        before = before.drop_nulls(list(columns))
        before = before.select("log", "seq", **{new: pl.col(old) for old, new in columns.items()}).sort("seq")
        return rows.sort("seq").join_asof(before, on="seq", by="log", strategy="backward", check_sortedness=False)

    def changes(self, record: str, column: str) -> pl.DataFrame:
        """The record's rows whose `column`, which it carries over borders, is not that of the row before in the log:
        what is said again and again, such as an experiment's name, is a fact once."""
        rows = pl.concat([self.carried[record], self.record_rows[record]], how="diagonal_relaxed").sort("seq", "piece")
        is_new = pl.col(column).ne_missing(pl.col(column).shift(1).over("log"))
        return rows.filter(is_new & pl.col(column).is_not_null() & (pl.col("seq") >= 0))

    def region(self, name: str) -> pl.DataFrame:
        """KEY, `region` (one number a stretch) and `text` of the region's lines, in order."""
        return self.regions[name]

    def metrics(
        self,
        record: str,
        rows: pl.DataFrame,
        rename: Mapping[str, str] | None = None,
        only: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """The record's free pairs as rows of `metrics`.

        rows: the record's rows, in the order of `Matched.rows`, with phase, epoch, iter and global_iter as `progress`
        has them. A leading `val_`, `eval_` or `test_` of a name becomes the phase; `rename` maps other printed names.
        `only` keeps these printed names, and costs nothing for the others.
        """
        context = rows.select(*METRIC_CONTEXT)
        wanted = [
            v for v in self.record_values[record] if only is None or not isinstance(v.name, str) or v.name in only
        ]
        parts = [_metric_rows(context, values, rename or {}) for values in wanted]
        if not parts:
            empty = {"name": pl.String(), "printed_name": pl.String(), "value": pl.Float64()}
            return context.clear().with_columns(pl.lit(None, dtype).alias(name) for name, dtype in empty.items())
        rows = pl.concat(parts, rechunk=False)
        return rows if only is None else rows.filter(pl.col("printed_name").is_in(list(only)))

    def word_facts(self, record: str) -> pl.DataFrame:
        """The record's pairs whose values are no numbers, as rows of `facts`: each value once a log."""
        return self.record_words[record].select(
            "log", "line", "name", "value", number=pl.lit(None, pl.Float64), source=pl.lit("log")
        )


def _metric_rows(context: pl.DataFrame, values: Values, rename: Mapping[str, str]) -> pl.DataFrame:
    at = context.slice(values.rows, len(values.value)) if isinstance(values.rows, int) else context[values.rows]
    value = values.value.rechunk()  # one chunk a name: the column of names is then written without a look at each row
    if isinstance(values.name, str):
        phase, name = canonical(values.name, rename)
        at = at.with_columns(name=pl.lit(name), printed_name=pl.lit(values.name), value=value)
        at = at if phase is None else at.with_columns(phase=pl.lit(phase))
    else:
        printed = pl.col("printed_name")
        prefix = printed.str.extract("^(" + "|".join(PHASE_PREFIXES) + ").")
        at = at.with_columns(printed_name=values.name, value=value).with_columns(
            phase=prefix.replace_strict(PHASE_PREFIXES, default=pl.col("phase"), return_dtype=pl.String),
            name=printed.replace_strict(
                dict(rename),
                default=printed.str.replace("^(?:" + "|".join(PHASE_PREFIXES) + ")(.)", "${1}"),
                return_dtype=pl.String,
            ),
        )
        at = at.select(*METRIC_CONTEXT, "name", "printed_name", "value")
    return at.filter(pl.col("value").is_not_null()) if value.null_count() else at


METRIC_CONTEXT = ("log", "line", "redraw", "piece", "phase", "epoch", "iter", "global_iter")
PHASE_PREFIXES = {"val_": "val", "eval_": "val", "test_": "test"}


def canonical(printed: str, rename: Mapping[str, str]) -> tuple[str | None, str]:
    """A printed metric's phase (None where its name does not say) and canonical name: `val_loss` → (val, loss)."""
    for prefix, phase in PHASE_PREFIXES.items():
        if printed.startswith(prefix) and len(printed) > len(prefix):
            return phase, rename.get(printed, printed.removeprefix(prefix))
    return None, rename.get(printed, printed)


Tables = dict[str, list[pl.DataFrame]]
"""What `to_tables` returns: table name → frames with some of its columns (and `log` for `log_id`); the engine adds
`format`, completes what is missing with nulls, and refuses a column that the table does not have."""


@dataclass(frozen=True)
class Parser:
    """One format. `to_tables` is pure.

    remember: what a later piece of a large log has to know beyond the rows that `carry` keeps, such as which loop a bar
    belongs to. It is called once a piece, one piece behind the other, and has to be cheap; regions and tables are empty
    in what it is given.
    claims: False for a parser whose events stand in logs of any format and make no log one of its own.
    """

    name: str
    shapes: tuple[Shape, ...]
    to_tables: Callable[[Matched], Tables]
    remember: Callable[[Matched], pl.DataFrame] | None = None
    claims: bool = True


# ── helpers for `to_tables` ──────────────────────────────────────────────────────────────────────────────────────────


_WORDS = dict.fromkeys(("name", "value", "source"), pl.String)
NO_FACTS = pl.DataFrame(schema={"log": pl.UInt32, "line": pl.Int64, **_WORDS, "number": pl.Float64})


def facts(rows: pl.DataFrame, name: str | pl.Expr, value: pl.Expr, source: str) -> pl.DataFrame:
    """Rows of `facts` from rows with `log` and `line`; rows without a value are left out."""
    if not rows.height:
        return NO_FACTS
    text = value.cast(pl.String)
    return (
        rows.select(
            "log",
            "line",
            name=pl.lit(name) if isinstance(name, str) else name,
            value=text.str.strip_chars(" '\""),
            source=pl.lit(source),
        )
        .with_columns(number=pl.col("value").cast(pl.Float64, strict=False))
        .filter(pl.col("value").is_not_null())
    )


NO_EVENTS = pl.DataFrame(schema={"log": pl.UInt32, "line": pl.Int64})


def event(rows: pl.DataFrame, kind: str | pl.Expr, message: pl.Expr, **counts: pl.Expr) -> pl.DataFrame:
    """Rows of `events` from rows with `log`, `line` and mostly `logged_at`. counts: `epoch`, `global_iter`; a number
    that is too large for its column is null."""
    if not rows.height:
        return NO_EVENTS
    types = {"epoch": pl.Int32(), "global_iter": pl.Int64()}
    return rows.select(
        "log",
        "line",
        *(["logged_at"] if "logged_at" in rows.columns else []),
        kind=pl.lit(kind) if isinstance(kind, str) else kind,
        message=message,
        **{name: count.cast(types[name], strict=False) for name, count in counts.items()},
    )


def per_word(words: pl.Series, compute: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """`compute` of words that recur (descriptions, units): done once for each distinct word."""
    if len(words) and not words.null_count() and words[0] == words[-1] and (words == words[0]).all():
        return words.head(1).to_frame("word").select(compute(pl.col("word"))).to_series().new_from_index(0, len(words))
    distinct = words.drop_nulls().unique()
    if len(distinct) > len(words) // 4:
        return words.to_frame("word").select(compute(pl.col("word"))).to_series()
    computed = distinct.to_frame("word").select(compute(pl.col("word"))).to_series()
    return words.replace_strict(distinct, computed, default=None, return_dtype=computed.dtype)
