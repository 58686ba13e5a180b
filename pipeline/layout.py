"""Learn a fast pattern from one line: where the fields stand is known from the record's pattern, the rest is copied.

A record's pattern is general (optional parts, any blanks) and slow for it: an optional group costs three to five times
(DESIGN.md, "Traps that were measured"). Lines of one layout differ in their digits alone, so a pattern made from one of
them — its words as they stand, digits and blanks generalised, each field a class without blanks — cannot backtrack,
needs no split of the pairs into names and values, and reads a million such lines at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from ..parsers.contract import FLOAT, INT, SI_NUMBER, TEXT, Field, Record

PROBE_TIMEOUT_S = 1.0
"""A declared pattern that cannot be decided on one line in this time is left to the linear engine."""

_NUMBER = regex.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf|NaN|Infinity)")
_WORD = regex.compile(r"[0-9A-Za-z_.:/+-]+")
_FREE_WORD = Field(TEXT.dtype, TEXT.read, "[0-9A-Za-z_.:/+-]+")
_NUMERIC = (INT, FLOAT, SI_NUMBER)
GROUPS_AT_ONCE = 14
"""Rust's one-pass automaton holds 16 captures, one of them is the rest of the line; with more of them a pattern takes
three times as long."""

MAX_GROUPS = 64
"""Lines with more pairs than this are read pair by pair."""


@dataclass(frozen=True)
class Group:
    """A capture of a learned pattern: a field of the record, a known pair, a free pair, or the tail."""

    kind: str  # field, known, free, tail
    name: str
    field: Field


@dataclass(frozen=True)
class Layout:
    """`parts`: patterns in the order of the line, each with its groups; what a part has matched is cut off (by the same
    pattern without captures) before the next one is asked, and a line is of the layout where all of them fit.
    `constants`: groups whose text is the same in every line of the layout."""

    parts: tuple[tuple[str, tuple[Group, ...], str], ...]
    constants: tuple[tuple[Group, str], ...]


def learn(record: Record, text: str) -> Layout | None:
    """The layout of a line that `record.pattern` claims; None where it cannot be learned (the caller reads such lines
    with the general pattern)."""
    try:
        match = regex.search(record.pattern, text, timeout=PROBE_TIMEOUT_S)
        spans = sorted(_spans(record, text, match)) if match else []
    except TimeoutError:
        return None
    if not spans or len(spans) > MAX_GROUPS:
        return None
    parts: list[tuple[str, tuple[Group, ...], str]] = []
    constants: list[tuple[Group, str]] = []
    pattern, skip, groups, position = "^", "^", [], 0
    for start, end, named, group in spans:
        if start < position:
            return None
        named = max(named, position)
        is_number = group.field in _NUMERIC
        words = generalised(text[position:named], padded=is_number and named == start)
        words += generalised(text[named:start], before_number=is_number, digits=False) if named < start else ""
        if _is_constant(group, text[start:end]):
            pattern += words + _escaped(text[start:end])
            skip += words + _escaped(text[start:end])
            constants.append((group, text[start:end]))
            position = end
            continue
        if len(groups) >= GROUPS_AT_ONCE and words:
            parts.append((pattern, tuple(groups), skip))
            pattern, skip, groups = "^", "^", []
        accepted = _class(group.field, text[start:end])
        pattern += f"{words}({accepted})"
        skip += f"{words}(?:{accepted})"
        groups.append(group)
        position = end
    if not groups:
        return None
    pattern += generalised(text[position:].rstrip(" ")) + ("$" if groups[-1].kind == "tail" else " *$")
    return Layout((*parts, (pattern, tuple(groups), skip)), tuple(constants))


def _is_constant(group: Group, text: str) -> bool:
    """A field's words without digits: other words are another layout, and a capture saved is a tenth of the time."""
    return group.kind == "field" and group.field is TEXT and not any(c.isdigit() for c in text)


def _spans(record: Record, text: str, match: "regex.Match[str]") -> Iterator[tuple[int, int, int, Group]]:
    """Where each group begins and ends, and where its printed name begins (a pair's; else where the group does)."""
    named = match.groupdict()
    for name, field in record.fields.items():
        if named.get(name) is not None:
            yield *match.span(name), match.start(name), Group("field", name, field)
    if named.get("tail"):
        yield *match.span("tail"), match.start("tail"), Group("tail", "tail", TEXT)
    if record.pairs is None or named.get("pairs") is None:
        return
    start, end = match.span("pairs")
    known = record.pairs.known
    seen: set[str] = set()
    for pair in regex.finditer(record.pairs.pattern, text[start:end], timeout=PROBE_TIMEOUT_S):
        name, value = pair["name"], pair["value"]
        if name in seen:
            continue
        seen.add(name)
        at = (start + pair.start("value"), start + pair.end("value"))
        group = Group("known" if name in known else "free", name, known.get(name) or _free(value))
        yield *at, start + pair.start("name"), group


def _free(value: str) -> Field:
    return FLOAT if _NUMBER.fullmatch(value) else _FREE_WORD if _WORD.fullmatch(value) else TEXT


def _class(field: Field, text: str) -> str:
    return generalised(text) if field.layout is None or not text else field.layout


def generalised(text: str, *, padded: bool = False, before_number: bool = False, digits: bool = True) -> str:
    """A pattern for text of the same words: digits and runs of blanks may differ.

    padded: the blanks at its end, behind a bracket or the like, fill a number up to its column's width, and vanish
    where it is that wide.
    before_number: the same, and there may be blanks where there are none here.
    Without `digits` these stay as they are: they tell a pair's name from another, `loss_1` from `loss_2`.
    """
    pieces: list[str] = []
    for piece in regex.split(r"([0-9]+| +)" if digits else "( +)", text):
        if not piece:
            continue
        pieces.append(
            "[0-9]+"
            if digits and piece[0].isdigit() and piece.isascii()
            else " +"
            if piece[0] == " "
            else _escaped(piece)
        )
    behind_sign = len(pieces) > 1 and not pieces[-2][-1].isalnum() and pieces[-2] != "[0-9]+"
    if pieces and pieces[-1] == " +" and (before_number or (padded and behind_sign)):
        pieces[-1] = " *"
    elif pieces and before_number and pieces[-1] != "[0-9]+":
        pieces.append(" *")
    return "".join(pieces)


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in r"\.+*?()|[]{}^$#&-~" else c for c in text)
