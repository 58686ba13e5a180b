"""Bytes of many logs → one frame of lines: the only place that splits, cleans and numbers text.

    bytes ─► chunks (bounded, cut where a line or a redraw ends) ─► frame: log, line, redraw, piece, seq, row, text

A *redraw* is one state of a progress bar: `\\r`, a run of `\\b`, and cursor movements end one. Only non-empty redraws
count. `row` is how many lines the cursor goes back up after a redraw: tqdm moves down, draws and comes back up for a
nested bar, so this is the bar's depth (0 for the outermost). (DESIGN.md: polars' `scan_lines`, ripgrep and DuckDB all
see one line where a bar was redrawn 600,000 times.)
"""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from .chunks import LINE_BYTES, Chunk, Joined, alone, join
from .encoding import UTF8, Encoding, encoding_of, not_valid, to_utf8

RAW_CHARACTERS = 480
"""Of a long line so much is kept in its issue; the table holds less, cut where secrets are masked."""

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


# ── splitting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def split(text: Sequence[Chunk] | Joined) -> Lines:
    """One frame of lines (schema LINES) for the chunks of a batch, each of another log, in their order; or for its
    joined logs.

    Invalid bytes are replaced in the log that has them (`bad_bytes`), NUL bytes are dropped (`nul_bytes`); nothing of
    the text is lost otherwise. Blank lines and redraws have no row: they count in `physical` alone.
    """
    if isinstance(text, Joined):
        chunks, joined = [], text
    else:
        chunks = list(text)
        joined = alone(chunks[0].data) if len(chunks) == 1 else join(chunk.data for chunk in chunks)
    notes: list[tuple[int, str, str]] = [
        (c.log, i.partition(":")[0], i.partition(": ")[2]) for c in chunks for i in c.issues
    ]
    cut = None if b"\0" in joined.odd or joined.marked else _split(joined)
    if cut is not None:  # nothing to repair, as in most batches: asked once, not log by log
        encodings = {chunk.log: chunk.encoding or UTF8 for chunk in chunks}
    else:
        chunks = chunks or joined.chunks()
        repaired = [_sound(chunk) for chunk in chunks]
        encodings = {chunk.log: encoding for chunk, (_, encoding, _) in zip(chunks, repaired, strict=True)}
        notes += [(chunk.log, *note) for chunk, (*_, odd) in zip(chunks, repaired, strict=True) for note in odd]
        joined = join(data for data, _, _ in repaired)
        cut = _split(joined)
    assert cut is not None, "repaired text is valid UTF-8"
    pieces, redrawn = cut
    logs = [chunk.log for chunk in chunks] or range(len(joined.begins))
    plain = len(joined.begins) == 1 and not redrawn
    counts = [pieces.height] if plain else _counts(joined, pieces["text"], redrawn)
    physical = pl.DataFrame({"log": logs, "lines": counts}, schema={"log": pl.UInt32, "lines": pl.Int64})
    del joined
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


def _counts(joined: Joined, lines: pl.Series, redrawn: bool) -> pl.Series:
    """Lines of each log; `lines`: those of all logs. Where these are as long as the bytes, nothing was taken out of
    them, and their lengths say where each log ends."""
    ends = pl.Series(joined.ends(), dtype=pl.Int64)
    at = (lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum()
    if redrawn or not len(at) or at[-1] != ends[-1]:
        spans = zip(joined.begins, joined.ends(), strict=True)
        return pl.Series([joined.text.count(b"\n", begin, end) for begin, end in spans], dtype=pl.Int64)
    last = at.search_sorted(ends, side="right").cast(pl.Int64)
    return last - last.shift(1, fill_value=0)


def _sound(chunk: Chunk) -> tuple[bytes, Encoding, list[tuple[str, str]]]:
    """The chunk's text in valid UTF-8 without NULs, its encoding, and what was odd (code, raw)."""
    data, encoding, odd = chunk.data, chunk.encoding, []
    if encoding is None:  # later pieces that nobody has looked at are as the log's first one: UTF-8
        encoding = encoding_of(data) if chunk.first else UTF8
        if not encoding.is_utf8:
            data, replaced = to_utf8(data, encoding)
            odd += [("bad_bytes", not_valid(replaced, encoding))] if replaced else []
    if chunk.first and encoding.name == "utf-8-sig":
        data = data.removeprefix(BOM_UTF8)
    if not data.isascii():
        data, bad = _repaired(data)
        odd += [("bad_bytes", bad)] if bad else []
    if b"\0" in data:
        odd.append(("nul_bytes", f"{data.count(0)} NUL bytes"))
        data = data.replace(b"\0", b"")
    return data, encoding, odd


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


def _split(joined: Joined) -> tuple[pl.DataFrame, bool] | None:
    """Texts in order, with `ends`: whether a line end follows (and not another redraw); and whether any redraw did.
    None where the bytes are no valid UTF-8."""
    buffer, odd = joined.text, joined.odd
    escapes = b"\x1b" in odd
    if b"\r" in odd:
        buffer = buffer.replace(b"\r\n", b"\n")
    if escapes:
        buffer = _CURSOR_UP.sub(rb"\1\r", _CURSOR_HOME.sub(b"\r", buffer))
    if b"\b" in odd:
        buffer = _ERASED.sub(b"\r", buffer)
    if _REDRAW in odd:
        buffer = buffer.replace(_REDRAW, b" ")
    redrawn = bool(odd) and b"\r" in buffer
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
        frame = frame.with_columns(drawn=drawn)
        padded = text.str.strip_chars_end(" " + _REDRAW.decode())
        of_bars = frame["drawn"].all()
        frame = frame.with_columns(text=padded if of_bars else pl.when("drawn").then(padded).otherwise(text))
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
