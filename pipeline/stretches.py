"""Shapes of more than one line: regions, tables under a header, and whole documents, among the lines nobody claimed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from ..parsers.contract import KEY, Document, Region, Table
from .detect import Formats, sifted, with_hint

HELD_LINES = 20_000
"""A region that goes on in the next piece is given to `to_tables` there, whole; of a longer one the pieces."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Open:
    """What is open at the end of a piece of a large log: a region with its lines so far (KEY and text, in the log's own
    line numbers), and the last header of each table."""

    region: Key | None = None
    lines: pl.DataFrame | None = None
    headers: Mapping[Key, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Starts:
    """Where regions begin, before anything of earlier pieces is known (seq; those that begin nowhere are absent), and
    the hints that stand in unclaimed lines."""

    regions: Mapping[Key, pl.Series]
    hints: frozenset[str]


@dataclass
class Found:
    """Rows of tables and documents, lines of regions (what was not found is absent); `known` and `parsed` are seq of
    the batch's frame."""

    rows: dict[Key, pl.DataFrame]
    regions: dict[Key, pl.DataFrame]
    known: pl.Series
    parsed: pl.Series
    issues: list[pl.DataFrame]


def starts(rest: pl.DataFrame, banners: pl.DataFrame, formats: Formats) -> Starts:
    """What may begin. rest: the lines that no record claimed; banners: those that a `known` record claimed."""
    near, hints = sifted(pl.concat([rest.select("seq", "text"), banners.select("seq", "text")]), formats.stretch_hints)
    there = {key: [hint for hint in shape.hints if hint in hints] for key, shape in formats.regions.items()}
    texts = near.select(pl.col("text").unique())  # logs of one program print the same lines
    found = {key: _begins(formats.regions[key], near, texts, mine) for key, mine in there.items() if mine}
    return Starts({key: seq for key, seq in found.items() if len(seq)}, frozenset(hints))


def _begins(shape: Region, near: pl.DataFrame, texts: pl.DataFrame, hints: Sequence[str]) -> pl.Series:
    """Positions of the lines that begin the region, among lines with a hint of any. texts: what stands in these lines;
    hints: the region's own that stand there."""
    mine = with_hint(texts, hints)
    begins = mine.filter(pl.col("text").str.contains(shape.start))["text"]
    return near["seq"].filter(near["text"].is_in(begins.implode())) if len(begins) else near["seq"].clear()


def find(
    rest: pl.DataFrame,
    banners: pl.DataFrame,
    begun: Starts,
    formats: Formats,
    before: Open | None,
    end: int | None = None,
) -> Found:
    """All stretches of a batch. `begun`: `starts` of the same lines. end: seq of the last line, where the log goes on
    in the next piece: a region that reaches it is held back."""
    before = before or Open()
    known, parsed, taken = [_no_seq()], [_no_seq()], [_no_seq()]
    rows: dict[Key, pl.DataFrame] = {}
    for name, shape in formats.documents:
        if begun.hints.issuperset(shape.hints):
            rows[name, shape.name], seq = _document(shape, rest)
            taken.append(seq)
    parsed += taken
    rest = _without(rest, pl.concat(taken))
    for name, shape in formats.tables:
        header = before.headers.get((name, shape.name))
        if header is not None or not begun.hints.isdisjoint(shape.hints):
            rows[name, shape.name], heads, seq, _ = _table(shape, rest, header)
            known.append(heads)
            parsed.append(seq)
            rest = _without(rest, heads.append(seq))
    regions: dict[Key, pl.DataFrame] = {}
    states = _regions(rest, banners, begun, formats, before.region)
    held = [before.region] if before.region and before.region in formats.regions else []
    for key in dict.fromkeys([*states, *held]):
        mine = states.get(key)
        lines = rest.clear().with_columns(region=pl.lit(None, pl.Int64)) if mine is None else mine
        known.append(lines["seq"])
        regions[key], _ = _told(lines.select(*KEY, "region", "text"), key, before, end)
    return Found(rows, regions, pl.concat(known), pl.concat(parsed), [])


def _told(lines: pl.DataFrame, key: Key, before: Open, end: int | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines of one region that are complete, with those that an earlier piece held back, and the lines to hold."""
    if before.region == key and before.lines is not None:
        lines = pl.concat([before.lines, lines])
    goes_on = end is not None and lines.height > 0 and lines["seq"][-1] == end
    held = lines.filter(pl.col("region") == lines["region"][-1]) if goes_on else lines.clear()
    if not 0 < held.height <= HELD_LINES:
        return lines, lines.clear()
    return lines.head(lines.height - held.height), held


def open_at_end(
    rest: pl.DataFrame,
    banners: pl.DataFrame,
    begun: Starts,
    frame: pl.DataFrame,
    formats: Formats,
    before: Open | None,
    lines_before: int = 0,
) -> Open:
    """What goes on in the next piece of the same log, of which earlier pieces had `lines_before` lines."""
    before = before or Open()
    headers = dict(before.headers)
    for name, shape in formats.tables:
        if not begun.hints.isdisjoint(shape.hints):
            *_, header = _table(shape, rest, headers.get((name, shape.name)))
            if header is not None:
                headers[name, shape.name] = header
    if not frame.height:
        return Open(before.region, before.lines, headers)
    end = frame["seq"][-1]
    for key, lines in _regions(rest, banners, begun, formats, before.region).items():
        if lines.height and lines["seq"][-1] == end:
            moved = lines.select(*KEY, "region", "text").with_columns(pl.col("line") + lines_before)
            _, held = _told(moved, key, before, end)
            return Open(key, held.with_columns(region=pl.lit(0, pl.Int64), seq=pl.lit(-1, pl.Int64)), headers)
    return Open(None, None, headers)


def _no_seq() -> pl.Series:
    return pl.Series("seq", [], dtype=pl.Int64)


def _without(rest: pl.DataFrame, seq: pl.Series) -> pl.DataFrame:
    return rest.filter(~pl.col("seq").is_in(seq.implode())) if len(seq) else rest


# ── regions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _regions(
    rest: pl.DataFrame, banners: pl.DataFrame, begun: Starts, formats: Formats, before: Key | None
) -> dict[Key, pl.DataFrame]:
    """Lines of each region with `region`, a number that grows with the stretches of the batch."""
    shapes, starts = formats.regions, begun.regions
    any_start = pl.concat([_no_seq(), *starts.values()])
    if starts and banners.height:
        heads = banners.filter(banners["seq"].is_in(any_start.implode()))
        rest = pl.concat([rest, heads]).sort("seq") if heads.height else rest
    goes_on = before if before in shapes and rest.height and rest["seq"][0] == 0 else None
    if not starts and goes_on is None:
        return {}
    seq = pl.col("seq")
    gap = (seq.diff() != 1) | (pl.col("log") != pl.col("log").shift(1))
    marked = rest.with_columns(
        starts=seq.is_in(any_start.implode()), gap=gap.fill_null(True) & ~((seq == 0) & (goes_on is not None))
    ).with_columns(number=pl.col("starts").cum_sum().cast(pl.Int64))
    found: dict[Key, pl.DataFrame] = {}
    keys: list[Key] = [*starts, *([goes_on] if goes_on else [])]
    for key in dict.fromkeys(keys):
        pattern = shapes[key].stop
        stop = pl.lit(False) if pattern is None else pl.col("text").str.contains(pattern)
        mine = seq.is_in(starts.get(key, _no_seq()).implode())
        ends = pl.col("starts") | pl.col("gap") | stop
        state = pl.when(mine).then("number").when(ends).then(pl.lit(-1, pl.Int64))
        if key == goes_on:
            state = pl.when((seq == 0) & ~pl.col("starts") & ~stop).then(pl.lit(0, pl.Int64)).otherwise(state)
        lines = marked.with_columns(region=state.forward_fill()).filter(pl.col("region") >= 0)
        found[key] = lines.select(*rest.columns, "region")
    return found


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _table(
    shape: Table, rest: pl.DataFrame, header: str | None
) -> tuple[pl.DataFrame, pl.Series, pl.Series, str | None]:
    """Typed rows, seq of header lines, seq of rows, and the header that is in force at the end."""
    text = pl.col("text")
    named = {name: kind.dtype for name, kind in shape.columns.values()}
    schema = {**KEY, "row": pl.Int32(), **named}
    heads = with_hint(rest, shape.hints).filter(text.str.contains(shape.header))
    if not heads.height and header is None:
        return pl.DataFrame(schema=schema), _no_seq(), _no_seq(), None
    last = heads["text"][-1] if heads.height else header
    of_log = heads.select("log", "seq", head="text")
    if header is not None and rest.height:
        first = rest.head(1).select("log", seq=pl.lit(-1, pl.Int64), head=pl.lit(header))
        of_log = pl.concat([first, of_log])
    body = (
        rest.join(heads.select("seq"), on="seq", how="anti")
        .filter(text.str.contains(shape.row))
        .sort("seq")
        .join_asof(of_log.sort("seq"), on="seq", by="log", check_sortedness=False)
        .drop_nulls("head")
        .with_columns(cells=_cells(shape, text), names=_cells(shape, pl.col("head")))
        .filter(pl.col("cells").list.len() == pl.col("names").list.len())
    )
    parts = [pl.DataFrame(schema=schema)]
    for head in body["head"].unique(maintain_order=True):
        mine = body.filter(pl.col("head") == head)
        names = mine["names"][0].to_list()
        columns = [
            shape.columns[cell][1].read(mine["cells"].list.get(at)).alias(shape.columns[cell][0])
            for at, cell in enumerate(names)
            if cell in shape.columns
        ]
        typed = mine.select(*KEY, "row").with_columns(columns)
        parts.append(typed)
    rows = pl.concat(parts, how="diagonal_relaxed").select(*schema)
    return rows, heads["seq"], rows["seq"], last


def _cells(shape: Table, text: pl.Expr) -> pl.Expr:
    if shape.separator == " ":
        return text.str.extract_all(r"[^ ]+")
    return text.str.split(shape.separator).list.eval(pl.element().str.strip_chars(" \"'"))


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _document(shape: Document, rest: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Load each log that is one JSON value with all the hints: one call a file."""
    schema = {**KEY, "row": pl.Int32(), **shape.schema}
    text = pl.col("text")
    has_all = pl.all_horizontal(text.str.contains(hint, literal=True).any() for hint in shape.hints)
    begins = text.first().str.contains(r"^\s*[\[{]") & (pl.col("line").first() <= pl.len())
    logs = rest.group_by("log", maintain_order=True).agg(ok=has_all & begins).filter("ok")["log"]
    parts, taken = [pl.DataFrame(schema=schema)], _no_seq()
    for log in logs:
        lines = rest.filter(pl.col("log") == log)
        loaded = shape.load("\n".join(lines["text"]))
        if loaded is None:
            continue
        at = lines.head(1).select(*KEY, "row")
        parts.append(loaded.join(at, how="cross").select(*schema))
        taken = taken.append(lines["seq"])
    return pl.concat(parts), taken
