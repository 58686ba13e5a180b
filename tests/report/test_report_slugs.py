"""Names of page files: safe, unique, stable."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainqc.pipeline.report.slugs import LONGEST, slug, slugs


@given(st.lists(st.text(max_size=120), max_size=20))
def test_any_names_become_safe_and_unique_file_names(names: list[str]):
    """Whatever the names: one path component, no leading dot or dash, at most 80 characters, unique without case."""
    chosen = slugs({f"{place:08x}": name for place, name in enumerate(names)})
    for text in chosen.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", text)
        assert len(text) <= LONGEST
        assert PurePosixPath(text).name == text
    assert len({text.casefold() for text in chosen.values()}) == len(names)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", ".hidden", "a/b", "a\\b", "..", "con", "NUL.txt", "-rf", ""]
)
def test_no_name_escapes_its_folder(name: str):
    """Separators, parents, hidden names, devices and options are disarmed."""
    text = slug(name)
    assert "/" not in text
    assert "\\" not in text
    assert not text.startswith((".", "-"))
    assert text.casefold().split(".")[0] not in ("con", "nul")


def test_a_plain_name_stays_as_it_is():
    """A name that is safe is its own file name, whatever other runs there are."""
    assert slugs({"1": "sa2va_vessel", "2": "v1.5-b32"}) == {"1": "sa2va_vessel", "2": "v1.5-b32"}


def test_names_that_differ_by_case_get_their_ids():
    """`Run` and `run` would share a file on some systems: both carry their id, in whatever order they come."""
    ids = {"aaaaaaaaaa": "Run", "bbbbbbbbbb": "run"}
    assert slugs(ids) == {"aaaaaaaaaa": "Run-aaaaaaaa", "bbbbbbbbbb": "run-bbbbbbbb"}
    assert slugs(dict(reversed(ids.items()))) == slugs(ids)


def test_a_page_and_a_chart_folder_never_share_a_name():
    """The chart folder of a run named `a.md` would take the page of run `a`."""
    chosen = slugs({"11111111": "a", "22222222": "a.md"})
    assert chosen["11111111"] == "a"
    assert not chosen["22222222"].endswith(".md")


def test_names_lost_to_other_alphabets_stay_apart():
    """Two names without one safe character get two files."""
    chosen = slugs({"aaaaaaaa": "训练", "bbbbbbbb": "验证"})
    assert len(set(chosen.values())) == 2
