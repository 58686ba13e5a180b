"""Logs → parsed tables: which logs are new, batches of many of them through lines, match and store.

A batch is about CHUNK_BYTES of text: thousands of small logs in one frame, or one piece of a large log. The caller's
thread searches and reads, one batch ahead; `jobs` threads work on batches (polars releases the interpreter). The pieces
of one large log hand their `State` on, and only that waits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace
from pathlib import Path

import polars as pl

from . import match
from .batches import Batch, Log, Plan, addresses, batch_bytes, batches, by_size, load, plan_of, portion_bytes, streamed
from .citing import SOURCE_CHARACTERS, sources
from .detect import Formats
from .discover import portions
from .lines import split
from .masking import mask, mask_facts
from .named import facts_of_names
from .store import Store, Writer
from .tables import LOGS, SOURCE_ENDING, TABLES, conform

TEXTS = {
    "events": ("message", SOURCE_CHARACTERS),
    "issues": ("raw", 120),
    "sources": ("text", SOURCE_CHARACTERS),
    "progress": ("bar", None),
}
"""Free text of each table, and how much of it is kept: cut behind the masking, which does not know half a secret."""
LONG = ("progress", "metrics")
"""Tables of a row a record: their `log_id` is not spelt out on the way to the file."""

COMMIT_EVERY_S = 60.0
"""A long command commits so often what is complete: a killed one loses at most this much work."""


NO_FORMATS = pl.lit([], pl.List(pl.String))
ZEROS = {
    **{name: pl.lit(0, pl.Int64) for name in ("lines", "records", "lines_parsed", "lines_known", "lines_unknown")},
    "formats": NO_FORMATS,
}
"""Counts of what was not read."""


@dataclass(frozen=True)
class Ingested:
    """What a call of `ingest` did."""

    seen: int = 0
    read: int = 0
    unchanged: int = 0
    unreadable: int = 0
    left_out: int = 0
    lines: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def plus(self, more: "Ingested") -> "Ingested":
        return Ingested(*(getattr(self, field.name) + getattr(more, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Progress:
    """How far reading has come: bytes as they lie on disk."""

    bytes_done: int
    bytes_total: int
    logs_done: int
    logs_total: int


def ingest(
    paths: Sequence[Path],
    out: Path,
    formats: Formats,
    *,
    jobs: int,
    on_progress: Callable[[Progress], None] | None = None,
) -> Ingested:
    """Read what is new or changed under `paths` into the tables of `out`.

    Logs are never changed. What cannot be read is a row in `logs` with its reason. Raises StoreError where `out` cannot
    be written.
    """
    began = time.perf_counter()
    store = Store(out)
    with store.writer("trainqc ingest") as writer:
        rows = store.scan(LOGS).filter(pl.col("status") != "unreadable")  # what could not be opened is tried again
        known = rows.select("log_id", "root", "path", "bytes", "modified_at", "fingerprint").collect()
        found = portions(paths, out=out, at_once=portion_bytes(jobs))
        plans = (plan_of(some, known) for some in found)
        done = _read_all(plans, writer, formats, jobs, on_progress, known)
        writer.commit()
    return replace(done, seconds=time.perf_counter() - began)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_all(
    plans: Iterator[Plan],
    writer: Writer,
    formats: Formats,
    jobs: int,
    on_progress: Callable[[Progress], None] | None,
    known: pl.DataFrame,
) -> Ingested:
    """Read what is planned, while the search for more goes on.

    Search and reading share one thread: two would hand the interpreter to and fro at each call of the file system, of
    which ten thousand small logs need sixty thousand.
    """
    to_read = Progress(0, 0, 0, 0)
    aside: list[Log] = []
    fingerprints: dict[str, str] = {}
    done = Ingested()
    running: dict[Future[Ingested], Batch] = {}
    committed = time.monotonic()

    def collect(until: int) -> None:
        nonlocal done
        while len(running) > until:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                batch, one = running.pop(future), future.result()
                fingerprints.update(zip((log.log_id for log in batch.logs), batch.fingerprints, strict=True))
                done = done.plus(one)
                if on_progress:
                    on_progress(replace(to_read, bytes_done=done.bytes, logs_done=done.read))

    def batches_of(plan: Plan) -> Iterator[Batch]:
        nonlocal done, to_read
        done = done.plus(_planned(plan))
        writer.drop_logs(plan.replaced)
        if plan.unopened.height:
            writer.write(writer.new_part(), {"logs": plan.unopened.with_columns(**ZEROS)})
        if not plan.to_read:
            return
        total = sum(log.bytes for log in plan.to_read)
        to_read = Progress(0, to_read.bytes_total + total, 0, to_read.logs_total + len(plan.to_read))
        at_once = batch_bytes(total, jobs)
        small, large = by_size(plan.to_read)
        yield from streamed(large, writer, at_once)
        for batch in batches(small, writer, at_once):
            aside.extend(load(batch))
            yield batch

    def all_batches() -> Iterator[Batch]:
        for plan in plans:
            yield from batches_of(plan)
        yield from streamed(aside, writer, batch_bytes(sum(log.bytes for log in aside), jobs))

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for batch in all_batches():
            if batch.before is None and time.monotonic() - committed > COMMIT_EVERY_S:
                collect(0)
                writer.commit()
                committed = time.monotonic()
            collect(max(1, jobs) - 1)
            running[pool.submit(_work, batch, writer, formats)] = batch
            if len(running) >= jobs:
                writer.prepare()
        if running:
            writer.lay_out()
        collect(0)
    writer.drop_logs(_moved(known, fingerprints))
    return done


def _planned(plan: Plan) -> Ingested:
    status = plan.unopened["status"]
    return Ingested(
        seen=plan.unchanged + len(plan.to_read),
        unchanged=plan.unchanged,
        left_out=int((status == "left_out").sum()),
        unreadable=int((status == "unreadable").sum()),
    )


def _moved(known: pl.DataFrame, fingerprints: dict[str, str]) -> list[str]:
    """Logs that vanished from one address and came at another, with the same size and ends: they were moved, and their
    rows have followed by being read again."""
    same = known.filter((pl.col("bytes") > 0) & pl.col("fingerprint").is_in(list(fingerprints.values())))
    same = same.filter(~pl.col("log_id").is_in(list(fingerprints)))
    return [old for old, address in zip(same["log_id"], addresses(same), strict=True) if not Path(address).exists()]


# ── one batch ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _work(batch: Batch, writer: Writer, formats: Formats) -> Ingested:
    try:
        return _worked(batch, writer, formats) if batch.logs or batch.unread else Ingested()
    except BaseException as error:
        for future in (batch.after, batch.counted):
            if future is not None and not future.done():
                future.set_exception(error)
        raise


def _worked(batch: Batch, writer: Writer, formats: Formats) -> Ingested:
    begins = all(chunk.first for chunk in batch.chunks)
    logs = _as_rows(batch.logs)
    lines = split(batch.chunks if batch.joined is None else batch.joined)
    batch.chunks, batch.joined = [], None  # their text is in `lines` now
    claims = match.claim(lines, formats)
    state = batch.before.result() if batch.before is not None else match.State()
    if batch.after is not None:
        batch.after.set_result(match.advance(claims, formats, state, logs["modified_at"][0]))
    settled = match.settle(claims, formats, state, logs.select("modified_at").with_row_index("log"))
    ids = logs["log_id"]
    tables = {name: _with_ids(frame, ids, coded=name in LONG) for name, frame in settled.tables.items()}
    tables["issues"] = _with_ids(settled.issues, ids)
    tables["facts"] = mask_facts(tables["facts"]) if "facts" in tables else TABLES["facts"].empty()
    if begins:
        by_name = facts_of_names(logs.select("log_id", "path"))
        tables["facts"] = pl.concat([tables["facts"], by_name], how="diagonal_relaxed")
    tables["sources"] = sources(settled, claims, ids, state)
    for name, (column, characters) in TEXTS.items():
        if name in tables:
            masked = mask(tables[name], (column,))
            tables[name] = masked.with_columns(pl.col(column).str.head(characters)) if characters else masked
    tables["logs"] = _log_rows(batch, logs, settled, claims)
    writer.write(batch.part, tables)
    finished = 0 if batch.tally is not None and not tables["logs"].height else len(batch.logs)
    return Ingested(
        read=finished,
        lines=int(settled.ledger["lines"].sum()),
        bytes=sum(log.bytes for log in batch.logs) if finished else 0,
        unreadable=sum(status == "unreadable" for _, status, _ in batch.unread),
    )


def _with_ids(frame: pl.DataFrame, ids: pl.Series, *, coded: bool = False) -> pl.DataFrame:
    """`log_id` for `log`; `coded`: as an Enum, which costs nothing per row and is written as it is."""
    log = frame["log"]
    named = log.cat.to(pl.Enum(ids)).alias("log_id") if coded else ids.gather(log)
    return frame.drop("log").insert_column(0, named)


def _log_rows(batch: Batch, logs: pl.DataFrame, settled: match.Settled, claims: match.Claims) -> pl.DataFrame:
    """Rows of `logs`; for a large log only with its last piece, over all of them."""
    progress = settled.tables.get("progress")
    records = _count(progress) if progress is not None else pl.DataFrame(schema={"log": pl.UInt32, "records": pl.Int64})
    seen = settled.formats.group_by("log").agg(formats=pl.col("format").sort())
    codes = settled.issues.group_by("log").agg(codes=pl.col("code").unique())
    ledger = settled.ledger
    if batch.tally is not None:
        tally = batch.tally
        tally.ledger.append(ledger)
        tally.records.append(int(records["records"].sum()))
        tally.formats.update(settled.formats["format"])
        tally.codes.update(settled.issues["code"])
        if batch.counted is not None:
            batch.counted.set_result(None)
        if claims.lines.more:
            return LOGS.empty()
        for piece in tally.counted:  # an earlier piece may take longer than the last one
            piece.result()
        ledger = pl.concat(tally.ledger).group_by("log").sum()
        records = pl.DataFrame(
            {"log": [0], "records": [sum(tally.records)]}, schema={"log": pl.UInt32, "records": pl.Int64}
        )
        seen = pl.DataFrame(
            {"log": [0], "formats": [sorted(tally.formats)]}, schema={"log": pl.UInt32, "formats": pl.List(pl.String)}
        )
        codes = pl.DataFrame(
            {"log": [0], "codes": [sorted(tally.codes)]}, schema={"log": pl.UInt32, "codes": pl.List(pl.String)}
        )
    numbers = range(len(batch.logs))
    rows = logs.with_columns(
        log=pl.int_range(pl.len(), dtype=pl.UInt32),
        fingerprint=pl.Series(batch.fingerprints, dtype=pl.String),
        compression=pl.Series(batch.compressions, dtype=pl.String),
        encoding=pl.Series([claims.lines.encodings.get(n, "utf-8") for n in numbers], dtype=pl.String),
        encoding_confidence=pl.Series([claims.lines.confidences.get(n, 1.0) for n in numbers], dtype=pl.Float64),
    )
    for counts in (ledger, records, seen, codes):
        rows = rows.join(counts, on="log", how="left")
    rows = rows.with_columns(pl.col("records").fill_null(0), pl.col("formats").fill_null(NO_FORMATS))
    failed = _as_rows([log for log, _, _ in batch.unread]).with_columns(
        **ZEROS,
        status=pl.Series([status for _, status, _ in batch.unread], dtype=pl.String),
        message=pl.Series([why for _, _, why in batch.unread], dtype=pl.String),
    )
    return pl.concat([conform(_judged(rows).drop("log", "codes"), LOGS), conform(failed, LOGS)])


def _as_rows(logs: list[Log]) -> pl.DataFrame:
    names = ("log_id", "root", "path", "bytes", "owner", "bytes_before")
    rows = {name: pl.Series([getattr(log, name) for log in logs], dtype=LOGS.schema[name]) for name in names}
    modified_us = pl.Series([log.modified_us for log in logs], dtype=pl.Int64)
    return pl.DataFrame({**rows, "modified_at": modified_us.cast(LOGS.schema["modified_at"])})


def _count(progress: pl.DataFrame) -> pl.DataFrame:
    return progress.group_by("log").agg(records=pl.len().cast(pl.Int64))


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Status and message of logs that were read."""
    has = pl.col("formats").list.len() > 0
    cut = pl.col("codes").list.contains("truncated").fill_null(False)
    binary = pl.col("codes").list.contains("bad_bytes").fill_null(False)
    source = pl.col("path").str.extract(SOURCE_ENDING)
    status = (
        pl.when(pl.col("lines") == 0)
        .then(pl.lit("empty"))
        .when(cut)
        .then(pl.lit("partial"))
        .when(has)
        .then(pl.lit("parsed"))
        .when(source.is_not_null())
        .then(pl.lit("left_out"))
        .otherwise(pl.lit("unrecognized"))
    )
    message = (
        pl.when(status == "partial")
        .then(pl.lit("damaged: read up to the damage"))
        .when(status == "left_out")
        .then(pl.format("1 source file ({}): no records in it", source))
        .when((status == "unrecognized") & binary)
        .then(pl.lit("no text, or text in an encoding that is not read"))
        .when(status == "unrecognized")
        .then(pl.format("{} lines, no step, epoch or iteration counter found", "lines"))
    )
    return rows.with_columns(status=status, message=message)
