"""Report → Markdown, GitHub flavoured, with footnotes `[^1]`.

Whatever is a plain `str` in the model is text: it is escaped so that it can be no link, HTML, table border, heading,
list, emphasis, formula or mention in any of the usual renderers. Addresses (`://`, `www.`) and `@` are parted by a word
joiner (U+2060, invisible), because renderers link them even where every character is escaped. `Code` keeps its text.
"""

import re
from functools import lru_cache

from .model import Block, Bullets, Code, Inline, Link, Note, Paragraph, Phrase, Picture, Report, Strong, Table
from .words import one_line

WORD_JOINER = "\u2060"
LONGEST_TEXT = 2_000

_ESCAPED = re.compile(r"[\\`*\[\]~$#]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_AUTOLINK = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=@)", re.IGNORECASE)
_REFERENCE = re.compile(r"^\S*(\s+[\"'(].*)?$")
_BLOCK_START = re.compile(r"^([-+=])|^(\d{1,9})([.)])(?=\s|$)")


def render(report: Report) -> str:
    """The page as Markdown text, ending in a newline. Equal reports give equal text."""
    notes: dict[Note, int] = {}
    parts = [f"# {_start(escape(report.title))}", *(_block(block, notes) for block in report.lead)]
    for section in report.sections:
        parts.append(f"## {_start(escape(section.title))}")
        parts += [_block(block, notes) for block in section.blocks]
    footnotes: list[str] = []
    while len(footnotes) < len(notes):  # a note may cite further notes
        unwritten = list(notes)[len(footnotes) :]
        footnotes += [_footnote(notes[note], note, notes) for note in unwritten]
    if footnotes:
        parts.append("\n".join(footnotes))
    return "\n\n".join(parts) + "\n"


def _footnote(place: int, note: Note, notes: dict[Note, int]) -> str:
    body = _start(_phrase(note.phrase, notes))
    # to a renderer without footnotes, one word (and a quoted title) behind `[^1]:` would be the address of a link
    ending = f" {WORD_JOINER}" if _REFERENCE.match(body) else ""
    return f"[^{place}]: {body}{ending}"


@lru_cache(maxsize=8192)
def escape(text: str) -> str:
    """Text that shows as itself wherever it stands on a line (see the module's docstring)."""
    text = one_line_keeping_ends(text)
    text = _AUTOLINK.sub(WORD_JOINER, text)
    text = _ESCAPED.sub(lambda match: "\\" + match[0], text)
    return re.sub(r"[&<>|]", lambda match: _ENTITIES[match[0]], text)


def one_line_keeping_ends(text: str) -> str:
    """`one_line`, but a blank at either end stays: it separates the pieces of a phrase."""
    inner = one_line(text, LONGEST_TEXT)
    if not inner:
        return " " if text else ""
    return (" " if text[0].isspace() else "") + inner + (" " if text[-1].isspace() else "")


def code(text: str, *, in_table: bool = False) -> str:
    """A code span that holds exactly this text; in a table, where a span cannot hold `|`, escaped text instead."""
    text = one_line(text, LONGEST_TEXT)
    if not text or (in_table and "|" in text):
        return escape(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _start(line: str) -> str:
    """Disarm what means something only as the first thing of a block: a list, a rule, an indented block."""
    return _BLOCK_START.sub(lambda match: "\\" + match[1] if match[1] else f"{match[2]}\\{match[3]}", line.strip())


def _block(block: Block, notes: dict[Note, int]) -> str:
    match block:
        case Paragraph():
            return _start(_phrase(block.phrase, notes))
        case Bullets():
            lines = (_start(_phrase(item, notes)) for item in block.items)
            return "\n".join(f"{f'{i}.' if block.numbered else '-'} {line}" for i, line in enumerate(lines, 1))
        case Table():
            return _table(block, notes)
        case Picture():
            return f"![{escape(block.alt)}]({block.target})"


def _table(table: Table, notes: dict[Note, int]) -> str:
    rule = "|".join("---:" if align == "r" else "---" for align in table.align)
    rows = (" | ".join(_phrase(cell, notes, in_table=True).strip() for cell in row) for row in table.rows)
    header = " | ".join(escape(title) for title in table.headers)
    return "\n".join([f"| {header} |", f"|{rule}|", *(f"| {row} |" for row in rows)])


def _phrase(phrase: Phrase, notes: dict[Note, int], *, in_table: bool = False) -> str:
    return "".join(_inline(part, notes, in_table=in_table) for part in phrase)


def _inline(part: Inline, notes: dict[Note, int], *, in_table: bool) -> str:
    match part:
        case str():
            return escape(part)
        case Strong():
            return f"**{escape(part.text).strip()}**"
        case Code():
            return code(part.text, in_table=in_table)
        case Link():
            return f"[{escape(part.text)}]({part.target})"
        case Note():
            return f"[^{notes.setdefault(part, len(notes) + 1)}]"
