"""Why a log is taken for what: which shapes of which formats claim its lines, and which hints it holds.

For a person who asks `trainqc formats LOG`; the data path never comes here. Of a large log the first chunk is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from . import match
from .chunks import Chunk, open_text, read_chunks
from .detect import Formats
from .discover import discover
from .lines import split


@dataclass(frozen=True)
class Claim:
    """What one shape of a format claimed: redraws count one by one. `first_line` is the line of the first of them."""

    format: str
    shape: str
    records: int
    first_line: int


@dataclass(frozen=True)
class Recognized:
    """A log, or what of it was looked at. `hints` are (format, literal that it looks for, redraws that hold it)."""

    path: str
    lines: int
    lines_parsed: int
    lines_known: int
    lines_unknown: int
    whole: bool
    formats: tuple[str, ...]
    claims: tuple[Claim, ...]
    hints: tuple[tuple[str, str, int], ...]
    message: str | None = None


def recognize(paths: Sequence[Path], formats: Formats) -> list[Recognized]:
    """Each log under `paths`, in order; what cannot be read has a message."""
    found = discover(paths, out=None).filter(pl.col("kind") != "left_out")
    columns = (found[name].to_list() for name in ("root", "path", "kind", "message"))
    return [_one(root, path, kind, message, formats) for root, path, kind, message in zip(*columns, strict=True)]


def _one(root: str, path: str, kind: str, message: str | None, formats: Formats) -> Recognized:
    if kind != "log":
        return _unread(path, message)
    file = Path(root) if Path(root).is_file() else Path(root, path)
    try:
        stream, _ = open_text(file)
        with stream:
            chunk = next(read_chunks(stream, 0))
    except (OSError, ValueError) as error:
        return _unread(path, (getattr(error, "strerror", None) or str(error)).lower())
    return recognized(path, chunk, formats)


def recognized(path: str, chunk: Chunk, formats: Formats) -> Recognized:
    """What the formats make of a log's first chunk; pure."""
    lines = split([chunk])
    claims = match.claim(lines, formats)
    anchors = pl.DataFrame(
        {"log": [0], "modified_at": [datetime.now(UTC)]},
        schema={"log": pl.UInt32, "modified_at": pl.Datetime("us", "UTC")},
    )
    settled = match.settle(claims, formats, match.State(), anchors)
    counts = settled.ledger.select(pl.col("^lines.*$").sum()).row(0, named=True)
    made = [
        Claim(parser, shape, claimed.rows.height, int(claimed.rows["line"].min() or 0))  # type: ignore[call-overload]
        for (parser, shape), claimed in claims.records.items()
        if claimed.rows.height
    ]
    return Recognized(
        path,
        whole=chunk.last,
        formats=tuple(sorted(settled.formats["format"])),
        claims=tuple(sorted(made, key=lambda claim: (claim.format, -claim.records))),
        hints=tuple(_hints(lines.frame["text"], formats)),
        **counts,
    )


def _hints(text: pl.Series, formats: Formats) -> list[tuple[str, str, int]]:
    """(format, hint, redraws that hold it), for every hint that occurs."""
    hints = {
        (name, hint) for name, parser in formats.parsers.items() for shape in parser.shapes for hint in shape.hints
    }
    counted = [(name, hint, int(text.str.contains(hint, literal=True).sum() or 0)) for name, hint in sorted(hints)]
    return [hit for hit in counted if hit[2]]


def _unread(path: str, message: str | None) -> Recognized:
    return Recognized(path, 0, 0, 0, 0, False, (), (), (), message)
