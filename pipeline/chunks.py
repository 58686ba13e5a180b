"""Logs on disk → chunks: read through compression and damage, in bounded memory, cut where a line or a redraw ends."""

import bz2
import gzip
import io
import lzma
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .encoding import Encoding, Recoder, encoding_of, not_valid

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

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


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


ODD = (b"\0", b"\b", b"\r", b"\x1b", b"\x1c")
"""Bytes that most logs do not have, and that take work where they stand."""


@dataclass(frozen=True)
class Joined:
    """Whole logs in one text, where a line end follows each that has none. `begins` and `sizes`: where each log stands;
    `marked`: whether one of them begins with a byte-order mark; `odd`: which of ODD stand in the text."""

    text: bytes
    begins: list[int]
    sizes: list[int]
    marked: bool
    odd: frozenset[bytes]

    def ends(self) -> list[int]:
        """Where each log ends, its line end included."""
        return [*self.begins[1:], len(self.text)] if self.begins else []

    def chunks(self) -> "list[Chunk]":
        """The logs as they are on disk."""
        spans = enumerate(zip(self.begins, self.sizes, strict=True))
        return [Chunk(log, self.text[at : at + size], first=True, last=True) for log, (at, size) in spans]


def join(logs: Iterable[bytes]) -> Joined:
    """Put logs behind each other as they come: each is copied while it is at hand and forgotten, which takes half the
    time of `bytes.join`, for which all lie in memory twice."""
    text = io.BytesIO()
    begins, sizes, marked, odd = [], [], False, set[bytes]()
    for log in logs:
        begins.append(text.tell())
        sizes.append(len(log))
        marked = marked or log.startswith(BOM_UTF8)
        odd |= _odd(log)
        text.write(log)
        if _is_open(log):
            text.write(b"\n")
    return Joined(text.getvalue(), begins, sizes, marked, frozenset(odd))


def alone(log: bytes) -> Joined:
    """One log, not copied where it ends with a line end."""
    return Joined(log + b"\n" if _is_open(log) else log, [0], [len(log)], log.startswith(BOM_UTF8), _odd(log))


def _is_open(log: bytes) -> bool:
    """Whether the log's last line has no end."""
    return bool(log) and not log.endswith(b"\n")


def _odd(log: bytes) -> frozenset[bytes]:
    return frozenset(byte for byte in ODD if byte in log)


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


def read_chunks(stream: BinaryIO, log: int, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Cut a stream into chunks of about `size` bytes, at line ends where there are any, else at redraws.

    Memory is bounded by `size`: of text without separators LINE_BYTES are kept and the rest is dropped (`long_line`).
    A damaged compressed stream ends the log early with the issue `truncated`. The first bytes decide on the encoding of
    the whole log; text that is not UTF-8 is recoded before it is cut, so that no character is.
    """
    rest, skipping = b"", False
    source = _Source(stream)
    encoding = encoding_of(source.peek(max(size, LOOK_BYTES)))
    recoder = None if encoding.is_utf8 else Recoder(encoding)
    issues: list[str] = []
    ready: Chunk | None = None  # held back until it is known whether it is the last
    while True:
        block = source.read(size)
        if source.damage:
            issues, source.damage = [*issues, f"truncated: {source.damage}"], ""
        at_end = not block
        if recoder is not None:
            block, bad = recoder.feed(block, final=at_end)
            issues += [f"bad_bytes: {not_valid(bad, encoding)}"] if bad else []
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
