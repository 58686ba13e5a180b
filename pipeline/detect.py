"""Which lines may be whose: candidates by literal hints, for all formats in one pass over the text.

There is no vote on a log's format. Several formats in one log are normal, so each line goes to the shape that claims
it; a log "has" the formats that claimed lines of it. Shapes of one rank must not overlap: no order among them matters
then, and the order here (most frequent first) only saves time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ..parsers.contract import Document, Parser, Record, Region, Shape, Table

SAMPLE_ROWS = 256


@dataclass(frozen=True)
class Formats:
    """The parsers in use, by name, and all their hints."""

    parsers: Mapping[str, Parser]

    @property
    def hints(self) -> list[str]:
        return sorted({hint for parser in self.parsers.values() for shape in parser.shapes for hint in shape.hints})

    def ranks(self) -> list[list[tuple[str, Record]]]:
        """The records in the order in which they are asked: those that know their lines, general ones, banners."""
        records = [(name, shape) for name, shape in self.shapes(Record) if isinstance(shape, Record)]
        ranks: list[list[tuple[str, Record]]] = [[], [], []]
        for name, record in records:
            ranks[record.fallback + (record.fallback and record.known)].append((name, record))
        return ranks

    def shapes(self, kind: type[Shape]) -> list[tuple[str, Shape]]:
        return [(p.name, shape) for p in self.parsers.values() for shape in p.shapes if isinstance(shape, kind)]

    def tables(self) -> list[tuple[str, Table]]:
        return [(n, s) for n, s in self.shapes(Table) if isinstance(s, Table)]

    def regions(self) -> list[tuple[str, Region]]:
        return [(n, s) for n, s in self.shapes(Region) if isinstance(s, Region)]

    def documents(self) -> list[tuple[str, Document]]:
        return [(n, s) for n, s in self.shapes(Document) if isinstance(s, Document)]


def hinted(hints: Sequence[str], text: pl.Expr) -> pl.Expr:
    """Whether a text has at least one of the hints."""
    return text.str.contains(hints[0], literal=True) if len(hints) == 1 else text.str.contains_any(list(hints))


def candidates(lines: pl.DataFrame, formats: Formats) -> pl.DataFrame:
    """The lines that have a hint of any shape."""
    hints = formats.hints
    return lines.filter(hinted(hints, pl.col("text"))) if hints else lines.clear()


def by_frequency(records: Sequence[tuple[str, Record]], lines: pl.DataFrame) -> list[tuple[str, Record]]:
    """The records that a sample of the lines names most often first."""
    if lines.height == 0 or not records:
        return list(records)
    sample = lines.select("text").gather_every(max(1, lines.height // SAMPLE_ROWS))
    text = pl.col("text")
    hits = sample.select(hinted(record.hints, text).sum().alias(str(i)) for i, (_, record) in enumerate(records)).row(0)
    return [pair for _, pair in sorted(zip(hits, records, strict=True), key=lambda each: -each[0])]
