"""Text of logs and names of files may not become anything but text, in whatever place of the report."""

import json
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_hand_made import LATER, LOG, attempts, facts, findings, fleet, logs, run_tables, sa2va, sources
from trainqc.pipeline.report import console, markdown
from trainqc.pipeline.report.fleet_page import index
from trainqc.pipeline.report.model import Bullets, Code, Note, Paragraph, Report, Section, Table, phrase
from trainqc.pipeline.report.overview import FleetTables, overview
from trainqc.pipeline.report.page import page
from trainqc.pipeline.report.words import one_line

HOSTILE = [
    "[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<script>alert(1)</script>",
    "<http://evil.example>",
    "https://evil.example and www.evil.example",
    "mail me@evil.example @everyone",
    "a | b | c",
    "`code` ``more`` `",
    "\\`not\\` \\| \\",
    "\n# heading\n\n- list\n",
    "# heading",
    "- item",
    "1. item",
    "===",
    "---",
    "> quote",
    "    indented",
    "```\nfence",
    "~~gone~~ **bold** _em_ __strong__",
    "&lt;b&gt; &#x41;",
    "$\\evil{x}$",
    "[^1]: note",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x9b31m",
    "\u202egnp.exe\u2066",
    "\x00\x07\x08\x7f\x85\u2028end",
    "[bold red]markup[/bold red] [link=http://evil.example]x[/link]",
    "x" * 5000,
    "",
]

ALLOWED = {"text", "code_inline", "strong_open", "strong_close"}


def tokens(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        yield token
        yield from token.children or ()


def skeleton(text: str) -> list[tuple[str, str]]:
    """The structure of a page without its words: what a hostile text must not change."""
    kinds = ((token.type, str(token.attrs.get("href", token.attrs.get("src", "")))) for token in tokens(text))
    return [kind for kind in kinds if kind[0] not in ("text", "code_inline", "inline", "softbreak")]


def shown(text: str) -> str:
    """What a reader sees of inline Markdown."""
    return "".join(token.content for token in tokens(text) if token.type in ("text", "code_inline"))


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from(string.punctuation + " \n\t")), max_size=60))
def test_any_text_shows_as_itself(text: str):
    """Whatever the text, its Markdown is nothing but text, and shows the same characters (on one line, harmless)."""
    page_text = markdown.render(Report("t", (Paragraph(phrase("a ", text, " z")),), ()))
    body = page_text.split("\n\n", 1)[1]
    kinds = {token.type for token in tokens(body)} - {"paragraph_open", "paragraph_close", "inline"}
    assert kinds <= {"text"}
    assert shown(body).replace(markdown.WORD_JOINER, "").split() == f"a {one_line(text)} z".split()


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("`|\\ #-\n")), max_size=40))
def test_any_code_shows_as_itself(text: str):
    """Whatever the text of a line of a log, its code span holds exactly that text and ends where it ends."""
    clean = one_line(text)
    body = f"a {markdown.code(text)} z"
    assert {token.type for token in tokens(body)} <= {"paragraph_open", "paragraph_close", "inline", *ALLOWED}
    assert shown(body).split() == f"a {clean} z".split()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_place_of_a_page_lets_text_become_structure(text: str):
    """Title, paragraph, list, table cell, code and footnote: the page has the same structure as with harmless text."""

    def rendered(text: str) -> str:
        cells = (phrase(text), phrase(Code(text), Note(phrase(text, Code(text)))))
        blocks = (
            Paragraph(phrase(text)),
            Bullets((phrase(text), phrase("x ", text)), numbered=True),
            Table((text, "b"), "lr", (cells, cells)),
        )
        return markdown.render(Report(text, blocks, (Section(text, blocks),)))

    page_text = rendered(text)
    assert [line.count("|") for line in page_text.splitlines() if line.startswith("| ")] == [3] * 6
    if text.strip():
        assert skeleton(page_text) == skeleton(rendered("harmless"))
    assert "://" not in without_code(page_text)
    assert not re.search(r"@\w|www\.", without_code(page_text))
    assert not harmful(page_text)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_column_of_the_tables_changes_a_page(text: str):
    """A hostile run name, message, path, owner, metric or source text leaves the structure of both pages as it was."""
    assert page_skeleton(text or "x") == page_skeleton("harmless")


def page_skeleton(text: str) -> list[tuple[str, str]]:
    run = sa2va() | {
        "name": text,
        "owner": text,
        "hosts": [text],
        "job_id": text,
        "experiment": text,
        "state_reason": text,
        "gpu_name": text,
        "best_metric": text,
        "best_value": 1.0,
        "log_paths": [text],
        "caveats": [text, text + " "],
    }
    said = pl.lit(text)
    changed: dict[str, pl.DataFrame] = {
        "findings": findings().with_columns(message=said, advice=said),
        "logs": logs().head(1).with_columns(path=said),
        "facts": facts().with_columns(value=said),
        "sources": sources().with_columns(text=said),
    }
    one = markdown.render(page(run_tables(run, **changed)))
    many = markdown.render(index(overview(hostile_fleet(text)), {"5a2a0001": "runs/a.md"}, now=LATER))
    assert not harmful(one + many)
    return skeleton(one) + skeleton(many)


def hostile_fleet(text: str) -> FleetTables:
    said = pl.lit(text)
    tables = fleet(sa2va() | {"name": text, "best_metric": text, "best_value": 1.0})
    log_rows = logs().with_columns(path=said, message=said)
    return FleetTables(tables.runs, findings().with_columns(message=said, advice=said), attempts(), log_rows)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("colour", [False, True])
def test_no_log_can_colour_or_move_the_terminal(text: str, colour: bool):
    """The summary holds no control character but its own styles, and rich markup in a name stays text."""
    places = console.Places(Path("out/report/index.md"), Path("out/tables"))
    got = console.summary(overview(hostile_fleet(text)), places=places, width=120, colour=colour)
    assert not harmful(re.sub(r"\x1b\[[0-9;]*m", "", got) if colour else got)
    styles = set(re.findall(r"\x1b\[[0-9;]*m", got))
    assert styles <= {f"\x1b[{code}m" for code in ("0", "1", "2", "1;31", "31", "32", "33", "36")}
    if "[bold red]" in text:
        assert "[bold red]markup" in got


def test_the_json_form_is_json_whatever_the_text():
    """`--json` survives any text and keeps it whole."""
    for text in HOSTILE:
        content = console.as_dict(overview(hostile_fleet(text)), places=console.Places(None, Path("t")))
        assert json.loads(json.dumps(content))["looks"][0]["message"] == text


def test_a_table_refuses_a_row_of_another_width():
    """A table whose rows do not fit its headers is a defect and says so."""
    with pytest.raises(ValueError, match="number of columns"):
        Table(("a", "b"), "ll", ((phrase("x"),),))


def test_a_path_with_a_pipe_stays_in_its_cell():
    """A finding whose log has a `|` in its path keeps the four columns of its table."""
    tables = run_tables(sa2va(), logs=logs().head(1).with_columns(path=pl.lit(f"a|b/{LOG}")))
    rows = [line for line in markdown.render(page(tables)).splitlines() if line.startswith("| !")]
    assert [row.count("|") for row in rows] == [5]


def without_code(text: str) -> str:
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def harmful(text: str) -> Any:
    return re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)
