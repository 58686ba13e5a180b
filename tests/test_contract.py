"""What every format promises, whichever it is: tried for all that the registry finds, on their examples and samples."""

import gc
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import regex
from expectation import formats_in, path_of
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import (
    FORMATS,
    PARSERS,
    PROJECT,
    SAMPLE_FILES,
    assert_same,
    assert_same_in_pieces,
    assert_same_rows,
    in_table,
    name_of,
    read,
    read_cut,
    read_pieces,
    sample_files,
)
from trainqc.parsers.contract import Document, Matched, Parser, Record, Region, Table
from trainqc.pipeline import capture, match, stretches
from trainqc.pipeline.chunks import Chunk
from trainqc.pipeline.detect import Formats, hinted
from trainqc.pipeline.lines import LINES, split
from trainqc.pipeline.tables import TABLES

each_parser = pytest.mark.parametrize("parser", PARSERS, ids=lambda p: p.name)
each_sample = pytest.mark.parametrize("file", SAMPLE_FILES, ids=name_of)

RECORDS = [(p, s) for p in PARSERS for s in p.shapes if isinstance(s, Record)]
EXAMPLES = [(p, r, text) for p, r in RECORDS for text in r.examples]
each_example = pytest.mark.parametrize(
    ("parser", "record", "text"), EXAMPLES, ids=[f"{p.name}-{r.name}-{r.examples.index(t)}" for p, r, t in EXAMPLES]
)
REGIONS = [(p, r, lines) for p in PARSERS for r in p.shapes if isinstance(r, Region) for lines in r.examples]


def frame(*lines: str) -> pl.DataFrame:
    """Lines of one log as the frame that shapes are tried on; text is taken as it stands."""
    n = len(lines)
    columns = {
        "log": [0] * n,
        "line": range(1, n + 1),
        "redraw": [0] * n,
        "piece": [0] * n,
        "seq": range(n),
        "row": [0] * n,
    }
    return pl.DataFrame({**columns, "text": lines}, schema=LINES)


def claimed(*lines: str) -> match.Claims:
    return match.claim(split([Chunk(0, "\n".join(lines).encode(), first=True, last=True)]), FORMATS)


# ── examples ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_parser
def test_every_shape_has_an_example(parser: Parser) -> None:
    """A pattern without a line that shows it cannot be reviewed."""
    assert [shape.name for shape in parser.shapes if not shape.examples] == []


@each_parser
def test_shapes_have_names_of_their_own(parser: Parser) -> None:
    """`matched.rows(name)` means one shape."""
    names = [shape.name for shape in parser.shapes]
    assert len(names) == len(set(names))


@each_example
def test_an_example_is_claimed_by_its_own_record(parser: Parser, record: Record, text: str) -> None:
    """The whole example goes to its record: one row, nothing glued behind it, nothing that could not be read."""
    claims = claimed(text)
    shared = (
        {(p.name, r.name) for p, r in RECORDS if r.fallback and r.known} if record.fallback and record.known else set()
    )
    own = {key: c.rows.height for key, c in claims.records.items() if key not in shared - {(parser.name, record.name)}}
    assert own == {(parser.name, record.name): 1}
    assert claims.rest.height == 0
    assert {c.tails.height for c in claims.records.values()} == {0}
    assert claims.issues == []


@each_example
def test_two_shapes_never_want_one_example(parser: Parser, record: Record, text: str) -> None:
    """No order among the shapes of one rank is needed: of all formats, one record fits (fallback records aside)."""
    line = frame(text)
    fits = [
        (p.name, r.name)
        for p, r in RECORDS
        if (r.fallback is False or r is record)
        and line.filter(hinted(r.hints, pl.col("text"))).filter(pl.col("text").str.contains(r.pattern)).height
    ]
    assert fits == [(parser.name, record.name)]


@each_example
def test_the_two_engines_agree(parser: Parser, record: Record, text: str) -> None:
    """Layouts are learned with Python's `regex` and read by polars: both understand the pattern in the same way."""
    one = regex.search(record.pattern, text)
    assert one is not None
    groups = (
        pl.Series([text]).str.extract_groups(record.pattern).struct.unnest().row(0, named=True)
        if one.groupdict()
        else {}
    )
    assert groups == one.groupdict()


@each_example
def test_a_record_names_all_its_groups(parser: Parser, record: Record, text: str) -> None:
    """A group of the pattern that is no field, and a field without a group, would be dropped in silence."""
    groups = set(regex.compile(record.pattern).groupindex)
    assert groups - {"pairs", "tail"} == set(record.fields)
    assert ("pairs" in groups) == (record.pairs is not None)


@pytest.mark.parametrize(("parser", "region", "lines"), REGIONS, ids=[f"{p.name}-{r.name}" for p, r, _ in REGIONS])
def test_a_region_ends_where_its_example_says(parser: Parser, region: Region, lines: tuple[str, ...]) -> None:
    """Of a region's example all lines but the last belong to it, and to no other region or counting record."""
    claims = claimed(*lines)
    found = stretches.find(claims.rest, claims.banners, claims.starts, FORMATS, None)
    of = {key: rows["text"].to_list() for key, rows in found.regions.items() if rows.height}
    assert of == {(parser.name, region.name): list(lines[:-1])}
    counting = {key for key in claims.records if not FORMATS.records[key].known}
    assert counting == set()


@each_parser
def test_a_table_reads_its_example(parser: Parser) -> None:
    """A table's example is a header and rows: each row is read, and no other shape wants a line of it."""
    for table in (s for s in parser.shapes if isinstance(s, Table)):
        for lines in table.examples:
            claims = claimed(*lines)
            found = stretches.find(claims.rest, claims.banners, claims.starts, FORMATS, None)
            assert found.rows[parser.name, table.name].height == len(lines) - 1
            assert claims.records == {}


@each_parser
def test_a_document_reads_its_example(parser: Parser) -> None:
    """A document's example gives rows in the schema that it declares."""
    for document in (s for s in parser.shapes if isinstance(s, Document)):
        for text in document.examples:
            rows = document.load(text)
            assert rows is not None
            assert rows.height
            assert dict(rows.schema) == dict(document.schema)


# ── learned layouts ──────────────────────────────────────────────────────────────────────────────────────────────────


def general_reading(monkeypatch: pytest.MonkeyPatch, lines: Callable[[], match.Claims]) -> match.Claims:
    with monkeypatch.context() as patch:
        patch.setattr(capture, "MAX_LAYOUTS", 0)
        return lines()


def pairs_of(claim: capture.Claimed) -> pl.DataFrame:
    """The free pairs of a record with the place of their row, whichever way they were read."""
    parts = [pl.DataFrame(schema={"seq": pl.Int64, "piece": pl.Int32, "name": pl.String, "value": pl.Float64})]
    keys = claim.rows.select("seq", "piece")
    for values in claim.values:
        at = keys.slice(values.rows, len(values.value)) if isinstance(values.rows, int) else keys[values.rows]
        name = pl.lit(values.name) if isinstance(values.name, str) else values.name.alias("name")
        parts.append(at.with_columns(name=name, value=values.value))
    return pl.concat(parts).drop_nulls("value").sort("seq", "piece", "name", "value")


def assert_same_claims(one: match.Claims, two: match.Claims) -> None:
    assert one.records.keys() == two.records.keys()
    for key in one.records:
        a, b = one.records[key], two.records[key]
        assert_same_rows(a.rows, b.rows, f"rows of {key}")
        assert_same_rows(pairs_of(a), pairs_of(b), f"pairs of {key}")
        assert_same_rows(a.words, b.words, f"words of {key}")
        assert_same_rows(a.tails, b.tails, f"tails of {key}")
    assert_same_rows(one.rest, two.rest, "rest")
    issues = [sorted(f"{i.row(0)}" for i in claims.issues) for claims in (one, two)]
    assert issues[0] == issues[1]


@each_example
def test_a_layout_reads_its_example(parser: Parser, record: Record, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pattern that is learned from an example reads it as the record's own pattern does."""
    assert_same_claims(claimed(text), general_reading(monkeypatch, lambda: claimed(text)))


@each_sample
def test_layouts_read_samples(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learned patterns are an optimisation: every line of every sample is read the same."""
    chunk = Chunk(0, file.read_bytes(), first=True, last=True)

    def once() -> match.Claims:
        return match.claim(split([chunk]), FORMATS)

    assert_same_claims(once(), general_reading(monkeypatch, once))


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_parser
def test_every_format_has_a_sample(parser: Parser) -> None:
    """A format is shown by at least one log that its producer printed."""
    assert sample_files(parser.name)


@each_sample
def test_a_sample_has_exactly_its_formats(file: Path) -> None:
    """Each sample is detected as the formats that its expected file lists, by the parsers of all formats together."""
    assert read(file.read_bytes()).formats.get(0, set()) == set(formats_in(path_of(name_of(file))))


@each_parser
def test_empty_frames_give_empty_tables(parser: Parser) -> None:
    """Shapes that found nothing are empty frames, and what `to_tables` makes of them fits the tables."""
    records = [s for s in parser.shapes if isinstance(s, Record)]
    matched = Matched(
        {s.name: s.no_rows for s in parser.shapes if not isinstance(s, Region)},
        {s.name: [] for s in records},
        {s.name: capture.NO_WORDS for s in records},
        {s.name: s.no_rows for s in records},
        {s.name: match.NO_REGION for s in parser.shapes if isinstance(s, Region)},
    )
    tables = parser.to_tables(matched)
    assert tables
    for name, frames in tables.items():
        for one in frames:
            assert one.height == 0
            table = in_table(name, one.drop("seq", strict=False))
            assert table.schema == TABLES[name].schema


@each_example
def test_one_record_alone_fits_the_tables(parser: Parser, record: Record, text: str) -> None:
    """A log with nothing but one example gives rows that fit the tables, whatever else is absent."""
    tables = read(text).tables
    for name, table in tables.items():
        assert table.schema == TABLES[name].schema


@each_sample
def test_a_log_cut_at_any_byte_is_read(file: Path) -> None:
    """Cutting a log raises nothing, and changes no record that stands before the line of the cut."""
    data = file.read_bytes().replace(b"\r\n", b"\n")
    stride = max(1, len(data) // 30)
    ends = [*range(stride, len(data), stride)]
    whole, cut = read(data), read(*(data[:end] for end in ends))
    for log, end in enumerate(ends):
        last = data[:end].count(b"\n") + 1
        for table in ("progress", "metrics"):
            before = pl.col("line") < last
            assert_same_rows(cut.of(log)[table].filter(before), whole[table].filter(before), f"{table} of {end} bytes")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_stretch_of_a_log_is_read(data: st.DataObject) -> None:
    """A log may begin and end anywhere, within a character, an escape sequence, a bar: the ledger has all its lines."""
    text = data.draw(st.sampled_from(SAMPLE_FILES)).read_bytes()
    begin = data.draw(st.integers(0, len(text)))
    part = text[begin : begin + data.draw(st.integers(0, 6000))]
    ledger = read(part).ledger.row(0, named=True)
    assert ledger["lines"] == part.count(b"\n") + bool(part and not part.endswith(b"\n"))
    assert ledger["lines_parsed"] + ledger["lines_known"] + ledger["lines_unknown"] == ledger["lines"]


@each_sample
def test_line_ends_do_not_matter(file: Path) -> None:
    """CRLF equals LF."""
    unix = file.read_bytes().replace(b"\r\n", b"\n")
    assert_same(read(unix), read(unix.replace(b"\n", b"\r\n")))


# ── borders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def own(file: Path) -> Formats:
    """The formats that a sample holds: a fixed cost a piece is paid for each format, and there are many pieces."""
    return Formats({name: FORMATS.parsers[name] for name in formats_in(path_of(name_of(file)))})


@each_sample
def test_chunk_borders_do_not_matter(file: Path) -> None:
    """A log that is read in pieces gives the tables of the log that is read whole."""
    data, using = file.read_bytes(), own(file)
    whole = read(data, using=using)
    longest = max(map(len, data.replace(b"\r", b"\n").split(b"\n"))) + 1
    for size in {max(longest, len(data) // n) for n in (2, 7)}:
        assert_same_in_pieces(whole, read_pieces(data, size, using))


@each_sample
def test_a_border_may_be_anywhere(file: Path) -> None:
    """A piece may end at any line end and behind any redraw."""
    data, using = file.read_bytes(), own(file)
    whole = read(data, using=using)
    borders = [m.end() for m in regex.finditer(rb"\n|\r(?!\n)", data) if m.end() < len(data)]
    few = random.Random(file.name).sample(borders, min(4, len(borders)))
    for border in few:
        assert_same_in_pieces(whole, read_cut(data, border, using=using))


@each_parser
def test_batch_borders_do_not_matter(parser: Parser) -> None:
    """Logs that are read in one batch give the tables of each log alone."""
    logs = [file.read_bytes() for file in sample_files(parser.name)]
    logs = [*logs, b"", b"no log\n", *logs[:1]]
    batch = read(*logs)
    for number, log in enumerate(logs):
        assert_same(batch.of(number), read(log))


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def python_calls(work: Callable[[], object]) -> int:
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    gc.collect()
    gc.disable()  # or what the collector happens to find would be counted
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def assert_calls_do_not_grow(text: str, *times: int) -> None:
    """Beyond the rows that are probed for a layout the number is the same, but for a few records that a sample of the
    lines names earlier or later; below there are a few calls fewer."""
    read(text * times[0])
    few, some, many = (python_calls(lambda log=text * n: read(log)) for n in times)
    assert many == pytest.approx(some, rel=0.02)
    assert 0 <= many - few <= 300 * text.count("\n")


@each_parser
def test_python_is_called_per_layout_and_not_per_line(parser: Parser) -> None:
    """4 lines and 40,000 of one layout cost the same number of Python calls, from bytes to tables."""
    record = next(shape for shape in parser.shapes if isinstance(shape, Record))
    assert_calls_do_not_grow(f"{record.examples[0]}\n", 4, 400, 40_000)


@each_parser
def test_every_layout_is_columns(parser: Parser) -> None:
    """The same for all records of a format together: more lines of each layout cost no more calls."""
    texts = [text for shape in parser.shapes if isinstance(shape, Record) for text in shape.examples]
    assert_calls_do_not_grow("".join(f"{text}\n" for text in texts), 4, 100, 400)


@each_parser
def test_regions_are_columns_too(parser: Parser) -> None:
    """The same for the stretches of a format."""
    stretches = [lines for shape in parser.shapes if isinstance(shape, Region) for lines in shape.examples]
    assert_calls_do_not_grow("".join("\n".join(lines) + "\n" for lines in stretches), 4, 100, 400)


HOSTILE = (
    "a",
    "1",
    " ",
    "1 ",
    "a: ",
    "a=1, ",
    "[1/2] ",
    " - a: 1.0",
    "%|",
    '"',
    '"a": ',
    "/s]",
    "9s/it, ",
    "1:",
    "| ",
    "\\",
    "({[",
)
LONG = 20_000


def hostile_lines() -> Iterator[str]:
    """Runs of 20,000 characters alone, and before, within and behind the examples and hints of every record."""
    runs = [run * (LONG // len(run)) for run in HOSTILE]
    yield from runs
    for at, (_, record) in enumerate(RECORDS):
        text = record.examples[0]
        middle = len(text) // 2
        for run in runs[at % 8 :: 8]:
            yield run + text
            yield text + run
            yield text[:middle] + run + text[middle:]
            yield record.hints[0] + run


HOSTILE_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import test_contract as t
from reading import read
from trainqc.pipeline import capture
learned = []
learn = capture.learn
capture.learn = lambda record, text: learned.append(record.name) or learn(record, text)
lines = list(t.hostile_lines())
found = read("\\n".join(lines))
assert found.ledger["lines"].to_list() == [len(lines)], found.ledger
print(len(lines), len(learned), found["progress"].height, found["issues"].height)
"""


def test_no_line_hangs_a_pattern() -> None:
    """Hostile lines cost linear time: all of them together are read within a generous limit, by few learned layouts."""
    command = [sys.executable, "-c", HOSTILE_PROGRAM, str(PROJECT / "tests")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines, learned, rows, issues = map(int, done.stdout.split())
    assert learned <= len(RECORDS) * capture.MAX_LAYOUTS
    assert rows <= 4 * lines
    assert issues <= 4 * lines
