"""One record and the lines that have its hints → typed columns: by learned layouts, what is odd by its own pattern."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ..parsers.contract import KEY, Field, Record, Values
from .layout import Group, Layout, learn

MAX_LAYOUTS = 24
"""Layouts that are learned of one record in one batch; lines of further ones are read with the general pattern."""

PROBE_ROWS = 64
RAW_CHARACTERS = 480
"""Of odd text so much is kept; the table holds less, cut where secrets are masked (a cut one would not be known)."""

NO_WORDS = pl.DataFrame(schema={**KEY, "name": pl.String(), "value": pl.String()})


@dataclass
class Claimed:
    """What one record claimed: its rows, the free pairs, what could not be read, and the glued tails."""

    rows: pl.DataFrame
    values: list[Values]
    words: pl.DataFrame
    issues: list[pl.DataFrame]
    tails: pl.DataFrame


def capture(record: Record, todo: pl.DataFrame) -> Claimed:
    """Everything that the record claims of these lines."""
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
        _in_schema(blocks, record),
        values,
        pl.concat(words) if words else NO_WORDS,
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


def _words(rows: pl.DataFrame, text: pl.Series, mask: pl.Series, name: str) -> pl.DataFrame:
    return _word_rows(rows.filter(mask).with_columns(name=pl.lit(name), value=text))


def _word_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(*KEY, "name", "value").unique(["log", "name", "value"], keep="first", maintain_order=True)


def _tail(rows: pl.DataFrame, text: pl.Series) -> pl.DataFrame:
    return rows.with_columns(pl.col("piece") + 1, text=text.str.strip_chars_start(" ")).filter(
        pl.col("text").str.len_bytes() > 0
    )


def _in_schema(blocks: Sequence[pl.DataFrame], record: Record) -> pl.DataFrame:
    if not blocks:
        return record.no_rows
    rows, schema = pl.concat(blocks, how="diagonal_relaxed", rechunk=False), record.no_rows.schema
    return rows.select(
        pl.col(name) if name in rows.columns else pl.lit(None, dtype).alias(name) for name, dtype in schema.items()
    )


def joined(one: Claimed, two: Claimed) -> Claimed:
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
