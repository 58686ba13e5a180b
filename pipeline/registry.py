"""Which formats exist: every module of `parsers/`, and the entry points `trainqc.parsers` of other distributions."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points

from .. import parsers as built_in
from ..parsers.contract import Parser
from .detect import Formats

GROUP = "trainqc.parsers"


class DuplicateFormatError(ValueError):
    """Two parsers have one name: nobody could tell whose rows are whose."""

    @classmethod
    def of(cls, name: str, one: str, other: str) -> "DuplicateFormatError":
        return cls(f"the format {name!r} is defined twice, by {one} and by {other}: remove or rename one of them")


def formats(more: Iterable[tuple[str, Parser]] = ()) -> Formats:
    """All parsers by name, sorted; `more` are parsers that were given by hand, with a word for where they come from.

    Raises DuplicateFormatError where two have one name.
    """
    found: dict[str, Parser] = {}
    origin: dict[str, str] = {}
    for where, parser in (*_built_in(), *_plugged_in(), *more):
        if parser.name in found:
            raise DuplicateFormatError.of(parser.name, origin[parser.name], where)
        found[parser.name], origin[parser.name] = parser, where
    return Formats(dict(sorted(found.items())))


def _built_in() -> Iterator[tuple[str, Parser]]:
    for module in pkgutil.iter_modules(built_in.__path__, f"{built_in.__name__}."):
        parser = getattr(importlib.import_module(module.name), "PARSER", None)
        if isinstance(parser, Parser):
            yield module.name, parser


def _plugged_in() -> Iterator[tuple[str, Parser]]:
    for point in entry_points(group=GROUP):
        parser = point.load()
        if not isinstance(parser, Parser):
            raise TypeError(f"the entry point {GROUP}:{point.name} = {point.value} is no trainqc Parser")
        yield f"{point.value} ({point.dist.name if point.dist else 'unknown distribution'})", parser
