"""Lines → typed tables: each line goes to the shape that claims it, columns are read, `to_tables` names them.

Two steps, so that the pieces of one large log can be worked on at the same time: `claim` is blind to what came before;
`settle` needs the `State` that the log's earlier piece left behind (line numbers, rows that later lines refer to, an
open region, the clock) and is cheap until the tables are built.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from ..parsers.contract import KEY, Field, Matched, Record, Values
from . import clock, stretches
from .detect import Formats, by_frequency, candidates, hinted
from .layout import Group, Layout, learn
from .lines import ISSUE_SCHEMA, Lines

MAX_LAYOUTS = 24
"""Layouts that are learned of one record in one batch; lines of further ones are read with the general pattern."""

PROBE_ROWS = 64
TAIL_ROUNDS = 3
RAW_CHARACTERS = 480
"""Of odd text so much is kept; the table holds less, cut where secrets are masked (a cut one would not be known)."""

UNKNOWN, KNOWN, PARSED = 0, 1, 2


@dataclass
class Claimed:
    """What one record claimed: its rows, the free pairs, what could not be read, and the glued tails."""

    rows: pl.DataFrame
    values: list[Values]
    words: pl.DataFrame
    issues: list[pl.DataFrame]
    tails: pl.DataFrame


@dataclass
class Claims:
    """All claims on a batch, before anything of earlier batches is known. `rest`: the lines that no record claimed;
    `banners`: those that a `known` record claimed."""

    lines: Lines
    records: dict[tuple[str, str], Claimed]
    rest: pl.DataFrame
    banners: pl.DataFrame
    issues: list[pl.DataFrame]
    timeline: clock.Timeline


@dataclass(frozen=True)
class State:
    """What a piece of a large log leaves for the next one. The default is the beginning of a log."""

    line: int = 0
    redraw: int = 0
    carried: Mapping[tuple[str, str], pl.DataFrame] = field(default_factory=dict)
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
    rest: list[pl.DataFrame] = []
    issues: list[pl.DataFrame] = []
    todo = lines.frame
    for round_ in range(TAIL_ROUNDS + 1):
        tails: list[pl.DataFrame] = []
        left, sifted = todo, False
        for rank, asked in enumerate(formats.ranks()):
            for parser, record in by_frequency(asked, left):
                mine = left.filter(hinted(record.hints, pl.col("text")))
                found = _claim_record(record, mine) if mine.height else None
                if found is not None and found.rows.height:
                    left = _without(left, found.rows["seq"], lines.frame.height)
                    tails.append(found.tails)
                    key = (parser, record.name)
                    records[key] = _joined(records[key], found) if key in records else found
                issues.extend(found.issues if found else [])
                if not sifted:  # the most frequent record is asked of all lines, the others of those with any hint
                    left, sifted = candidates(left, formats), True
            if rank == 0:
                issues.extend(_drift(asked, left))
        if round_ == 0:
            rest.append(_unclaimed(lines.frame, [found.rows for found in records.values()]))
        todo = pl.concat(tails) if tails else lines.frame.clear()
        if not todo.height:
            break
    known = {key for key in records if _record(formats, *key).known}
    banners = [found.rows["seq"] for key, found in records.items() if key in known]
    taken = pl.concat(banners).unique().sort() if banners else pl.Series(dtype=pl.Int64)
    timeline = clock.timeline({key: found.rows for key, found in records.items()}, known)
    return Claims(lines, records, pl.concat(rest), lines.frame[taken], issues, timeline)


def _without(rows: pl.DataFrame, seq: pl.Series, height: int) -> pl.DataFrame:
    """The rows whose `seq` is not among these; `seq` is a position in the batch's frame of `height` rows."""
    if len(seq) == rows.height:
        return rows.clear()
    taken = pl.repeat(False, height, eager=True).scatter(seq, True)
    return rows.filter(~taken.gather(rows["seq"]))


def _unclaimed(lines: pl.DataFrame, claimed: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return _without(lines, pl.concat([rows["seq"] for rows in claimed]), lines.height) if claimed else lines


def _claim_record(record: Record, todo: pl.DataFrame) -> Claimed:
    blocks: list[pl.DataFrame] = []
    values: list[Values] = []
    words: list[pl.DataFrame] = []
    issues: list[pl.DataFrame] = []
    tails: list[pl.DataFrame] = []
    offset = 0

    def add(rows: pl.DataFrame, texts: Mapping[str, pl.Series], fields: Mapping[str, Field]) -> None:
        nonlocal offset
        typed, bad = _typed(rows, texts, fields)
        blocks.append(typed)
        issues.extend(bad)
        offset += rows.height

    for _ in range(MAX_LAYOUTS):
        layout = _next_layout(record, todo)
        if layout is None:
            break
        whole, texts = _read(layout, todo["text"])
        if not whole.any():
            break
        if whole.all():
            rows, todo = todo, todo.clear()
        else:
            rows, todo = todo.filter(whole), todo.filter(~whole)
            texts = {group: text.filter(whole) for group, text in texts.items()}
        for group, text in texts.items():
            if group.kind == "free":
                number = text.cast(pl.Float64, strict=False)
                values.append(Values(group.name, number, offset))
                if number.null_count():
                    words.append(_words(rows, text.filter(number.is_null()), number.is_null(), group.name))
            elif group.kind == "tail":
                tails.append(_tail(rows, text))
        named = {g: t for g, t in texts.items() if g.kind in ("field", "known")}
        add(rows, {g.name: t for g, t in named.items()}, {g.name: g.field for g in named})
        if not todo.height:
            break
    if todo.height:
        rows, texts, pairs = _general(record, todo)
        if rows.height:
            known = record.pairs.known if record.pairs else {}
            if pairs is not None:
                free = pairs.filter(~pl.col("name").is_in(list(known)))
                number = free["value"].cast(pl.Float64, strict=False)
                is_number = number.is_not_null()
                values.append(
                    Values(
                        free["name"].filter(is_number),
                        number.filter(is_number),
                        free["at"].filter(is_number).cast(pl.UInt32) + offset,
                    )
                )
                odd = free.filter(~is_number)
                words.append(_word_rows(rows[odd["at"]].with_columns(odd["name"], odd["value"])))
            if "tail" in texts:
                tails.append(_tail(rows, texts.pop("tail")))
            add(rows, texts, {**record.fields, **known})
            todo = todo.filter(~pl.col("seq").is_in(rows["seq"].implode()))
    return Claimed(
        _in_schema(pl.concat(blocks, how="diagonal_relaxed", rechunk=False) if blocks else None, record),
        values,
        pl.concat(words) if words else _word_rows(None),
        issues,
        pl.concat(tails) if tails else todo.clear(),
    )


def _read(layout: Layout, text: pl.Series) -> tuple[pl.Series, dict[Group, pl.Series]]:
    """Which texts are of the layout, and the text of each group (null where a text is not)."""
    whole = pl.repeat(True, len(text), eager=True)
    texts: dict[Group, pl.Series] = {}
    before = ""
    for pattern, groups, skip in layout.parts:
        text = text.str.replace(before, "") if before else text
        found = text.str.extract_groups(pattern).struct.unnest()
        whole &= found.to_series(0).is_not_null()
        texts |= zip(groups, found.iter_columns(), strict=True)
        before = skip
    texts |= {group: pl.repeat(word, len(text), dtype=pl.String, eager=True) for group, word in layout.constants}
    return whole, texts


def _next_layout(record: Record, todo: pl.DataFrame) -> Layout | None:
    """Learn from the first line that the record claims; the head is asked first, all lines only if it has none."""
    for rows in (todo["text"].head(1), todo["text"].head(PROBE_ROWS), todo["text"]):
        claimed = rows.filter(rows.str.contains(record.pattern))
        if len(claimed):
            return learn(record, claimed[0])
        if len(rows) == todo.height:
            return None
    return None


def _general(record: Record, todo: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series], pl.DataFrame | None]:
    """Read lines with the record's own pattern, and their pairs one by one: at (row), name, value."""
    rows = todo.filter(pl.col("text").str.contains(record.pattern))
    texts: dict[str, pl.Series] = {}
    if rows.height and "(?P<" in record.pattern:
        texts = {s.name: s for s in rows["text"].str.extract_groups(record.pattern).struct.unnest().iter_columns()}
    spread = texts.pop("pairs", None)
    pairs = None
    if record.pairs is not None and spread is not None:
        pairs = (
            spread.str.extract_all(record.pairs.pattern)
            .to_frame("pair")
            .with_row_index("at")
            .explode("pair")
            .drop_nulls("pair")
            .with_columns(pl.col("pair").str.extract_groups(record.pairs.pattern))
            .unnest("pair")
            .select("at", "name", "value")
            .unique(["at", "name"], keep="first", maintain_order=True)
        )
        for name in record.pairs.known:
            one = pairs.filter(pl.col("name") == name)
            texts[name] = pl.repeat(None, rows.height, dtype=pl.String, eager=True).scatter(one["at"], one["value"])
    wanted = {"tail", *record.fields, *(record.pairs.known if record.pairs else {})}
    return rows, {name: text for name, text in texts.items() if name in wanted}, pairs


def _typed(
    rows: pl.DataFrame, texts: Mapping[str, pl.Series], fields: Mapping[str, Field]
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """KEY, `row` and the typed columns; and `bad_value` for each declared field whose text is no such value."""
    columns: list[pl.Series] = []
    issues: list[pl.DataFrame] = []
    for name, text in texts.items():
        kind = fields[name]
        if kind.dtype == pl.Null():
            continue
        value = kind.read(text)
        columns.append(value.alias(name))
        if value.null_count() > text.null_count():
            bad = value.is_null() & text.is_not_null() & (text != "") & (text != kind.unknown)
            if bad.any():
                issues.append(_issues(rows.filter(bad), "bad_value", name, text.filter(bad)))
    return rows.select(*KEY, "row").with_columns(columns), issues


def _issues(rows: pl.DataFrame, code: str, column: str, raw: pl.Series) -> pl.DataFrame:
    return rows.select(
        "log",
        "line",
        "redraw",
        code=pl.lit(code),
        column=pl.lit(column),
        raw=raw.str.head(RAW_CHARACTERS),
        count=pl.lit(1, pl.Int64),
    )


def _drift(records: Sequence[tuple[str, Record]], left: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Lines that almost fit a record and that no record claims."""
    for _, record in records:
        if record.almost is None or not left.height:
            continue
        near = left.filter(hinted(record.hints, pl.col("text"))).filter(pl.col("text").str.contains(record.almost))
        if near.height:
            first = near.group_by("log", maintain_order=True).agg(
                pl.first("line", "redraw"), raw=pl.first("text").str.head(RAW_CHARACTERS), count=pl.len().cast(pl.Int64)
            )
            yield first.select(
                *("log", "line", "redraw"), code=pl.lit("drift"), column=pl.lit(record.name), raw="raw", count="count"
            )


def _words(rows: pl.DataFrame, text: pl.Series, mask: pl.Series, name: str) -> pl.DataFrame:
    return _word_rows(rows.filter(mask).with_columns(name=pl.lit(name), value=text))


def _word_rows(rows: pl.DataFrame | None) -> pl.DataFrame:
    if rows is None:
        return pl.DataFrame(schema={**KEY, "name": pl.String(), "value": pl.String()})
    return rows.select(*KEY, "name", "value").unique(["log", "name", "value"], keep="first", maintain_order=True)


def _tail(rows: pl.DataFrame, text: pl.Series) -> pl.DataFrame:
    return rows.with_columns(pl.col("piece") + 1, text=text.str.strip_chars_start(" ")).filter(
        pl.col("text").str.len_bytes() > 0
    )


def _in_schema(rows: pl.DataFrame | None, record: Record) -> pl.DataFrame:
    schema = {**KEY, "row": pl.Int32(), **record.columns}
    if rows is None:
        return pl.DataFrame(schema=schema)
    return rows.select(
        pl.col(name) if name in rows.columns else pl.lit(None, dtype).alias(name) for name, dtype in schema.items()
    )


def _joined(one: Claimed, two: Claimed) -> Claimed:
    """The claims of a later round behind those of an earlier one."""
    shift = one.rows.height
    moved = [Values(v.name, v.value, v.rows + shift) for v in two.values]
    return Claimed(
        pl.concat([one.rows, two.rows]),
        one.values + moved,
        pl.concat([one.words, two.words]),
        one.issues + two.issues,
        two.tails,
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
    for (parser, name), found in claims.records.items():
        column = _record(formats, parser, name).carry
        last = found.rows.drop_nulls(column).sort("seq").tail(1) if column else found.rows.clear()
        if last.height:
            carried[parser, name] = last.with_columns(pl.col("line") + state.line, seq=pl.lit(-1, pl.Int64))
    return State(
        line=state.line + lines - (1 if open_line else 0),
        redraw=redraw,
        carried=carried,
        region=stretches.open_at_end(claims.rest, claims.banners, frame, formats, state.region, state.line),
        running=clock.advance(claims.timeline, state.running, modified_at),
    )


def _record(formats: Formats, parser: str, name: str) -> Record:
    return next(s for s in formats.parsers[parser].shapes if isinstance(s, Record) and s.name == name)


def settle(claims: Claims, formats: Formats, state: State, anchors: pl.DataFrame) -> Settled:
    """Build the tables of a batch. `state` is the beginning for whole logs; `anchors` has log and modified_at."""
    moved = _moved(claims, state)
    stamped = clock.complete(moved.timeline, {k: c.rows for k, c in moved.records.items()}, anchors, state.running)
    moved.records = {key: replace(c, rows=stamped.rows[key]) for key, c in moved.records.items()}
    end = moved.lines.frame.height - 1 if moved.lines.more else None
    found = stretches.find(moved.rest, moved.banners, formats, state.region, end)
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
        for table, frames in parser.to_tables(matched).items():
            tables.setdefault(table, []).extend(f.with_columns(format=pl.lit(name)) for f in frames if f.height)
    formats_seen = _formats_seen(tables)
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
        cut = [pl.concat(cut, how="diagonal_relaxed", rechunk=False).sort("seq", "piece")]
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
    rows = [frame.select("log", "format") for name in ("progress", "events", "gpu") for frame in tables.get(name, [])]
    first = pl.col("log") != pl.col("log").shift(1, fill_value=2**32 - 1)
    empty = pl.DataFrame(schema={"log": pl.UInt32, "format": pl.String})
    return pl.concat([empty, *(frame.filter(first) for frame in rows)]).unique()


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
    for shape in parser.shapes:
        key = (name, shape.name)
        if isinstance(shape, Record):
            mine = claims.records.get(key)
            # polars 2.1 panics in `format` and `concat_str` where a column's first chunk is empty
            rows[shape.name] = mine.rows.rechunk() if mine else _in_schema(None, shape)
            values[shape.name] = mine.values if mine else []
            words[shape.name] = mine.words if mine else _word_rows(None)
            carried[shape.name] = state.carried.get(key, _in_schema(None, shape))
        elif key in found.rows:
            rows[shape.name] = found.rows[key]
    regions = {r.name: found.regions[name, r.name] for n, r in formats.regions() if n == name}
    return Matched(rows, values, words, carried, regions)


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
        for (parser, name), c in claims.records.items():
            if c.rows.height and _record(formats, parser, name).known == want_known:
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
