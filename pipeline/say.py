"""What the command line says: data on stdout, talk on stderr, and no control character of a log on either."""

import contextlib
import json
import math
import os
import shutil
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from .report import words

if TYPE_CHECKING:
    from .ingest import Ingested
    from .recognize import Recognized
    from .report.console import Places
    from .report.overview import Overview

PLAIN_WIDTH = 110
"""Columns of a summary that goes to a file."""


def print_summary(seen: "Overview", places: "Places", ingested: "Ingested | None") -> None:
    from .report.console import summary

    dressed = coloured(sys.stdout)
    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if sys.stdout.isatty() else PLAIN_WIDTH
    print_plain(
        summary(seen, places=places, ingested=ingested, width=width, colour=dressed, glyphs=dressed).rstrip("\n")
    )


def coloured(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def told_of(log: "Recognized") -> list[str]:
    """A log and its claims, in lines without control characters."""
    path = words.one_line(log.path, 4096)
    if log.message is not None:
        return [f"{path}: {words.one_line(log.message)}"]
    part = "" if log.whole else " (of its beginning)"
    known = f"{log.lines_parsed:,} parsed, {log.lines_known:,} known, {log.lines_unknown:,} unknown"
    names = words.listed(log.formats) or "no format"
    told = [f"{path}: {names}; {words.plural(log.lines, 'line')}{part}: {known}"]
    told += [
        f"  {claim.format:<12} {claim.shape}: {words.plural(claim.records, 'record')}, from line {claim.first_line:,}"
        for claim in log.claims
    ]
    for name in dict.fromkeys(name for name, _, _ in log.hints):
        hits = ", ".join(f"{words.one_line(hint, 40)!r} {count:,}" for of, hint, count in log.hints if of == name)
        told.append(f"  {name:<12} hints found: {hits}")
    return told


def first_sentence(text: str | None) -> str:
    return words.one_line((text or "").strip().split("\n\n")[0].split(". ")[0].rstrip("."))


def print_json(content: Any) -> None:
    print_plain(json.dumps(plain(content), ensure_ascii=True, allow_nan=False, indent=1))


def plain(content: Any) -> Any:
    """The same for JSON, which knows no NaN: a number that is none is null."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(name): plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if is_dataclass(content) and not isinstance(content, type):
        return plain(asdict(content))
    return content if content is None or isinstance(content, str | int | bool) else str(content)


def print_plain(text: str) -> None:
    """Text on stdout. A reader that had enough (`trainqc … | head`) is no error: the work is done, the rest unsaid."""
    try:
        print(text, file=sys.stdout, flush=True)  # noqa: T201
    except BrokenPipeError:
        close_stdout()


def close_stdout() -> None:
    """Let nothing more be written, so that the end of the interpreter does not stumble over a broken stdout."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str, *, trace: bool = False) -> None:
    """One line on stderr, without control characters; `trace` puts the traceback above it."""
    with contextlib.suppress(OSError, ValueError):
        for line in traceback.format_exc().splitlines() if trace else ():
            print(" " * (len(line) - len(line.lstrip())) + words.one_line(line, 4096), file=sys.stderr)  # noqa: T201
        print(f"trainqc: {words.one_line(text, 4096)}", file=sys.stderr)  # noqa: T201
