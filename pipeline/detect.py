"""Which lines may be whose: candidates by literal hints, for all formats in one pass over the text.

There is no vote on a log's format. Several formats in one log are normal, so each line goes to the shape that claims
it; a log "has" the formats that claimed lines of it. Shapes of one rank must not overlap: no order among them matters
then, and the order here (most frequent first) only saves time. So does asking no shape whose hints stand nowhere: most
batches know a handful of some hundred shapes, and each question costs as much as reading a hundred lines.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from ..parsers.contract import Document, Parser, Record, Region, Shape, Table

SAMPLE_ROWS = 256

Named = tuple[str, Record]
"""A record with the name of its parser."""


@dataclass(frozen=True)
class Formats:
    """The parsers in use, by name, and all their hints."""

    parsers: Mapping[str, Parser]

    @cached_property
    def names(self) -> pl.Enum:
        """The formats' names as a type: a column of one of them costs a byte a row."""
        return pl.Enum(list(self.parsers))

    @cached_property
    def hints(self) -> list[str]:
        return sorted({hint for parser in self.parsers.values() for shape in parser.shapes for hint in shape.hints})

    @cached_property
    def records(self) -> dict[tuple[str, str], Record]:
        return {(name, shape.name): shape for name, shape in self.shapes(Record) if isinstance(shape, Record)}

    @cached_property
    def record_hints(self) -> list[str]:
        return sorted({hint for record in self.records.values() for hint in record.hints})

    @cached_property
    def ranks(self) -> list[list[Named]]:
        """The records in the order in which they are asked: those that know their lines, general ones, banners."""
        ranks: list[list[Named]] = [[], [], []]
        for (name, _), record in self.records.items():
            ranks[record.fallback + (record.fallback and record.known)].append((name, record))
        return ranks

    def shapes(self, kind: type[Shape]) -> list[tuple[str, Shape]]:
        return [(p.name, shape) for p in self.parsers.values() for shape in p.shapes if isinstance(shape, kind)]

    @cached_property
    def tables(self) -> list[tuple[str, Table]]:
        return [(n, s) for n, s in self.shapes(Table) if isinstance(s, Table)]

    @cached_property
    def regions(self) -> dict[tuple[str, str], Region]:
        return {(n, s.name): s for n, s in self.shapes(Region) if isinstance(s, Region)}

    @cached_property
    def documents(self) -> list[tuple[str, Document]]:
        return [(n, s) for n, s in self.shapes(Document) if isinstance(s, Document)]

    @cached_property
    def stretch_hints(self) -> list[str]:
        """Hints of the shapes of several lines."""
        shapes = [*self.regions.values(), *(s for _, s in self.tables), *(s for _, s in self.documents)]
        return sorted({hint for shape in shapes for hint in shape.hints})


def hinted(hints: Sequence[str], text: pl.Expr) -> pl.Expr:
    """Whether a text has at least one of the hints."""
    return text.str.contains(hints[0], literal=True) if len(hints) == 1 else text.str.contains_any(list(hints))


def with_hint(lines: pl.DataFrame, hints: Sequence[str]) -> pl.DataFrame:
    """The lines that have at least one of the hints."""
    if not hints or not lines.height:
        return lines.clear()
    return lines.filter(hinted(hints, pl.col("text")))


def sifted(lines: pl.DataFrame, hints: Sequence[str]) -> tuple[pl.DataFrame, set[str]]:
    """The lines that have at least one of the hints, and the hints that stand in them. Logs of one program print the
    same lines, and each is looked at once."""
    if not hints or not lines.height:
        return lines.clear(), set()
    distinct = lines["text"].unique()
    found = distinct.str.extract_many(list(hints), overlapping=True)
    there = set(found.explode().drop_nulls().unique().to_list())
    return lines.filter(pl.col("text").is_in(distinct.filter(found.list.len() > 0).implode())), there


def frequent(records: Sequence[Named], lines: pl.DataFrame) -> list[Named]:
    """The records whose hints stand in a sample of the lines, those that are named most often first."""
    hints = sorted({hint for _, record in records for hint in record.hints})
    if not hints or not lines.height:
        return []
    sample = lines["text"].gather_every(max(1, lines.height // SAMPLE_ROWS))
    found = sample.str.extract_many(hints, overlapping=True).explode().drop_nulls().value_counts(name="n")
    counts = dict(zip(found["text"].to_list(), found["n"].to_list(), strict=True))
    hits = [(max(counts.get(hint, 0) for hint in record.hints), i) for i, (_, record) in enumerate(records)]
    return [records[i] for n, i in sorted(hits, key=lambda hit: -hit[0]) if n]


def named(records: Sequence[Named], hints: Collection[str]) -> list[Named]:
    """The records that have one of these hints."""
    return [(name, record) for name, record in records if not set(record.hints).isdisjoint(hints)]
