"""How numbers and durations are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainqc.pipeline.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0, "0"), (1224, "1,224"), (153.0, "153"), (152.5, "152.5"), (math.nan, "?"), (288_000, "288,000")],
)
def test_counts(value: float | None, text: str):
    """Counts have separators; unknown is `?`."""
    assert words.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0.0136, "0.01"), (0.004, "< 0.01"), (0, "0"), (0.999, "1"), (4.2617, "4.26"), (65.9, "65.9")],
)
def test_gpu_hours(value: float | None, text: str):
    """Nobody is billed for less than a hundredth of an hour."""
    assert words.gpu_hours(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"), (0.62, "0.62"), (222.257, "222"), (16.0, "16"), (182_857.1, "182,857"), (1.5e-7, "1.50e-07"),
        (0.000123, "0.000123"), (math.nan, "NaN"), (-math.inf, "-inf"), (9.999, "10"), (0, "0"),
    ],
)  # fmt: skip
def test_measurements(value: float | None, text: str):
    """Measurements have three digits that mean something."""
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.62, "0.620"), (16, "16.0"), (3.4, "3.40"), (9.999, "10.0"), (None, "?")]
)
def test_measurements_in_a_column_keep_their_zeros(value: float | None, text: str):
    """In a column the digits line up."""
    assert words.measured(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"), (0, "0 s"), (2.1, "2.1 s"), (43, "43 s"), (59.97, "1 min"), (528, "8.8 min"), (1440, "24 min"),
        (3599, "1 h"), (4740, "1 h 19 min"), (59_280, "16 h 28 min"), (183_600, "2 d 3 h"), (-60, "-1 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str):
    """A duration has its two largest units."""
    assert words.duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e9))
def test_a_duration_never_names_sixty_minutes(seconds: float):
    """Rounding carries over: never 60 s, 60 min or 24 h."""
    text = words.duration(seconds)
    assert not any(wrong in text.split(" ") for wrong in ("60", "60.0"))
    assert "d 24 h" not in text


@given(st.text(max_size=400))
def test_one_line_is_one_short_printable_line(text: str):
    """Whatever the text, no control or format character and no newline is left; twice is the same as once."""
    line = words.one_line(text, 100)
    assert len(line) <= 100
    assert line.isprintable() or not line
    assert words.one_line(line, 100) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]8;;http://evil\x07b", "ab"),
        ("a\r\n\tb", "a b"),
        ("\u202eabc", "abc"),
        ("训练 100%", "训练 100%"),
        (None, ""),
    ],
)
def test_escape_sequences_vanish_and_text_stays(text: str | None, line: str):
    """Colours, titles and links of a terminal go, what a person reads stays."""
    assert words.one_line(text) == line


def test_a_closing_sequence_may_be_missing_without_cost():
    """A title that is never closed does not swallow a megabyte."""
    assert len(words.one_line("\x1b]0;" + "x" * 1_000_000, 300)) <= 300


def test_nouns_follow_their_number():
    """1 update, 2 updates, ? updates."""
    assert [words.plural(n, "update") for n in (1, 2, None)] == ["1 update", "2 updates", "? updates"]
