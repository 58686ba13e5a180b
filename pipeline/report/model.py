"""What a report is made of, without a word of how it looks: frozen dataclasses that a renderer walks.

A plain `str` is text and nothing else: every renderer escapes it, whoever wrote it. Only the nodes below make markup,
so that no run name, message or path of a log can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl


@dataclass(frozen=True)
class Strong:
    """Emphasised text."""

    text: str


@dataclass(frozen=True)
class Code:
    """Text shown literally: a line of a log, a path, a command."""

    text: str


@dataclass(frozen=True)
class Link:
    """A link to a page of the same report; `target` is made by build.py from safe names, never from a log."""

    text: str
    target: str


@dataclass(frozen=True)
class Note:
    """A footnote at this place of the text. Equal notes share a number; numbers follow the order of reading."""

    phrase: Phrase


Inline = str | Strong | Code | Link | Note
Phrase = tuple[Inline, ...]


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    phrase: Phrase


@dataclass(frozen=True)
class Bullets:
    """A list; `numbered` for steps that build on each other."""

    items: tuple[Phrase, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of phrases under their headers; `align` holds one of `l`, `r` per column."""

    headers: tuple[str, ...]
    align: str
    rows: tuple[tuple[Phrase, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.headers) for row in self.rows) or len(self.align) != len(self.headers):
            raise ValueError(f"table {self.headers}: a row or the alignment has another number of columns")


@dataclass(frozen=True)
class Mark:
    """Moments on the iteration axis that a chart points out."""

    kind: Literal["epoch", "checkpoint", "resume"]
    xs: tuple[float, ...]


@dataclass(frozen=True)
class Span:
    """A stretch of the x axis that a chart names, in words of ours."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, eq=False)
class Chart:
    """One plot over training iterations, or (`scaling`) over batch sizes. Nothing in it is text of a log.

    `points` (see curves.py) has the columns series (`raw`, `mean`, `val`, `wait`; `odd` for values that are NaN or
    infinite), x, y, lo and hi. `level` is a horizontal line, such as the run's median, and `level_label` its name, or
    that of the running mean. `spans` are the stages of the learning rate (`lr`). Where the title says all that the
    y axis has to, `y_label` is empty. `scaling` has the series throughput, memory and the lines through both, `…_line`.
    """

    name: Literal["loss", "pace", "lr", "scaling"]
    title: str
    alt: str
    x_label: str
    y_label: str
    points: pl.DataFrame
    marks: tuple[Mark, ...] = ()
    level: float | None = None
    level_label: str = ""
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A chart's place in a page: the file that holds it (relative to the page) and the text for who cannot see it."""

    target: str
    alt: str


Block = Paragraph | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """One page: title, the lines above the first heading, and sections; empty sections are left out by who makes it."""

    title: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...] = field(default=())


def phrase(*parts: Inline | Sequence[Inline] | None) -> Phrase:
    """Join pieces and sequences of pieces to one phrase; None and empty strings vanish."""
    joined: list[Inline] = []
    for part in parts:
        if part is None or part == "":
            continue
        if isinstance(part, (str, Strong, Code, Link, Note)):
            joined.append(part)
        else:
            joined.extend(part)
    return tuple(joined)
