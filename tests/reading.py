"""How the tests of the engine read logs without files: one, many in a batch, or one in pieces."""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
from trainqc.parsers.contract import Parser
from trainqc.pipeline import match
from trainqc.pipeline.chunks import Chunk, read_chunks
from trainqc.pipeline.detect import Formats
from trainqc.pipeline.lines import split
from trainqc.pipeline.registry import formats
from trainqc.pipeline.tables import TABLES, conform

PROJECT = Path(__file__).parents[1]
SAMPLES = PROJECT / "sample_logs"
AT = dt.datetime(2025, 12, 31, tzinfo=dt.UTC)
"""When the files of the tests were last changed, where nothing else is said: stamps without a year hang on it."""

FORMATS = formats()
PARSERS = tuple(FORMATS.parsers.values())
READ = ("progress", "metrics", "facts", "clocks", "events", "gpu", "issues")


def only(parser: Parser) -> Formats:
    return Formats({parser.name: parser})


def sample_files(parser: str) -> list[Path]:
    return sorted(p for p in (SAMPLES / parser).rglob("*") if p.is_file() and p.suffix in (".log", ".json", ".txt"))


SAMPLE_FILES = [file for parser in PARSERS for file in sample_files(parser.name)]


def name_of(file: Path) -> str:
    return file.relative_to(SAMPLES).as_posix()


@dataclass(frozen=True)
class Read:
    """The parsed tables in their schema (`log_id` is the log's number as text), and per log its ledger and formats."""

    tables: dict[str, pl.DataFrame]
    ledger: pl.DataFrame
    formats: dict[int, set[str]]

    def __getitem__(self, table: str) -> pl.DataFrame:
        return self.tables[table]

    def of(self, log: int) -> "Read":
        """What one log of a batch gave, as if it had been read alone."""
        mine = {
            name: t.filter(pl.col("log_id") == str(log)).with_columns(log_id=pl.lit("0"))
            for name, t in self.tables.items()
        }
        ledger = self.ledger.filter(pl.col("log") == log).with_columns(log=pl.lit(0, pl.UInt32))
        return Read(mine, ledger, {0: self.formats[log]} if log in self.formats else {})


def read(*logs: bytes | str, using: Formats = FORMATS, at: dt.datetime | None = AT) -> Read:
    """Whole logs in one batch."""
    data = [log.encode() if isinstance(log, str) else log for log in logs]
    chunks = [Chunk(number, one, first=True, last=True) for number, one in enumerate(data)]
    return joined([settled(chunks, match.State(), using, at)[0]])


def read_pieces(log: bytes, size: int, using: Formats = FORMATS, at: dt.datetime | None = AT) -> Read:
    """One log in pieces of about `size` bytes."""
    return read_chunked(list(read_chunks(io.BytesIO(log), 0, size)), using, at)


def read_cut(log: bytes, *cuts: int, using: Formats = FORMATS, at: dt.datetime | None = AT) -> Read:
    """One log in pieces that end at these bytes."""
    borders = [0, *cuts, len(log)]
    spans = list(pairwise(borders))
    chunks = [Chunk(0, log[a:b], first=a == 0, last=b == len(log)) for a, b in spans]
    return read_chunked(chunks, using, at)


def read_chunked(chunks: Iterable[Chunk], using: Formats = FORMATS, at: dt.datetime | None = AT) -> Read:
    state, parts = match.State(), []
    for chunk in chunks:
        part, state = settled([chunk], state, using, at)
        parts.append(part)
    return joined(parts)


def settled(
    chunks: Sequence[Chunk], state: match.State, using: Formats, at: dt.datetime | None
) -> tuple[match.Settled, match.State]:
    claims = match.claim(split(chunks), using)
    after = match.advance(claims, using, state, at) if len(chunks) == 1 else state
    anchors = pl.DataFrame(
        {"log": [chunk.log for chunk in chunks], "modified_at": [at] * len(chunks)},
        schema={"log": pl.UInt32, "modified_at": pl.Datetime("us", "UTC")},
    )
    return match.settle(claims, using, state, anchors), after


def joined(parts: Sequence[match.Settled]) -> Read:
    frames: dict[str, list[pl.DataFrame]] = {name: [TABLES[name].empty()] for name in READ}
    for part in parts:
        for name, frame in {**part.tables, "issues": part.issues}.items():
            frames[name].append(in_table(name, frame))
    ledger = pl.concat([part.ledger for part in parts]).group_by("log").sum().sort("log")
    seen: dict[int, set[str]] = {}
    for part in parts:
        for log, name in part.formats.iter_rows():
            seen.setdefault(log, set()).add(name)
    return Read({name: pl.concat(some) for name, some in frames.items()}, ledger, seen)


def in_table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    return conform(frame.rename({"log": "log_id"}).with_columns(pl.col("log_id").cast(pl.String)), TABLES[name])


def assert_same_rows(one: pl.DataFrame, two: pl.DataFrame, what: str) -> None:
    """The same rows in any order; a failure shows the rows that only one side has."""
    assert one.schema == two.schema, what
    cells = (pl.selectors.list().list.join(","), (~pl.selectors.list()).cast(pl.String))
    a, b = (t.select(pl.concat_str(*cells, separator="|", ignore_nulls=True).alias("_")) for t in (one, two))
    counts = [t["_"].value_counts(name=side) for t, side in ((a, "one"), (b, "two"))]
    both = counts[0].join(counts[1], on="_", how="full", coalesce=True).fill_null(0)
    odd = both.filter(pl.col("one") != pl.col("two")).sort("_")
    assert odd.is_empty(), f"{what}: rows that one side has more often: {odd.rows()[:8]}"


def assert_same(one: Read, two: Read, *, tables: Sequence[str] = READ) -> None:
    """Both readings give the same rows (in any order), the same ledger and the same formats."""
    for name in tables:
        assert_same_rows(one[name], two[name], name)
    assert_same_rows(one.ledger, two.ledger.select(one.ledger.columns), "ledger")
    assert one.formats == two.formats


def assert_same_in_pieces(whole: Read, pieces: Read) -> None:
    """A log read in pieces gives the tables of the log read whole. What is said once a log may be said once a piece:
    `nan_loss`, an issue with its count; a piece's own first and last stamps are clocks."""
    by_case = ["log_id", "code", "column"]
    for name in ("progress", "metrics", "gpu"):
        assert_same_rows(whole[name], pieces[name], name)
    line = pl.when(pl.col("name") != "clock_year_from").then("line")  # that is no line of its own
    said = [t["facts"].with_columns(line=line) for t in (whole, pieces)]
    assert_same_rows(*said, "facts")
    again = (pl.col("kind") == "nan_loss") & (pl.col("line") > pl.col("line").min().over("kind"))
    assert_same_rows(whole["events"].filter(~again), pieces["events"].filter(~again), "events")
    counted = [t["issues"].group_by(by_case).agg(pl.min("line"), pl.sum("count")) for t in (whole, pieces)]
    assert_same_rows(*counted, "issues")
    assert whole["clocks"].join(pieces["clocks"], on=["line", "logged_at"], how="anti").is_empty()
    ends = [t["clocks"].select(a=pl.min("logged_at"), b=pl.max("logged_at"), c=pl.max("line")) for t in (whole, pieces)]
    assert_same_rows(*ends, "clocks")
    assert_same_rows(whole.ledger, pieces.ledger.select(whole.ledger.columns), "ledger")
    assert whole.formats == pieces.formats
