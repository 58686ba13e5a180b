"""Which logs have to be read, and in what portions: many small ones in one batch, a large one in pieces."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import polars as pl

from . import match
from .chunks import CHUNK_BYTES, Chunk, Joined, compression, join, open_text, read_chunks
from .encoding import encoding_of, to_utf8
from .store import Writer

LEAST_BATCH_BYTES = 8 << 20
BATCH_LOGS = 8192
HEAD_BYTES, END_BYTES = 4096, 1024
NO_TEXT_BYTES = bytes(set(range(1, 32)) - set(b"\a\b\t\n\v\f\r\x1b") | {127})


@dataclass(frozen=True)
class Log:
    """A log that has to be read."""

    log_id: str
    address: str
    root: str
    path: str
    bytes: int
    modified_us: int  # since 1970, UTC: as a number, for ten thousand datetimes take 0.1 s
    owner: str | None
    bytes_before: int | None = None


@dataclass
class Batch:
    """Several whole logs, whose text is `joined` or in `chunks`; or one piece of a large log, a chunk, with the state
    that the piece before it leaves."""

    logs: list[Log]
    chunks: list[Chunk]
    part: str
    compressions: list[str | None]
    fingerprints: list[str]
    before: "Future[match.State] | None" = None
    after: "Future[match.State] | None" = None
    tally: "Tally | None" = None
    counted: "Future[None] | None" = None
    joined: Joined | None = None
    unread: list[tuple[Log, str, str]] = field(default_factory=list)  # with status and message


@dataclass
class Tally:
    """Counts of a large log over its pieces, which threads add to at the same time: by appending alone. `counted`: one
    for each piece, done when its counts are here."""

    counted: "list[Future[None]]" = field(default_factory=list)

    ledger: list[pl.DataFrame] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    formats: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)


def log_id(address: str) -> str:
    """The identity of a log: a hash of its absolute address."""
    return hashlib.blake2b(address.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def addresses(rows: pl.DataFrame) -> list[str]:
    """Absolute addresses of rows with root and path; a root that is itself the file has its name as path."""
    root, path = pl.col("root"), pl.col("path")
    own = root.str.ends_with("/" + path)
    files = {name for name in rows.filter(own)["root"].unique() if not os.path.isdir(name)}  # noqa: PTH112 (per root)
    whole = (
        pl.when(root.is_in(list(files)))
        .then(root)
        .otherwise(pl.concat_str(root.str.strip_chars_end("/"), path, separator="/"))
    )
    return rows.select(whole).to_series().to_list()


# ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Plan:
    to_read: list[Log]
    unchanged: int
    replaced: list[str]
    unopened: pl.DataFrame


def plan_of(found: pl.DataFrame, known: pl.DataFrame) -> Plan:
    """An unchanged log (same address, size and modification time) costs the `stat` that discovered it."""
    logs = found.filter(pl.col("kind") == "log")
    same = logs.join(known, on=["root", "path", "bytes", "modified_at"], how="semi", nulls_equal=True)
    new = logs.join(same, on=["root", "path"], how="anti", nulls_equal=True)
    at = addresses(new)
    ids = [log_id(address) for address in at]
    new = new.with_columns(log_id=pl.Series(ids, dtype=pl.String))
    new = new.join(known.select("log_id", bytes_before="bytes"), on="log_id", how="left", maintain_order="left")
    new = new.with_columns(pl.col("modified_at").to_physical())
    columns = (new[name].to_list() for name in ("root", "path", "bytes", "modified_at", "owner", "bytes_before"))
    to_read = list(map(Log, ids, at, *columns))
    unopened = found.filter(pl.col("kind") != "log").rename({"kind": "status"})
    unopened = unopened.with_columns(log_id=pl.Series([log_id(a) for a in addresses(unopened)], dtype=pl.String))
    return Plan(to_read, same.height, [*ids, *unopened["log_id"]], unopened)


# ── batches ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def portion_bytes(jobs: int) -> int:
    """Text that keeps all threads busy while the search for logs goes on: a batch for each, and its last log."""
    return max(1, jobs) * CHUNK_BYTES * 7 // 8


def batch_bytes(total: int, jobs: int) -> int:
    """Text of one batch: as many as a chunk holds, for all threads to end with the same; but a batch costs as much as
    2 MB of text whatever is in it."""
    batches = -(-total // CHUNK_BYTES)
    batches += -batches % max(1, jobs)
    return max(LEAST_BATCH_BYTES, -(-total // max(1, batches)))


def by_size(logs: list[Log]) -> tuple[list[Log], list[Log]]:
    """Logs that are no larger than a chunk, and those that have to be read as streams."""
    return [log for log in logs if log.bytes < CHUNK_BYTES], [log for log in logs if log.bytes >= CHUNK_BYTES]


def batches(logs: list[Log], writer: Writer, at_once: int) -> Iterator[Batch]:
    """Batches of logs that are no larger than a chunk, by size alone: `load` opens them."""
    some: list[Log] = []
    size = 0
    for log in logs:
        if some and (size >= at_once or size + log.bytes > at_once * 5 // 4 or len(some) >= BATCH_LOGS):
            yield Batch(some, [], writer.new_part(), [], [])
            some, size = [], 0
        some.append(log)
        size += log.bytes
    if some:
        yield Batch(some, [], writer.new_part(), [], [])


def load(batch: Batch) -> list[Log]:
    """Read the batch's logs into its text. Returns the logs that have to be read as streams: compressed ones, and
    those whose size is another now."""
    planned, batch.logs = batch.logs, []
    aside: list[Log] = []
    batch.joined = join(_opened(planned, batch, aside))
    return aside


def _opened(planned: list[Log], batch: Batch, aside: list[Log]) -> Iterator[bytes]:
    """The text of each log; what else is to be said of it goes into the batch."""
    for log in planned:
        try:
            data = _whole(log)
            if data is None:
                aside.append(log)
                continue
            _refuse_binary(data)
        except (OSError, ValueError) as error:
            batch.unread.append((log, *_why_not(error)))
            continue
        batch.fingerprints.append(_fingerprint(log.bytes, data[:END_BYTES] + data[-END_BYTES:]))
        batch.compressions.append(None)
        batch.logs.append(log)
        yield data


def _whole(log: Log) -> bytes | None:
    """The log's text; None where it has to be read as a stream."""
    file = os.open(log.address, os.O_RDONLY)
    try:
        data = os.read(file, log.bytes + 1)
    finally:
        os.close(file)
    return data if len(data) == log.bytes and compression(data[:6]) is None else None


def streamed(logs: list[Log], writer: Writer, at_once: int) -> Iterator[Batch]:
    """Batches of logs that are read as streams: several in one where they turn out to be small, else pieces."""
    batch, size = Batch([], [], writer.new_part(), [], []), 0
    for log in logs:
        try:
            stream, kind = open_text(Path(log.address))
            chunks = read_chunks(stream, len(batch.chunks), size=at_once)
            first = next(chunks)
            _refuse_binary(first.data)
            fingerprint = _fingerprint(log.bytes, _ends(log))
        except (OSError, ValueError) as error:
            batch.unread.append((log, *_why_not(error)))
            continue
        if first.last:
            stream.close()
            batch.fingerprints.append(fingerprint)
            batch.logs.append(log)
            batch.chunks.append(first)
            batch.compressions.append(kind)
            size += len(first.data)
            if size >= at_once or len(batch.chunks) >= BATCH_LOGS:
                yield batch
                batch, size = Batch([], [], writer.new_part(), [], []), 0
            continue
        if batch.chunks or batch.unread:
            yield batch
            batch, size = Batch([], [], writer.new_part(), [], []), 0
        yield from _pieces(log, fingerprint, _closing(stream, first, chunks), kind, writer)
    if batch.chunks or batch.unread:
        yield batch


class NoTextError(ValueError):
    """The file is no text."""


def _refuse_binary(data: bytes) -> None:
    """Raise NoTextError for data that is no text in any encoding. NULs say nothing: cut logs have holes of them."""
    head = data[:HEAD_BYTES]
    if (b"\0" in head or not head.isascii()) and (encoding := encoding_of(head)).is_wide:
        head, _ = to_utf8(head, encoding)
    head = head.replace(b"\0", b"")
    if len(head.translate(None, NO_TEXT_BYTES)) < len(head) * 0.95:
        raise NoTextError("no text: binary data")


def _closing(stream: BinaryIO, first: Chunk, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    try:
        yield first
        yield from chunks
    finally:
        stream.close()


def _pieces(log: Log, fingerprint: str, chunks: Iterator[Chunk], kind: str | None, writer: Writer) -> Iterator[Batch]:
    group, tally = writer.new_part(), Tally()
    before: Future[match.State] | None = Future()
    before.set_result(match.State())
    for number, chunk in enumerate(chunks):
        after: Future[match.State] = Future()
        batch = Batch([log], [replace(chunk, log=0)], f"{group}-{number}", [kind], [fingerprint], before, after, tally)
        batch.counted = Future()
        tally.counted.append(batch.counted)
        yield batch
        before = after


def _ends(log: Log) -> bytes:
    with Path(log.address).open("rb") as file:
        head = file.read(END_BYTES)
        file.seek(max(0, log.bytes - END_BYTES))
        return head + file.read(END_BYTES)


def _fingerprint(size: int, ends: bytes) -> str:
    return hashlib.sha256(b"%d " % size + ends).hexdigest()[:16]


def _why_not(error: Exception) -> tuple[str, str]:
    """Status and message of a log that could not be read."""
    status = "left_out" if isinstance(error, NoTextError) else "unreadable"
    return status, error.strerror or str(error) if isinstance(error, OSError) else str(error)
