"""Learned layouts: a pattern from one line that reads all lines of its kind, and no other."""

import polars as pl
import regex
from hypothesis import given
from hypothesis import strategies as st
from trainqc.parsers.contract import FLOAT, INT, STAMP, TEXT, Pairs, Record
from trainqc.pipeline.capture import _read
from trainqc.pipeline.layout import generalised, learn

STEP = Record(
    name="step",
    hints=("step ",),
    pattern=r"^(?:(?P<logged_at>[0-9/]{10} [0-9:]{8}) )?step (?P<n>[0-9]+):(?P<pairs>.*?)(?:\|(?P<tail>.*))?$",
    fields={"logged_at": STAMP, "n": INT, "who": TEXT},
    pairs=Pairs(r"(?P<name>[a-z]+)=(?P<value>[^ |]*)", {"lr": FLOAT}),
    examples=("step 1: loss=0.5 lr=0.1",),
)


def fits(example: str, *lines: str) -> list[bool]:
    """Which lines the layout of the example reads."""
    layout = learn(STEP, example)
    assert layout is not None
    whole, _ = _read(layout, pl.Series("text", lines))
    return whole.to_list()


def test_lines_of_one_layout_differ_in_numbers() -> None:
    """Other digits, widths and blanks fit; another order of names, other words and a missing part do not."""
    same = ["step 20: loss=1.25 lr=2e-5", "step  7: loss=nan lr=0.1", "step 3: loss=0.5 lr=0.1  "]
    other = ["step 1: lr=0.1 loss=0.5", "step 1: loss=0.5", "stop 1: loss=0.5 lr=0.1", "step 1: loss=0.5 lr=0.1 x=2"]
    assert fits("step 1: loss=0.5 lr=0.1", *same) == [True] * len(same)
    assert fits("step 1: loss=0.5 lr=0.1", *other) == [False] * len(other)


def test_a_name_keeps_its_digits() -> None:
    """`loss_1` and `loss_2` are two metrics: a layout learned from one does not read the other under its name."""
    numbered = Record(
        name="step",
        hints=("step ",),
        pattern=r"^step (?P<n>[0-9]+):(?P<pairs>.*)$",
        fields={"n": INT},
        pairs=Pairs(r"(?P<name>[a-z_0-9]+)=(?P<value>[^ ]*)"),
        examples=("step 1: loss_1=0.5",),
    )
    layout = learn(numbered, "step 1: loss_1=0.5 acc_5=0.7")
    assert layout is not None
    lines = ["step 22: loss_1=0.25  acc_5=0.7", "step 2: loss_2=0.5 acc_5=0.7", "step 2: loss_1=0.5 acc_1=0.7"]
    whole, _ = _read(layout, pl.Series("text", lines))
    assert whole.to_list() == [True, False, False]


def test_a_layout_knows_its_groups() -> None:
    """Fields, known pairs, free pairs and the tail are told apart; a name that stands twice counts once."""
    layout = learn(STEP, "step 1: loss=0.5 lr=0.1 loss=0.7|more")
    assert layout is not None
    groups = [(g.kind, g.name) for _, groups, _ in layout.parts for g in groups]
    assert groups == [("field", "n"), ("free", "loss"), ("known", "lr"), ("tail", "tail")]


def test_a_long_line_has_no_gaps() -> None:
    """A line with more pairs than one pattern takes is of a layout only where nothing stands between its parts."""
    names = "abcdefghijklmnopqrstuvwxyz"
    pairs = [f"{name}={number}.5" for number, name in enumerate(names)]
    example = "step 1: " + " ".join(pairs)
    for at in range(1, len(pairs)):
        more = "step 1: " + " ".join([*pairs[:at], "extra=7", *pairs[at:]])
        less = "step 1: " + " ".join([*pairs[:at], *pairs[at + 1 :]])
        assert fits(example, example.replace(".5", ".25"), more, less) == [True, False, False], at


def test_a_line_that_the_record_does_not_claim() -> None:
    """There is nothing to learn from it."""
    assert learn(STEP, "no such line") is None


def test_a_pattern_that_cannot_be_decided() -> None:
    """A pattern that backtracks for ever on a line is given up on; polars' engine reads the line."""
    slow = Record(name="slow", hints=("a",), pattern=r"^(?P<x>(?:a|a|b?)*)*c$", fields={"x": TEXT}, examples=("c",))
    assert learn(slow, "a" * 4000) is None


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=60))
def test_a_generalised_text_fits_itself(text: str) -> None:
    """Both engines read the pattern that is made from a text, and find the whole text in it."""
    pattern = f"^{generalised(text)}$"
    assert regex.search(pattern, text)
    assert pl.Series([text]).str.contains(pattern).to_list() == [True]
