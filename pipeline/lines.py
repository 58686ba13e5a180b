"""Bytes of many logs → one frame of lines: the only place that splits, cleans and numbers text.

    bytes ─► chunks (bounded, cut where a line or a redraw ends) ─► frame: log, line, redraw, piece, seq, row, text

A *redraw* is one state of a progress bar: `\\r`, a run of `\\b`, and cursor movements end one. Only non-empty redraws
count. `row` is how many lines the cursor goes back up after a redraw: tqdm moves down, draws and comes back up for a
nested bar, so this is the bar's depth (0 for the outermost). (DESIGN.md: polars' `scan_lines`, ripgrep and DuckDB all
see one line where a bar was redrawn 600,000 times.)
"""

import bz2
import gzip
import io
import lzma
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import polars as pl

from .encoding import UTF8, Encoding, Recoder, encoding_of, to_utf8

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK_BYTES = 32 << 20
"""Text that is worked on at once: a batch of small logs, or a piece of a large one."""

LINE_BYTES = 64 << 10
"""Of a line (or redraw) without any separator this much is kept; the rest is read and dropped, issue `long_line`."""

LOOK_BYTES = 64 << 10
"""The least that the encoding is decided on, where a log has so much."""

ZSTD_BYTES = 2048
"""Compressed bytes that are looked at together: they become 64 MB at most, whoever made them."""

RAW_CHARACTERS = 480
"""Of a long line so much is kept in its issue; the table holds less, cut where secrets are masked."""

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

LINES = pl.Schema(
    {
        "log": pl.UInt32(),
        "line": pl.Int64(),
        "redraw": pl.Int32(),
        "piece": pl.Int32(),
        "seq": pl.Int64(),
        "row": pl.Int32(),
        "text": pl.String(),
    }
)

_REDRAW = b"\x1c"  # ends a redraw that is not the last of its line; file separators in the text become blanks
_ERASED = re.compile(rb"\x08+")
_CURSOR_HOME = re.compile(rb"\x1b\[(?:[0-9;]*G|[0-9;]*K)")
_CURSOR_UP = re.compile(rb"((?:\x1b\[[0-9]*A)+)")
_UPS = r"((?:\x1b?\[[0-9]*A)+) *$"
_ANSI = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~]?)"
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f]"


@dataclass(frozen=True)
class Chunk:
    """A piece of one log: whole lines, or whole redraws of a line that goes on in the next chunk.

    encoding: what `data` was decoded from, where it has been looked at: it is UTF-8 then, but for invalid bytes. None:
    the bytes as they are on disk."""

    log: int
    data: bytes
    first: bool
    last: bool
    issues: tuple[str, ...] = ()
    encoding: Encoding | None = None


@dataclass
class Lines:
    """The frame of a batch and what was odd: `issues` has log, line, redraw, code, raw.

    `physical` counts `\\n`-ended lines per log in this batch (an unfinished last line counts as one). Line and redraw
    numbers begin at 1 and 0 for each log. `more`: the batch is a piece of a log that goes on in the next one, and
    `open_line`: so does its last line."""

    frame: pl.DataFrame
    physical: pl.DataFrame
    issues: pl.DataFrame
    more: bool = False
    open_line: bool = False
    encodings: dict[int, str] = field(default_factory=dict)
    confidences: dict[int, float] = field(default_factory=dict)


PLAIN_BEGINNINGS = frozenset(bytes([byte]) for byte in b"\n\r [-0123456789")
"""First bytes that no compressed file has."""

ISSUE_SCHEMA = pl.Schema(
    {"log": pl.UInt32(), "line": pl.Int64(), "redraw": pl.Int32(), "code": pl.String(), "raw": pl.String()}
)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def compression(head: bytes) -> str | None:
    """The compression that a file's first bytes name (gzip, bz2, xz, zstd), by content and not by ending."""
    if not head.startswith(tuple(COMPRESSED)):
        return None
    return next(name for magic, name in COMPRESSED.items() if head.startswith(magic))


def open_text(path: Path) -> tuple[BinaryIO, str | None]:
    """Open a log for reading, through its compression. Raises OSError as `open` does."""
    raw = path.open("rb", buffering=0)
    kind = compression(raw.read(6))
    raw.seek(0)
    if kind is None:
        return cast(BinaryIO, raw), None
    if kind != "zstd":
        raw.close()  # these close a file only where they have opened it
        return cast(BinaryIO, {"gzip": gzip.GzipFile, "bz2": bz2.BZ2File, "xz": lzma.LZMAFile}[kind](path)), kind
    return cast(BinaryIO, io.BufferedReader(_Zstd(raw))), kind


class _Zstd(io.RawIOBase):
    """Text of a .zst file. (zstandard's own `stream_reader` ends without a word where a file is cut.)"""

    def __init__(self, raw: io.RawIOBase | io.FileIO) -> None:
        import zstandard  # only for .zst logs

        self._raw = raw
        self._begin = zstandard.ZstdDecompressor().decompressobj
        self._frame = self._begin()
        self._packed, self._text = b"", b""
        self._between_frames = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        while not self._text:
            packed = self._packed or self._raw.read(ZSTD_BYTES) or b""
            if not packed:
                if not self._between_frames:
                    raise EOFError("the file ends within a compressed frame")
                return 0
            if self._between_frames:
                self._frame = self._begin()
            self._text = self._frame.decompress(packed)
            self._packed = self._frame.unused_data
            self._between_frames = self._frame.eof
        view = memoryview(buffer).cast("B")
        n = min(len(view), len(self._text))
        view[:n], self._text = self._text[:n], self._text[n:]
        return n

    def close(self) -> None:
        self._raw.close()
        super().close()


def read_chunks(stream: BinaryIO, log: int, size: int = CHUNK_BYTES, total: int | None = None) -> Iterator[Chunk]:
    """Cut a stream into chunks of about `size` bytes, at line ends where there are any, else at redraws. Where `total`
    bytes will come, the last chunk is two of half the size: the fewer threads wait for the one that has it.

    Memory is bounded by `size`: of text without separators LINE_BYTES are kept and the rest is dropped (`long_line`).
    A damaged compressed stream ends the log early with the issue `truncated`. The first bytes decide on the encoding of
    the whole log; text that is not UTF-8 is recoded before it is cut, so that no character is.
    """
    rest, skipping = b"", False
    source, left = _Source(stream), None if total is None or total <= size else total
    encoding = encoding_of(source.peek(max(size, LOOK_BYTES)))
    recoder = None if encoding.is_utf8 else Recoder(encoding)
    issues: list[str] = []
    ready: Chunk | None = None  # held back until it is known whether it is the last
    while True:
        block = source.read(size if left is None or left > size else -(-size // 2))
        left = None if left is None else left - len(block)
        if source.damage:
            issues, source.damage = [*issues, f"truncated: {source.damage}"], ""
        at_end = not block
        if recoder is not None:
            block, bad = recoder.feed(block, final=at_end)
            issues += [f"bad_bytes: {_replaced(bad, encoding)}"] if bad else []
        if at_end:
            rest += block
            break
        if skipping:
            at = _first_separator(block)
            if at < 0:
                continue
            block, skipping = block[at:], False
        cut = block.rfind(b"\n") + 1
        if cut == 0 and len(rest) + len(block) >= size:
            cut = max(block.rfind(b"\r"), block.rfind(b"\b")) + 1
            if cut == 0:
                rest, skipping = (rest + block)[:LINE_BYTES], True
                issues.append("long_line")
                continue
        if cut == 0:
            rest += block
            continue
        data = b"".join((rest, memoryview(block)[:cut]))
        if ready is not None:
            yield ready
        ready = Chunk(log, data, first=ready is None, last=False, issues=tuple(issues), encoding=encoding)
        rest, issues = block[cut:], []
    if ready is not None and (rest or issues):
        yield ready
        yield Chunk(log, rest, first=False, last=True, issues=tuple(issues), encoding=encoding)
    elif ready is not None:
        yield replace(ready, last=True)
    else:
        yield Chunk(log, rest, first=True, last=True, issues=tuple(issues), encoding=encoding)


class _Source:
    """A stream's bytes, with those that came before a damage; `damage` says what it was."""

    def __init__(self, stream: BinaryIO) -> None:
        self.damage = ""
        self._stream = stream
        self._ahead = b""
        self._ended = False

    def peek(self, size: int) -> bytes:
        """The next bytes, which `read` returns again."""
        self._ahead = self._fetch(size)
        return self._ahead

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end, and behind a damage."""
        if self._ahead:
            block, self._ahead = self._ahead[:size], self._ahead[size:]
            return block
        return self._fetch(size)

    def _fetch(self, size: int) -> bytes:
        parts, left = [], 0 if self._ended else size
        # a decompressor that fails gives nothing of the read in which it fails: ask it for little at a time
        step = size if isinstance(self._stream, io.RawIOBase) else LOOK_BYTES
        while left:
            try:
                part = self._stream.read(min(left, step))
            except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
                part, self.damage = b"", str(error)
            except Exception as error:  # zstandard's own error class, imported only where such a log is read
                if type(error).__name__ != "ZstdError":
                    raise
                part, self.damage = b"", str(error)
            self._ended = not part
            if self._ended:
                break
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _first_separator(block: bytes) -> int:
    found = [at for at in (block.find(b"\n"), block.find(b"\r"), block.find(b"\b")) if at >= 0]
    return min(found, default=-1)


# ── splitting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def split(chunks: Sequence[Chunk]) -> Lines:
    """One frame of lines (schema LINES) for the chunks of a batch, each of another log, in their order.

    Invalid bytes are replaced in the log that has them (`bad_bytes`), NUL bytes are dropped (`nul_bytes`); nothing of
    the text is lost otherwise. Blank lines and redraws have no row: they count in `physical` alone.
    """
    notes: list[tuple[int, str, str]] = [
        (c.log, i.partition(":")[0], i.partition(": ")[2]) for c in chunks for i in c.issues
    ]
    texts = [_ended(chunk.data) for chunk in chunks]
    buffer = texts[0] if len(texts) == 1 else b"".join(texts)
    odd = b"\0" in buffer or any(chunk.first and chunk.data.startswith(BOM_UTF8) for chunk in chunks)
    cut = None if odd else _split(buffer)
    if cut is not None:  # nothing to repair, as in most batches: asked once, not log by log
        encodings = {chunk.log: chunk.encoding or UTF8 for chunk in chunks}
    else:
        repaired = [_sound(chunk) for chunk in chunks]
        encodings = {chunk.log: encoding for chunk, (_, encoding, _) in zip(chunks, repaired, strict=True)}
        notes += [(chunk.log, *note) for chunk, (*_, odd) in zip(chunks, repaired, strict=True) for note in odd]
        texts = [_ended(data) for data, _, _ in repaired]
        cut = _split(b"".join(texts))
    assert cut is not None, "repaired text is valid UTF-8"
    pieces, redrawn = cut
    logs = [chunk.log for chunk in chunks]
    plain = len(texts) == 1 and not redrawn
    counts = [pieces.height] if plain else _counts(texts, pieces["text"], redrawn)
    physical = pl.DataFrame({"log": logs, "lines": counts}, schema={"log": pl.UInt32, "lines": pl.Int64})
    texts.clear()
    del buffer
    frame, long = _number(pieces, redrawn, physical)
    issues = pl.concat(
        [
            pl.DataFrame(
                {"log": [n[0] for n in notes], "code": [n[1] for n in notes], "raw": [n[2] for n in notes]},
                schema={"log": pl.UInt32, "code": pl.String, "raw": pl.String},
            ),
            long,
        ],
        how="diagonal_relaxed",
    )
    more = bool(chunks) and not chunks[-1].last
    open_line = more and not chunks[-1].data.endswith(b"\n")
    return Lines(
        frame,
        physical,
        _issue_rows(issues),
        more,
        open_line,
        {log: encoding.name for log, encoding in encodings.items()},
        {log: encoding.confidence for log, encoding in encodings.items()},
    )


def _counts(texts: Sequence[bytes], lines: pl.Series, redrawn: bool) -> pl.Series:
    """Lines of each text; `lines`: those of all texts. Where these are as long as the bytes, nothing was taken out of
    them, and their lengths say where each text ends."""
    ends = pl.Series([len(text) for text in texts], dtype=pl.Int64).cum_sum()
    at = (lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum()
    if redrawn or not len(at) or at[-1] != ends[-1]:
        return pl.Series([text.count(b"\n") for text in texts], dtype=pl.Int64)
    last = at.search_sorted(ends, side="right").cast(pl.Int64)
    return last - last.shift(1, fill_value=0)


def _ended(data: bytes) -> bytes:
    """The text with a line end, for the next log's text to begin a line."""
    return data if data.endswith(b"\n") or not data else data + b"\n"


def _sound(chunk: Chunk) -> tuple[bytes, Encoding, list[tuple[str, str]]]:
    """The chunk's text in valid UTF-8 without NULs, its encoding, and what was odd (code, raw)."""
    data, encoding, odd = chunk.data, chunk.encoding, []
    if encoding is None:  # later pieces that nobody has looked at are as the log's first one: UTF-8
        encoding = encoding_of(data) if chunk.first else UTF8
        if not encoding.is_utf8:
            data, replaced = to_utf8(data, encoding)
            odd += [("bad_bytes", _replaced(replaced, encoding))] if replaced else []
    if chunk.first and encoding.name == "utf-8-sig":
        data = data.removeprefix(BOM_UTF8)
    if not data.isascii():
        data, bad = _repaired(data)
        odd += [("bad_bytes", bad)] if bad else []
    if b"\0" in data:
        odd.append(("nul_bytes", f"{data.count(0)} NUL bytes"))
        data = data.replace(b"\0", b"")
    return data, encoding, odd


def _replaced(count: int, encoding: Encoding) -> str:
    return f"{count} characters that are not valid {encoding.name}"


def _issue_rows(issues: pl.DataFrame) -> pl.DataFrame:
    return issues.select(
        pl.col(name) if name in issues.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in ISSUE_SCHEMA.items()
    )


def _repaired(data: bytes) -> tuple[bytes, str]:
    """Valid UTF-8: invalid bytes become U+FFFD. Returns what was wrong, empty where nothing was."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", errors="replace")
        return text.encode("utf-8"), f"invalid byte 0x{data[error.start]:02x} at byte {error.start}"
    return data, ""


def _split(buffer: bytes) -> tuple[pl.DataFrame, bool] | None:
    """Texts in order, with `ends`: whether a line end follows (and not another redraw); and whether any redraw did.
    None where the bytes are no valid UTF-8."""
    escapes, carriage = b"\x1b" in buffer, b"\r" in buffer
    if carriage:
        buffer = buffer.replace(b"\r\n", b"\n")
    if escapes:
        buffer = _CURSOR_UP.sub(rb"\1\r", _CURSOR_HOME.sub(b"\r", buffer))
    if b"\b" in buffer:
        buffer = _ERASED.sub(b"\r", buffer)
    if _REDRAW in buffer:
        buffer = buffer.replace(_REDRAW, b" ")
    redrawn = b"\r" in buffer
    if redrawn:
        buffer = buffer.replace(b"\r", _REDRAW + b"\n")
    frame = pl.DataFrame(schema={"text": pl.String})
    if buffer:
        # polars 2.1 unpacks text that begins as a compressed file does, such as `x^2` (zlib)
        plain = buffer[:1] in PLAIN_BEGINNINGS
        try:
            frame = pl.scan_lines(buffer if plain else b"\n" + buffer, name="text").collect()
        except pl.exceptions.ComputeError:
            return None
        frame = (frame if plain else frame.slice(1)).rechunk()  # columns beside it have one chunk as well
    text = pl.col("text")
    # what is cleaned depends on the text's own line alone: what stands beside it in the batch must not matter
    if redrawn:
        frame = frame.with_columns(ends=~text.str.ends_with(_REDRAW.decode()))
        drawn = ~pl.col("ends") | ~pl.col("ends").shift(1, fill_value=True)
        padded = text.str.strip_suffix(_REDRAW.decode()).str.strip_chars_end(" ")
        frame = frame.with_columns(text=pl.when(drawn).then(padded).otherwise(text), drawn=drawn)
    if escapes or (redrawn and frame["text"].str.ends_with("[A").any()):
        escaped = text.str.contains("\x1b", literal=True)
        nested = escaped | pl.col("drawn") if redrawn else escaped
        ups = pl.when(nested).then(text.str.extract(_UPS)).str.count_matches("A").fill_null(0)
        frame = frame.with_columns(row=ups.cast(pl.Int32))
        clean = (
            text.str.replace(_UPS, "").str.replace_all(_ANSI, "").str.replace_all(_CONTROL, "").str.strip_chars_end(" ")
        )
        frame = frame.with_columns(text=pl.when(escaped | (pl.col("row") > 0)).then(clean).otherwise(text))
    return frame, redrawn


def _number(frame: pl.DataFrame, redrawn: bool, physical: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the texts their log, line and redraw; drop blank ones. Also returns the issues `long_line`."""
    text, counts = frame["text"], physical["lines"]
    logs = physical["log"].repeat_by(counts).explode() if physical.height > 1 else None
    of_line = pl.int_ranges(1, counts + 1, eager=True).explode() if physical.height > 1 else None
    filled = text.str.len_bytes() > 0
    if redrawn:
        begins = frame["ends"].shift(1, fill_value=True)
        at = (begins.cum_sum() - 1).cast(pl.UInt32)
        order = filled.cast(pl.Int32).cum_sum()
        before = (order - filled.cast(pl.Int32)).to_frame("n").with_columns(b=begins)
        start = before.select(pl.when("b").then("n").forward_fill()).to_series()
        redraw = order - 1 - start
    else:
        at, redraw = None, None

    def per_line(values: pl.Series | None, single: pl.Series) -> pl.Series:
        known = single if values is None else values
        return known if at is None else known.gather(at)

    n = int(physical["lines"].sum())
    first_log = physical["log"][0] if physical.height else 0
    numbered = pl.DataFrame(
        {
            "log": per_line(logs, pl.repeat(first_log, n, dtype=pl.UInt32, eager=True)),
            "line": per_line(of_line, pl.int_range(1, n + 1, dtype=pl.Int64, eager=True)),
            "redraw": redraw if redraw is not None else pl.repeat(0, text.len(), dtype=pl.Int32, eager=True),
            "piece": pl.repeat(0, text.len(), dtype=pl.Int32, eager=True),
        }
    )
    numbered = numbered.with_columns(frame["row"] if "row" in frame.columns else pl.lit(0, pl.Int32).alias("row"), text)
    if not filled.all():
        numbered = numbered.filter(filled)
    numbered = numbered.with_columns(seq=pl.int_range(pl.len(), dtype=pl.Int64)).select(LINES.names())
    too_long = numbered["text"].str.len_bytes() > LINE_BYTES
    long = numbered.filter(too_long).select(
        "log", "line", "redraw", code=pl.lit("long_line"), raw=pl.col("text").str.head(RAW_CHARACTERS)
    )
    if too_long.any():
        kept = pl.when(too_long).then(pl.col("text").str.head(LINE_BYTES // 4)).otherwise("text")
        numbered = numbered.with_columns(text=kept)
    return numbered.cast(LINES), long
