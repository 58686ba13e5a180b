"""Which formats exist: those of the folder, those of other distributions, each name once."""

import sys
from pathlib import Path

import pytest
from trainqc.parsers.contract import Parser
from trainqc.pipeline.registry import DuplicateFormatError, formats

MODULE = """
from trainqc.parsers.contract import Parser, Record
LINE = Record(name="line", hints=("toy ",), pattern=r"^toy (?P<n>[0-9]+)$", examples=("toy 1",))
PARSER = Parser({name!r}, (LINE,), lambda matched: {{}})
"""


def install(folder: Path, name: str, parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip would leave it: one module and a dist-info folder with an entry point."""
    (folder / f"{name}.py").write_text(MODULE.format(name=parser))
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[trainqc.parsers]\n{parser} = {name}:PARSER\n")
    if str(folder) not in sys.path:
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)


def test_formats_of_the_folder() -> None:
    """Every module in parsers/ that has a PARSER is a format under the parser's own name, sorted."""
    names = list(formats().parsers)
    assert {"mmengine", "tqdm"} <= set(names)
    assert names == sorted(names)
    assert all(name == parser.name for name, parser in formats().parsers.items())


def test_a_format_of_another_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point `trainqc.parsers` adds a format without touching this package."""
    install(tmp_path, "strangers_format", "stranger", monkeypatch)
    assert "stranger" in formats().parsers
    assert "toy " in formats().hints


def test_two_formats_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is defined twice is an error that names both places: no one wins in silence."""
    install(tmp_path, "second_tqdm", "tqdm", monkeypatch)
    with pytest.raises(DuplicateFormatError, match=r"'tqdm' is defined twice.*parsers\.tqdm.*second_tqdm"):
        formats()


def test_a_format_given_twice_by_hand() -> None:
    """Parsers that are given by hand obey the same rule."""
    toy = Parser("toy", (), dict)
    with pytest.raises(DuplicateFormatError, match="by one and by other"):
        formats([("one", toy), ("other", toy)])


def test_an_entry_point_that_is_no_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point to something else is a wrong program, and the message names it."""
    install(tmp_path, "no_parser", "nothing", monkeypatch)
    (tmp_path / "no_parser.py").write_text("PARSER = 1\n")
    with pytest.raises(TypeError, match="no_parser:PARSER"):
        formats()
