"""Bytes → numbered text: what ends a line, what ends a redraw, what is cleaned away, what is kept however large."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from trainqc.pipeline import chunks as reading
from trainqc.pipeline import lines as room
from trainqc.pipeline.chunks import ODD, Chunk, join, open_text, read_chunks
from trainqc.pipeline.lines import LINES, Lines, split


def lines(data: bytes) -> Lines:
    return split([Chunk(0, data, first=True, last=True)])


def texts(data: bytes) -> list[str]:
    return lines(data).frame["text"].to_list()


def numbers(data: bytes) -> list[tuple[int, int, str]]:
    return lines(data).frame.select("line", "redraw", "text").rows()


def codes(data: bytes) -> list[str]:
    return lines(data).issues["code"].to_list()


# ── lines and redraws ────────────────────────────────────────────────────────────────────────────────────────────────


def test_lines_and_redraws_are_numbered() -> None:
    """Lines count from 1 by `\\n`, redraws from 0 among the non-empty ones of their line."""
    assert numbers(b"a\n\rb\r\r   \rc\n\nd") == [(1, 0, "a"), (2, 0, "b"), (2, 1, "c"), (4, 0, "d")]


def test_line_ends_of_windows_and_terminals() -> None:
    """CRLF is one line end and no redraw."""
    assert numbers(b"a\r\nb\r\n") == [(1, 0, "a"), (2, 0, "b")]


def test_runs_of_backspaces_end_a_redraw() -> None:
    """Keras erases with as many `\\b` as the bar is wide: one run is one border."""
    assert numbers(b"1/9 [>..]\b\b\b\b\b\b2/9 [=>.]\b\b\n") == [(1, 0, "1/9 [>..]"), (1, 1, "2/9 [=>.]")]


def test_padding_is_no_text() -> None:
    """Blanks that erase a longer redraw before are stripped; leading ones and those of plain lines say something."""
    assert texts(b"a bar   \rb  \n") == ["a bar", "b"]
    assert texts(b"    indented\n") == ["    indented"]


def test_cursor_columns_end_a_redraw() -> None:
    """`ESC[K` and `ESC[1G` begin the line anew, as Rich and tqdm on terminals do."""
    assert texts(b"10%\x1b[2K20%\x1b[1G30%\n") == ["10%", "20%", "30%"]


@pytest.mark.parametrize(
    "escape",
    [
        b"\x1b[0m",
        b"\x1b[38;2;249;38;114m",
        b"\x1b[?25l",
        b"\x1b]0;title\x07",
        b"\x1b]8;;http://x\x1b\\",
        b"\x1bPq#0\x1b\\",
        b"\x1b(B",
    ],
    ids=["sgr", "rgb", "private", "osc", "link", "dcs", "charset"],
)
def test_escape_sequences_are_no_text(escape: bytes) -> None:
    """CSI, OSC and string sequences vanish wherever they stand."""
    assert texts(b"left" + escape + b"right" + escape + b"\n") == ["leftright"]


@pytest.mark.parametrize("up", [b"\x1b[A", b"[A"], ids=["escape", "lone"])
def test_nested_bars_have_rows(up: bytes) -> None:
    """tqdm moves down, draws and comes back up: how often is the depth of the bar, also without ESC."""
    frame = lines(b"\router 0/2\n\rinner 0/5" + up + b"\n\n\rinmost 0/9" + up + up + b"\router 1/2\n").frame
    assert frame.select("text", "row").rows() == [
        ("outer 0/2", 0),
        ("inner 0/5", 1),
        ("inmost 0/9", 2),
        ("outer 1/2", 0),
    ]


def test_a_bracket_in_plain_text_stays() -> None:
    """`[A` in a log without redraws is what somebody wrote."""
    assert texts(b"choose [A\n") == ["choose [A"]


# ── bytes that are no text ───────────────────────────────────────────────────────────────────────────────────────────


def test_byte_order_mark() -> None:
    """UTF-8 with BOM: the mark is no text, and the encoding is told."""
    found = lines("\ufeffloss: 0.5\n".encode())
    assert found.frame["text"].to_list() == ["loss: 0.5"]
    assert found.issues.is_empty()


def test_invalid_bytes_are_repaired_in_their_log() -> None:
    """An invalid byte costs its character and an issue in its own log; the other logs of the batch stay as they are."""
    good = "größe 100%|██████████|\n".encode()
    found = split(
        [Chunk(0, good, first=True, last=True), Chunk(1, b"step 1\nst\xffep 2 " + good, first=True, last=True)]
    )
    assert found.frame["text"].to_list() == ["größe 100%|██████████|", "step 1", "st\ufffdep 2 größe 100%|██████████|"]
    assert found.issues.select("log", "code").rows() == [(1, "bad_bytes")]


def test_nul_holes_are_cut_out() -> None:
    """A hole that a crashed node leaves in a file is no text, and is told."""
    found = lines(b"step 1\n" + b"\0" * 4096 + b"step 2\n")
    assert found.frame["text"].to_list() == ["step 1", "step 2"]
    assert found.issues["code"].to_list() == ["nul_bytes"]


@pytest.mark.parametrize("odd", [b"\x1b[0m\n", b"a\rb\n", b"a[A\rb\n"], ids=["escape", "redraw", "nested"])
def test_a_neighbour_in_the_batch_changes_nothing(odd: bytes) -> None:
    """Trailing blanks, `[A`, separators and control characters of a plain log stay as they are beside a log of bars."""
    plain = b"choose [A\nx \ny\x1cz\n\x01\n"
    beside = split([Chunk(0, odd, first=True, last=True), Chunk(1, plain, first=True, last=True)]).frame
    assert beside.filter(pl.col("log") == 1)["text"].to_list() == texts(plain)


def test_plain_text_has_no_issues() -> None:
    """Nothing odd, no issue."""
    assert codes("step 1: ok ✓\n".encode() * 3) == []


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def pieces(data: bytes, size: int) -> list[Chunk]:
    return list(read_chunks(io.BytesIO(data), 0, size))


def test_chunks_are_cut_at_line_ends() -> None:
    """Chunks put together are the log; each but the last ends where a line or a redraw does."""
    data = b"".join(b"line %d\n" % n for n in range(500))
    chunks = pieces(data, 700)
    assert b"".join(c.data for c in chunks) == data
    assert all(c.data.endswith(b"\n") for c in chunks)
    assert [c.first for c in chunks] == [True] + [False] * (len(chunks) - 1)
    assert [c.last for c in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_line_of_redraws_is_cut_at_redraws() -> None:
    """600,000 redraws on one line are read in bounded memory, in pieces that end with a redraw."""
    data = b"".join(b"\r%3d%%|" % n for n in range(100)) + b"\n"
    chunks = pieces(data, 64)
    assert b"".join(c.data for c in chunks) == data
    assert all(c.data[-1:] in b"\r\n" for c in chunks)
    assert max(len(c.data) for c in chunks) < 3 * 64


def test_a_line_without_separators_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a gigabyte without any separator LINE_BYTES are kept, with an issue; the lines behind it are not lost."""
    monkeypatch.setattr(reading, "LINE_BYTES", 50)
    monkeypatch.setattr(room, "LINE_BYTES", 50)
    data = b"first\n" + b"x" * 100_000 + b"\nlast\n"
    chunks = pieces(data, 1000)
    assert max(len(c.data) for c in chunks) <= 2 * 1000
    found = [split([c]) for c in chunks]
    kept = [text for f in found for text in f.frame["text"].to_list()]
    assert [kept[0], kept[-1]] == ["first", "last"]
    assert set("".join(kept[1:-1])) <= {"x"}
    assert sum(map(len, kept[1:-1])) <= 1000
    assert [code for f in found for code in f.issues["code"].to_list()] == ["long_line"]


def test_a_long_line_within_a_chunk_is_kept_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base64 blob of a megabyte does not become a cell of a table."""
    monkeypatch.setattr(room, "LINE_BYTES", 400)
    found = lines(b"ok\n" + b"y" * 5000 + b"\nok\n")
    assert [len(t) for t in found.frame["text"]] == [2, 100, 2]
    assert found.issues.select("line", "code").rows() == [(2, "long_line")]


# ── compression ──────────────────────────────────────────────────────────────────────────────────────────────────────

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}
TEXT = b"".join(b"step %d loss: %f\n" % (n, 1 / (n + 1)) for n in range(30_000))


@pytest.mark.parametrize("kind", PACKERS)
def test_compressed_logs(kind: str, tmp_path: Path) -> None:
    """gz, bz2, xz and zst are known by their first bytes, whatever the name, and read through."""
    file = tmp_path / "train.log"
    file.write_bytes(PACKERS[kind](TEXT[:200_000]) + PACKERS[kind](TEXT[200_000:]))
    stream, found = open_text(file)
    with stream:
        chunks = list(read_chunks(stream, 0))
    assert found == kind
    assert b"".join(c.data for c in chunks) == TEXT
    assert [c.issues for c in chunks if c.issues] == []


@pytest.mark.parametrize("kind", PACKERS)
def test_damaged_compression_keeps_what_was_read(kind: str, tmp_path: Path) -> None:
    """A stream that breaks off is read up to there, and the log says `truncated`."""
    file = tmp_path / "train.log.gz"
    whole = PACKERS[kind](TEXT)
    file.write_bytes(whole[: len(whole) - 20])
    stream, _ = open_text(file)
    with stream:
        chunks = list(read_chunks(stream, 0))
    kept = b"".join(c.data for c in chunks)
    assert TEXT.startswith(kept)
    assert len(kept) > len(TEXT) // 3 or kind == "bz2"  # which gives whole blocks of 900 kB
    assert [i.partition(":")[0] for c in chunks for i in c.issues] == ["truncated"]


# ── any bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────

noise = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [
                b"\n",
                b"\r",
                b"\r\n",
                b"\b\b",
                b"\x1b[A",
                b"\x1b[2K",
                b"\x1b",
                b"[A",
                b"\0",
                b"\xff",
                b"\x1c",
                b"  ",
                b"50%|",
            ]
        ),
    ),
    max_size=40,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(noise)
def test_any_bytes_are_numbered(data: bytes) -> None:
    """Whatever the bytes: no exception; lines rise, redraws count from 0 without a gap, no text is blank."""
    found = lines(data)
    frame = found.frame
    assert frame.schema == LINES
    assert frame["seq"].to_list() == list(range(frame.height))
    assert frame["line"].is_sorted()
    redraws = frame.group_by("line").agg("redraw")["redraw"].to_list()
    assert all(r == list(range(len(r))) for r in redraws)
    assert frame.filter(pl.col("text").str.contains(r"[\n\r\x08\x1b\x00]")).is_empty()
    assert (frame["line"].max() or 0) <= found.physical["lines"].sum()


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.text(
            alphabet=st.characters(
                min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")
            )
        ),
        max_size=20,
    )
)
def test_plain_text_is_kept(written: list[str]) -> None:
    """Lines without control characters come back as they are, under the numbers that `\\n` gives them."""
    data = "".join(f"{line}\n" for line in written).encode()
    found = lines(data)
    wanted = [(n, 0, line.removeprefix("\ufeff")) for n, line in enumerate(written, 1) if line.removeprefix("\ufeff")]
    assert found.frame.select("line", "redraw", "text").rows() == wanted
    assert found.physical["lines"].to_list() == [len(written)]


@settings(deadline=None, max_examples=200)
@given(st.lists(noise, min_size=1, max_size=5))
def test_logs_of_a_batch_do_not_touch(logs: list[bytes]) -> None:
    """A batch gives each log the lines that it has alone."""
    batch = split([Chunk(n, log, first=True, last=True) for n, log in enumerate(logs)])
    columns = ("line", "redraw", "row", "text")
    for n, log in enumerate(logs):
        mine, alone = batch.frame.filter(pl.col("log") == n), lines(log).frame
        text = mine.select(columns).rows()
        assert text == alone.select(columns).rows()
    assert batch.physical["lines"].to_list() == [lines(log).physical["lines"].sum() for log in logs]


@settings(deadline=None, max_examples=200)
@given(st.lists(noise, min_size=1, max_size=5))
def test_joined_logs_are_the_logs(logs: list[bytes]) -> None:
    """Logs that are joined while they are read give what they give as chunks, and come apart again."""
    joined = join(logs)
    chunks = [Chunk(n, log, first=True, last=True) for n, log in enumerate(logs)]
    assert joined.chunks() == chunks
    assert joined.odd == {byte for byte in ODD if byte in b"".join(logs)}
    together, apart = split(joined), split(chunks)
    for mine, theirs in ((together.frame, apart.frame), (together.physical, apart.physical)):
        assert mine.equals(theirs)
    assert together.issues.equals(apart.issues)


def test_joined_logs_of_any_encoding() -> None:
    """A log that is no plain UTF-8 is read as it lies on disk: the line end behind it is none of its own."""
    encodings = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be")
    logs = [text.encode(name) for text in ("step 1\nstep 2", "step é") for name in encodings]
    found = split(join(logs)).frame.group_by("log", maintain_order=True).agg("text")["text"].to_list()
    assert found == [["step 1", "step 2"]] * 4 + [["step é"]] * 4


@pytest.mark.parametrize(
    "begin", [b"x^2 + 1", b"x\x01abc", b"\x1f\x8b\x01", b"\x28\xb5\x2f\xfd1", b"BZh9", b"PK\x03\x04"]
)
def test_text_that_begins_as_a_compressed_file_does(begin: bytes) -> None:
    """Text is text, however it begins: it is not unpacked."""
    found = lines(begin + b"\nstep 1\n")
    assert found.physical["lines"].to_list() == [2]
    assert found.frame["text"].to_list()[-1] == "step 1"
    assert found.frame.height == 2
