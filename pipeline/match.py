"""Lines → typed tables: each line goes to the shape that claims it, columns are read, `to_tables` names them.

Two steps, so that the pieces of one large log can be worked on at the same time: `claim` is blind to what came before;
`settle` needs the `State` that the log's earlier piece left behind (line numbers, rows that later lines refer to, an
open region, the clock) and is cheap until the tables are built.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from ..parsers.contract import KEY, Matched, Record, Region, Values
from . import clock, stretches
from .capture import NO_WORDS, RAW_CHARACTERS, Claimed, capture, joined
from .detect import Formats, Named, frequent, named, sifted, with_hint
from .lines import ISSUE_SCHEMA, Lines

TAIL_ROUNDS = 3
UNKNOWN, KNOWN, PARSED = 0, 1, 2
SHARED_RANK = 2  # fallback records that are known lines: one banner may tell something to several formats

NO_REGION = pl.DataFrame(schema={**KEY, "region": pl.Int64(), "text": pl.String()})


@dataclass
class Claims:
    """All claims on a batch, before anything of earlier batches is known. `rest`: the lines that no record claimed;
    `banners`: those that a `known` record claimed."""

    lines: Lines
    records: dict[tuple[str, str], Claimed]
    rest: pl.DataFrame
    banners: pl.DataFrame
    starts: stretches.Starts
    issues: list[pl.DataFrame]
    timeline: clock.Timeline


@dataclass(frozen=True)
class State:
    """What a piece of a large log leaves for the next one. The default is the beginning of a log."""

    line: int = 0
    redraw: int = 0
    carried: Mapping[tuple[str, str], pl.DataFrame] = field(default_factory=dict)
    said: Mapping[tuple[str, str], pl.DataFrame] = field(default_factory=dict)  # names and values of words
    remembered: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    region: stretches.Open | None = None
    running: clock.Running | None = None


@dataclass
class Settled:
    """Tables by name, with `log` (number in the batch) for `log_id`; `ledger` has log, lines, lines_parsed,
    lines_known, lines_unknown; `formats` has log, format."""

    tables: dict[str, pl.DataFrame]
    issues: pl.DataFrame
    ledger: pl.DataFrame
    formats: pl.DataFrame


# ── claiming ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim(lines: Lines, formats: Formats) -> Claims:
    """Give each line, and each piece of text glued behind a record, to the record that claims it."""
    records: dict[tuple[str, str], Claimed] = {}
    rest = lines.frame
    issues: list[pl.DataFrame] = []
    todo = lines.frame
    for round_ in range(TAIL_ROUNDS + 1):
        found, odd = _round(todo, formats, lines.frame.height)
        issues += odd
        tails = [claimed.tails for claimed in found.values()]
        for key, claimed in found.items():
            records[key] = joined(records[key], claimed) if key in records else claimed
        if round_ == 0:
            rest = _unclaimed(lines.frame, [claimed.rows for claimed in found.values()])
        todo = pl.concat(tails) if tails else lines.frame.clear()
        if not todo.height:
            break
    known = {key for key in records if formats.records[key].known}
    taken = pl.concat([pl.Series(dtype=pl.Int64), *(records[key].rows["seq"] for key in known)]).unique().sort()
    banners = lines.frame[taken]
    timeline = clock.timeline({key: found.rows for key, found in records.items()}, known)
    return Claims(lines, records, rest, banners, stretches.starts(rest, banners, formats), issues, timeline)


def _round(
    todo: pl.DataFrame, formats: Formats, height: int
) -> tuple[dict[tuple[str, str], Claimed], list[pl.DataFrame]]:
    """What each record claims of these lines of a batch of `height` lines, and what was odd about them.

    The most frequent record is asked of all lines, the other frequent ones of those with any hint, and the rest only
    where their hints stand in what is left then.
    """
    claimed: dict[tuple[str, str], Claimed] = {}
    issues: list[pl.DataFrame] = []
    left = todo

    def ask(records: Sequence[Named], *, shared: bool = False) -> None:
        nonlocal left
        for parser, record in records:
            mine = with_hint(left, record.hints)
            found = capture(record, mine) if mine.height else None
            if found is None:
                continue
            issues.extend(found.issues)
            if found.rows.height:
                left = left if shared else _without(left, found.rows["seq"], height)
                claimed[parser, record.name] = found

    common = frequent(formats.ranks[0], left)
    ask(common[:1])
    left, hints = sifted(left, formats.record_hints)
    ask(common[1:])
    for rank, records in enumerate(formats.ranks):
        ask([each for each in named(records, hints) if rank > 0 or each not in common], shared=rank == SHARED_RANK)
        if rank == 0:
            issues.extend(_drift(named(records, hints), left))
    return claimed, issues


def _without(rows: pl.DataFrame, seq: pl.Series, height: int) -> pl.DataFrame:
    """The rows whose `seq` is not among these; `seq` is a position in the batch's frame of `height` rows."""
    if len(seq) == rows.height:
        return rows.clear()
    taken = pl.repeat(False, height, eager=True).scatter(seq, True)
    return rows.filter(~taken.gather(rows["seq"]))


def _unclaimed(lines: pl.DataFrame, claimed: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return _without(lines, pl.concat([rows["seq"] for rows in claimed]), lines.height) if claimed else lines


def _drift(records: Sequence[Named], left: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Lines that almost fit a record and that no record claims."""
    for _, record in records:
        if record.almost is None or not left.height:
            continue
        near = with_hint(left, record.hints)
        near = near.filter(near["text"].str.contains(record.almost)) if near.height else near
        if near.height:
            first = near.group_by("log", maintain_order=True).agg(
                pl.first("line", "redraw"), raw=pl.first("text").str.head(RAW_CHARACTERS), count=pl.len().cast(pl.Int64)
            )
            yield first.select(
                *("log", "line", "redraw"), code=pl.lit("drift"), column=pl.lit(record.name), raw="raw", count="count"
            )


# ── settling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def advance(claims: Claims, formats: Formats, state: State, modified_at: dt.datetime | None) -> State:
    """What the next piece of the same log needs to know. Cheap: nothing of the tables is built."""
    frame = claims.lines.frame
    lines = int(claims.lines.physical["lines"].sum())
    open_line = claims.lines.open_line
    redraw = 0
    if open_line and frame.height:
        final = frame.row(frame.height - 1, named=True)
        redraw = final["redraw"] + 1 + (state.redraw if final["line"] == 1 else 0) if final["line"] == lines else 0
    carried = dict(state.carried)
    for key, found in claims.records.items():
        column = formats.records[key].carry
        last = found.rows.drop_nulls(column).sort("seq").tail(1) if column else found.rows.clear()
        if last.height:
            carried[key] = last.with_columns(pl.col("line") + state.line, seq=pl.lit(-1, pl.Int64))
    said = {key: found.words.select("name", "value") for key, found in claims.records.items() if found.words.height}
    return State(
        line=state.line + lines - (1 if open_line else 0),
        redraw=redraw,
        carried=carried,
        said={**state.said, **{key: pl.concat([words, *_said(state, key)]).unique() for key, words in said.items()}},
        remembered={**state.remembered, **_remembered(claims, formats, state)},
        region=stretches.open_at_end(
            claims.rest, claims.banners, claims.starts, frame, formats, state.region, state.line
        ),
        running=clock.advance(claims.timeline, state.running, modified_at),
    )


def _said(state: State, key: tuple[str, str]) -> list[pl.DataFrame]:
    return [state.said[key]] if key in state.said else []


def _remembered(claims: Claims, formats: Formats, state: State) -> dict[str, pl.DataFrame]:
    """What the parsers that have something to remember remember behind this piece."""
    names = {parser for parser, _ in claims.records}
    nothing = stretches.Found({}, {}, pl.Series(dtype=pl.Int64), pl.Series(dtype=pl.Int64), [])
    found: dict[str, pl.DataFrame] = {}
    for name, parser in formats.parsers.items():
        if parser.remember is None or name not in names:
            continue
        matched = _matched(name, _moved(claims, state), formats, nothing, state)
        if matched is not None:
            found[name] = parser.remember(matched)
    return found


def settle(claims: Claims, formats: Formats, state: State, anchors: pl.DataFrame) -> Settled:
    """Build the tables of a batch. `state` is the beginning for whole logs; `anchors` has log and modified_at."""
    moved = _moved(claims, state)
    stamped = clock.complete(moved.timeline, {k: c.rows for k, c in moved.records.items()}, anchors, state.running)
    moved.records = {key: replace(c, rows=stamped.rows[key]) for key, c in moved.records.items()}
    end = moved.lines.frame.height - 1 if moved.lines.more else None
    found = stretches.find(moved.rest, moved.banners, moved.starts, formats, state.region, end)
    tables: dict[str, list[pl.DataFrame]] = {"clocks": [stamped.clocks], "facts": [stamped.facts]}
    issues = [
        *moved.issues,
        moved.lines.issues.with_columns(column=pl.lit(None, pl.String), count=pl.lit(1, pl.Int64)),
        *found.issues,
    ]
    for name, parser in formats.parsers.items():
        matched = _matched(name, moved, formats, found, state)
        if matched is None:
            continue
        called = pl.lit(name, dtype=formats.names)
        for table, frames in parser.to_tables(matched).items():
            tables.setdefault(table, []).extend(f.with_columns(format=called) for f in frames if f.height)
    beside = [name for name, parser in formats.parsers.items() if not parser.claims]
    formats_seen = _formats_seen(tables).filter(~pl.col("format").is_in(beside))
    ready = {name: _table(name, frames) for name, frames in tables.items()}
    return Settled(
        {name: frame for name, frame in ready.items() if frame is not None},
        _counted(pl.concat([_issue_frame(i) for i in issues])),
        _ledger(moved, formats, found, state),
        formats_seen,
    )


def _table(name: str, frames: Sequence[pl.DataFrame]) -> pl.DataFrame | None:
    if not frames:
        return None
    keep_format = name in ("progress", "metrics")
    cut = [f if keep_format else f.drop("format", strict=False) for f in frames]
    if name == "progress" and len(cut) + sum("seq" in f.columns and not f["seq"].is_sorted() for f in cut) > 1:
        cut = [
            pl.concat(cut, how="diagonal_relaxed", rechunk=False).sort(
                pl.col("seq") * (TAIL_ROUNDS + 1) + pl.col("piece")
            )
        ]
    cut = [f.drop("seq", strict=False) for f in cut]
    return cut[0] if len(cut) == 1 else pl.concat(cut, how="diagonal_relaxed", rechunk=False)


def _issue_frame(issues: pl.DataFrame) -> pl.DataFrame:
    schema = {**ISSUE_SCHEMA, "column": pl.String(), "count": pl.Int64()}
    return issues.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def _counted(issues: pl.DataFrame) -> pl.DataFrame:
    """One row for each log, code and column: its first case, and how many there are."""
    first = issues.sort("log", "line", "redraw", maintain_order=True).group_by(
        "log", "code", "column", maintain_order=True
    )
    return first.agg(pl.first("line", "redraw", "raw"), pl.sum("count")).select(issues.columns)


def _formats_seen(tables: Mapping[str, Sequence[pl.DataFrame]]) -> pl.DataFrame:
    """Which formats a log has: those of its progress, events and telemetry (metrics stand beside progress)."""
    shown = [frame for name in ("progress", "events", "gpu") for frame in tables.get(name, [])]
    first = pl.col("log") != pl.col("log").shift(1, fill_value=2**32 - 1)
    rows = [frame.select("log", "format").filter(first).cast({"format": pl.String}) for frame in shown]
    empty = pl.DataFrame(schema={"log": pl.UInt32, "format": pl.String})
    return pl.concat([empty, *rows]).unique()


def _moved(claims: Claims, state: State) -> Claims:
    """The claims with the log's own line and redraw numbers, behind what came in earlier pieces."""
    if state.line == 0 and state.redraw == 0:
        return claims
    line = pl.col("line") + state.line
    redraw = pl.when(pl.col("line") == 1).then(pl.col("redraw") + state.redraw).otherwise("redraw").cast(pl.Int32)

    def move(frame: pl.DataFrame) -> pl.DataFrame:
        return (
            frame.with_columns(line=line, redraw=redraw) if "redraw" in frame.columns else frame.with_columns(line=line)
        )

    lines = claims.lines
    return Claims(
        replace(lines, frame=move(lines.frame), issues=move(lines.issues)),
        {key: Claimed(move(c.rows), c.values, move(c.words), c.issues, c.tails) for key, c in claims.records.items()},
        move(claims.rest),
        move(claims.banners),
        claims.starts,
        [move(i) for i in claims.issues],
        replace(claims.timeline, stamps=move(claims.timeline.stamps)),
    )


def _matched(name: str, claims: Claims, formats: Formats, found: stretches.Found, state: State) -> Matched | None:
    parser = formats.parsers[name]
    if not _has_rows(name, claims, found):
        return None
    rows: dict[str, pl.DataFrame] = {}
    values: dict[str, Sequence[Values]] = {}
    words: dict[str, pl.DataFrame] = {}
    carried: dict[str, pl.DataFrame] = {}
    regions: dict[str, pl.DataFrame] = {}
    for shape in parser.shapes:
        key = (name, shape.name)
        if isinstance(shape, Record):
            mine = claims.records.get(key)
            # polars 2.1 panics in `format` and `concat_str` where a column's first chunk is empty
            rows[shape.name] = mine.rows.rechunk() if mine else shape.no_rows
            values[shape.name] = mine.values if mine else []
            words[shape.name] = _first_said(mine.words, state, key) if mine else NO_WORDS
            carried[shape.name] = state.carried.get(key, shape.no_rows)
        elif not isinstance(shape, Region):
            rows[shape.name] = found.rows.get(key, shape.no_rows)
        else:
            regions[shape.name] = found.regions.get(key, NO_REGION)
    return Matched(rows, values, words, carried, regions, state.remembered.get(name))


def _first_said(words: pl.DataFrame, state: State, key: tuple[str, str]) -> pl.DataFrame:
    """Without the words that an earlier piece of the log has said."""
    for said in _said(state, key) if words.height else []:
        words = words.join(said, on=["name", "value"], how="anti", maintain_order="left")
    return words


def _has_rows(name: str, claims: Claims, found: stretches.Found) -> bool:
    of_shapes = (*found.rows.items(), *found.regions.items())
    return any(parser == name for parser, _ in claims.records) or any(
        parser == name and rows.height > 0 for (parser, _), rows in of_shapes
    )


def _ledger(claims: Claims, formats: Formats, found: stretches.Found, state: State) -> pl.DataFrame:
    """Per log: physical lines, and how many of them are parsed, known (banner, dump, blank) and unknown."""
    frame = claims.lines.frame
    status = pl.repeat(UNKNOWN, frame.height, dtype=pl.UInt8, eager=True)
    blank = claims.rest.filter(pl.col("text").str.strip_chars() == "")["seq"]
    for known in (found.known, blank):
        status = status.scatter(known, KNOWN) if len(known) else status
    for want_known, mark in ((True, KNOWN), (False, PARSED)):
        for key, c in claims.records.items():
            if c.rows.height and formats.records[key].known == want_known:
                if c.rows.height == frame.height:
                    status = pl.repeat(mark, frame.height, dtype=pl.UInt8, eager=True)
                else:
                    status = status.scatter(c.rows["seq"], mark)
    status = status.scatter(found.parsed, PARSED) if len(found.parsed) else status
    of_line = frame.select("log", "line", status=status)
    lines = claims.lines.physical
    if claims.lines.open_line and lines.height:  # the line goes on in the next piece, which counts it
        last = frame["line"].max() if frame.height else None
        of_line = of_line.filter(pl.col("line") != last) if last == state.line + lines["lines"][0] else of_line
        lines = lines.with_columns(pl.col("lines") - 1)
    if frame.height and (frame["redraw"] > 0).any():
        of_line = of_line.group_by("log", "line").agg(pl.max("status"))
    counted = of_line.group_by("log").agg(
        lines_parsed=(pl.col("status") == PARSED).sum().cast(pl.Int64),
        lines_unknown=(pl.col("status") == UNKNOWN).sum().cast(pl.Int64),
    )
    return (
        lines.join(counted, on="log", how="left")
        .with_columns(pl.col("lines_parsed", "lines_unknown").fill_null(0))
        .with_columns(lines_known=pl.col("lines") - pl.col("lines_parsed") - pl.col("lines_unknown"))
    )
