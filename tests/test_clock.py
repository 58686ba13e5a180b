"""Stamps without a year become dates: from a header, else from the file's time, also over New Year and 29 February."""

import calendar
import datetime as dt

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading import Read, assert_same_in_pieces, read, read_cut
from trainqc.parsers.contract import DURATION, PARTIAL_YEAR, STAMP
from trainqc.pipeline import clock

STAMPED = "{stamp} - mmengine - INFO - Iter(train) [{n:>4}/9000]  lr: 1.0000e-04  eta: 1:00:00  time: 1.0  loss: 0.5\n"


def log(*stamps: str) -> str:
    return "".join(STAMPED.format(stamp=stamp, n=10 * n) for n, stamp in enumerate(stamps, 1))


def dates(found: Read) -> list[str]:
    return [str(moment) for moment in found["progress"].sort("line")["logged_at"]]


def year_from(found: Read) -> list[str]:
    return found["facts"].filter(name="clock_year_from")["value"].to_list()


def at(*when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=dt.UTC)  # type: ignore[misc]


def test_a_full_stamp_is_taken_as_it_is() -> None:
    """A stamp with a year needs nobody, and no fact says that a year was found."""
    found = read(log("2024/04/15 22:47:04"), at=at(2030, 1, 1))
    assert dates(found) == ["2024-04-15 22:47:04"]
    assert year_from(found) == []


def test_the_files_time_gives_the_year() -> None:
    """Without any year the last stamp is the last one before the file's modification."""
    found = read(log("11/20 16:48:46"), at=at(2026, 11, 20, 17))
    assert dates(found) == ["2026-11-20 16:48:46"]
    assert year_from(found) == ["the file's modification time"]
    assert dates(read(log("11/20 16:48:46"), at=at(2026, 3, 1))) == ["2025-11-20 16:48:46"]


def test_the_clock_of_a_host_may_be_ahead() -> None:
    """Local time of a host east of UTC is up to a day after the file's own time: that is no year ago."""
    assert dates(read(log("11/21 07:00:00"), at=at(2026, 11, 20, 17))) == ["2026-11-21 07:00:00"]


def test_a_stamp_with_a_year_in_the_log_decides() -> None:
    """A header with a year is nearer than the time of a file that was copied."""
    found = read(log("2024/04/15 22:47:04", "04/15 22:48:04"), at=at(2030, 1, 1))
    assert dates(found) == ["2024-04-15 22:47:04", "2024-04-15 22:48:04"]
    assert year_from(found) == ["a stamp with a year in the log"]


def test_new_year() -> None:
    """From December to January the year rises: counted back from the file's time, and on from a header."""
    stamps = ("12/31 23:59:00", "01/01 00:01:00", "06/01 00:00:00", "12/31 23:00:00", "01/02 00:00:00")
    wanted = [
        "2024-12-31 23:59:00",
        "2025-01-01 00:01:00",
        "2025-06-01 00:00:00",
        "2025-12-31 23:00:00",
        "2026-01-02 00:00:00",
    ]
    assert dates(read(log(*stamps), at=at(2026, 1, 3))) == wanted
    assert dates(read(log("2024/12/30 00:00:00", *stamps), at=at(2031, 1, 1)))[1:] == wanted


def test_a_small_step_back_is_no_new_year() -> None:
    """Logs put together, or a clock that was set, step back by days: the year stays."""
    assert dates(read(log("11/20 10:00:00", "11/18 10:00:00"), at=at(2026, 12, 1))) == [
        "2026-11-20 10:00:00",
        "2026-11-18 10:00:00",
    ]


def test_29_february() -> None:
    """The leap day is read, and does not move the days behind it."""
    stamps = ("02/28 23:00:00", "02/29 12:00:00", "03/01 01:00:00", "12/31 01:00:00")
    wanted = ["2024-02-28 23:00:00", "2024-02-29 12:00:00", "2024-03-01 01:00:00", "2024-12-31 01:00:00"]
    assert dates(read(log(*stamps), at=at(2025, 1, 3))) == wanted
    others = ("02/28 23:00:00", "03/01 01:00:00", "12/31 01:00:00")
    assert dates(read(log(*others), at=at(2026, 1, 3))) == [
        "2025-02-28 23:00:00",
        "2025-03-01 01:00:00",
        "2025-12-31 01:00:00",
    ]


@pytest.mark.parametrize("modified", [at(2024, 2, 29, 12), at(2025, 3, 1)])
def test_a_log_that_ends_on_the_leap_day(modified: dt.datetime) -> None:
    """29 February is of a leap year, whenever the file was changed."""
    assert dates(read(log("02/29 11:00:00"), at=modified)) == ["2024-02-29 11:00:00"]


def test_no_such_day() -> None:
    """A stamp that is no date leaves the row without one, and is an issue."""
    found = read(log("13/45 11:00:00", "11/20 10:00:00"), at=at(2026, 12, 1))
    assert found["progress"].sort("line")["logged_at"].null_count() == 1
    assert found["issues"].select("line", "code", "column", "count").rows() == [(1, "bad_value", "logged_at", 1)]


def test_logs_of_a_batch_have_their_own_years() -> None:
    """New Years of one log are not counted in the next one."""
    found = read(log("12/31 23:00:00", "01/01 01:00:00"), log("12/30 10:00:00"), at=at(2026, 1, 3))
    assert dates(found.of(0)) == ["2025-12-31 23:00:00", "2026-01-01 01:00:00"]
    assert dates(found.of(1)) == ["2025-12-30 10:00:00"]


def test_new_year_at_the_border_of_a_piece() -> None:
    """A large log that begins with a year keeps it over pieces, wherever New Year falls."""
    text = log("2024/12/30 00:00:00", "12/31 23:00:00", "01/01 01:00:00", "12/31 23:00:00", "01/01 02:00:00").encode()
    ends = [i + 1 for i, byte in enumerate(text) if byte == 10][:-1]
    whole = read(text)
    assert dates(whole)[-1] == "2026-01-01 02:00:00"
    for end in ends:
        assert_same_in_pieces(whole, read_cut(text, end))
    assert_same_in_pieces(whole, read_cut(text, *ends))


def test_clocks_are_first_and_last() -> None:
    """`clocks` holds the first and the last stamp of a log."""
    found = read(log("2024/04/15 22:47:04", "2024/04/15 22:48:04", "2024/04/15 22:49:04"))
    assert found["clocks"].sort("line").select("line", "logged_at").rows() == [
        (1, dt.datetime(2024, 4, 15, 22, 47, 4)),
        (3, dt.datetime(2024, 4, 15, 22, 49, 4)),
    ]


def test_dates_that_swing() -> None:
    """Logs that were put together, a thousand times from December to January: rows without a date rather than the year
    1025 or a traceback, whole or in pieces."""
    text = log(*("12/31 23:00:00", "01/01 01:00:00") * 1000)
    found = read(text, at=at(2026, 1, 3))
    stamps = found["progress"].sort("line")["logged_at"]
    assert str(stamps[-1]) == "2026-01-01 01:00:00"
    assert stamps[0] is None
    middle = text.index("12/31", len(text) // 2)
    assert read_cut(text.encode(), middle, at=at(2026, 1, 3))["progress"].height == 2000


def test_every_day_of_every_year() -> None:
    """Days are moved to their year as the calendar does, leap years and centuries included."""
    for year in (1996, 1999, 2000, 2024, 2025, 2100):
        days = [dt.datetime(year, 1, 1) + dt.timedelta(days=n) for n in range(0, 365, 7)]
        text = log(f"{days[0]:%Y/%m/%d %H:%M:%S}", *(f"{day:%m/%d %H:%M:%S}" for day in days))
        assert dates(read(text))[1:] == [str(day) for day in days]


days = st.datetimes(dt.datetime(PARTIAL_YEAR, 1, 1), dt.datetime(PARTIAL_YEAR, 12, 31))


@settings(deadline=None)
@given(st.lists(st.tuples(days, st.integers(1900, 2300))))
def test_a_day_moves_to_a_year(pairs: list[tuple[dt.datetime, int]]) -> None:
    """The same day in another year; 29 February falls on 1 March where there is none; far years say nothing."""
    stamps = pl.Series([stamp for stamp, _ in pairs], dtype=pl.Datetime("us"))
    found = clock._in_years(stamps, pl.Series([year for _, year in pairs], dtype=pl.Int32)).to_list()
    for (stamp, year), moved in zip(pairs, found, strict=True):
        if not clock.YEARS[0] <= year <= clock.YEARS[1]:
            assert moved is None
        elif (stamp.month, stamp.day) == (2, 29) and not calendar.isleap(year):
            assert moved == stamp.replace(year=year, month=3, day=1)
        else:
            assert moved == stamp.replace(year=year)


@settings(deadline=None)
@given(st.lists(days))
@example([dt.datetime(PARTIAL_YEAR, 2, 28), dt.datetime(PARTIAL_YEAR, 2, 29), dt.datetime(PARTIAL_YEAR, 3, 1)])
def test_a_stamp_without_a_year_is_read(moments: list[dt.datetime]) -> None:
    """Every second of a leap year; what is no day of one is no stamp."""
    told = [moment.replace(microsecond=0) for moment in moments]
    printed = pl.Series([moment.strftime("%m/%d %H:%M:%S") for moment in told] + ["02/30 00:00:00"], dtype=pl.String)
    assert STAMP.read(printed).to_list() == [*told, None]


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6)))
@example([86399, 86400])
def test_a_clock_is_read(seconds: list[int]) -> None:
    """tqdm's `MM:SS` and `H:MM:SS`, also behind a day's end."""
    parts = [(s // 3600, s // 60 % 60, s % 60) for s in seconds]
    hours = pl.Series([f"{h}:{m:02}:{s:02}" for h, m, s in parts], dtype=pl.String)
    short = pl.Series([f"{h}:{m:02}:{s:02}" if h else f"{m:02}:{s:02}" for h, m, s in parts], dtype=pl.String)
    assert DURATION.read(hours).to_list() == DURATION.read(short).to_list() == seconds
