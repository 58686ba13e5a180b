"""Shapes of more than one line: tables under a header, regions, whole documents; also over the borders of pieces."""

import json

import polars as pl
import pytest
from reading import Read, assert_same_rows, only, read, read_cut
from trainqc.parsers.contract import (
    FLOAT,
    INT,
    KEY,
    TEXT,
    Document,
    Matched,
    Parser,
    Record,
    Region,
    Table,
    Tables,
    facts,
)

SAMPLES_TABLE = Table(
    name="samples",
    hints=("gpu,", "util"),
    header=r"^(?:time|gpu), ?.*util",
    separator=",",
    columns={"gpu": ("gpu", INT), "util [%]": ("util", FLOAT), "name": ("name", TEXT)},
    row=r"^[0-9]+ *,",
    examples=(("gpu, name, util [%]", "0, A100, 97", "1, A100, 3"),),
)
CONFIG = Region(
    name="config", hints=("config:",), start=r"config:$", stop=r"^end$", examples=(("config:", "  a: 1", "end"),)
)
BANNER = Record(name="banner", hints=("INFO",), pattern="^INFO ", known=True, fallback=True, examples=("INFO x",))


def load(text: str) -> pl.DataFrame | None:
    """One JSON value with a history; no JSON, or another one, is not of this kind."""
    if not text.rstrip().endswith("}"):
        return None
    history = json.loads(text)["history"]
    return pl.DataFrame(history, schema={"step": pl.Int64, "loss": pl.Float64})


STATE = Document(
    name="state",
    hints=('"history"', '"step"'),
    load=load,
    schema={"step": pl.Int64(), "loss": pl.Float64()},
    examples=('{"history": [{"step": 1, "loss": 0.5}]}',),
)


def to_tables(matched: Matched) -> Tables:
    gpu = matched.rows("samples").select(
        "log", "line", gpu=pl.col("gpu").cast(pl.Int32), gpu_name="name", utilization_pct="util"
    )
    pair = (
        matched.region("config")
        .with_columns(pl.col("text").str.extract_groups(r"^ +(?P<name>\w+): (?P<value>\w+)$"))
        .unnest("text")
    )
    progress = matched.rows("state").select(*KEY, global_iter="step")
    whole = matched.region("config").group_by("log", "region", maintain_order=True).agg(pl.first("line"), pl.len())
    return {
        "gpu": [gpu],
        "facts": [facts(pair, pl.col("name"), pl.col("value"), "config")],
        "progress": [progress],
        "events": [whole.select("log", "line", kind=pl.lit("config"), message=pl.format("{} lines", "len"))],
    }


TOY = only(Parser("toy", (SAMPLES_TABLE, CONFIG, BANNER, STATE), to_tables))

LOG = """noise
gpu, name, util [%]
0, A100, 97
1, A100, 3
noise, with, commas
INFO config:
  a: 1
  b: two

  c: 3
end
  d: 4
2, A100, 50
gpu, util [%]
0, 12
1, A100, 50
INFO config:
  e: 5
INFO something
  f: 6
"""


def gpu(found: Read) -> list[tuple[object, ...]]:
    return found["gpu"].sort("line").select("line", "gpu", "gpu_name", "utilization_pct").rows()


def test_rows_have_the_columns_of_the_last_header() -> None:
    """Each row is read by the header before it; a row with another number of cells is none."""
    assert gpu(read(LOG, using=TOY)) == [
        (3, 0, "A100", 97.0),
        (4, 1, "A100", 3.0),
        (13, 2, "A100", 50.0),
        (15, 0, None, 12.0),
    ]


def test_rows_before_any_header_are_not_read() -> None:
    """Without a header nobody knows what the cells mean; the header of another log of the batch does not help."""
    found = read("gpu, name, util [%]\n0, A100, 1\n", "0, A100, 97\n", using=TOY)
    assert found.of(0)["gpu"].height == 1
    assert found.of(1)["gpu"].height == 0


def test_regions_begin_and_end() -> None:
    """A region begins with its line or a banner that ends in it, and ends before `stop` or the next claimed line; blank
    lines do not end it."""
    found = read(LOG, using=TOY)
    assert found["facts"].sort("line").select("line", "name", "value").rows() == [
        (7, "a", "1"),
        (8, "b", "two"),
        (10, "c", "3"),
        (18, "e", "5"),
    ]
    assert found["events"].sort("line").select("line", "message").rows() == [(6, "4 lines"), (17, "2 lines")]


def test_regions_of_logs_do_not_touch() -> None:
    """A region that is open at the end of one log does not go on in the next one of the batch."""
    found = read("config:\n  a: 1\n", "  b: 2\n", using=TOY)
    assert found.of(0)["facts"]["name"].to_list() == ["a"]
    assert found.of(1)["facts"].is_empty()


@pytest.mark.parametrize("ends", ["each", "all"])
def test_stretches_over_the_borders_of_pieces(ends: str) -> None:
    """Headers stay in force, and a region comes whole and once, wherever a large log is cut."""
    data = LOG.encode()
    whole = read(data, using=TOY)
    borders = [i + 1 for i, byte in enumerate(data) if byte == 10][:-1]
    for cuts in [[b] for b in borders] if ends == "each" else [borders]:
        found = read_cut(data, *cuts, using=TOY)
        for table in ("gpu", "facts", "events"):
            assert_same_rows(whole[table], found[table], f"{table} cut at {cuts}")
        assert_same_rows(whole.ledger, found.ledger.select(whole.ledger.columns), f"ledger cut at {cuts}")


def test_a_document_is_loaded_once_a_file() -> None:
    """A log that is one JSON value is given to `load` as a whole, one call a file, and its lines are parsed."""
    text = json.dumps({"history": [{"step": n, "loss": 1 / n} for n in (10, 20)]}, indent=1)
    found = read(text, "no document\n", text, using=TOY)
    assert found["progress"].select("log_id", "line", "global_iter").rows() == [
        ("0", 1, 10),
        ("0", 1, 20),
        ("2", 1, 10),
        ("2", 1, 20),
    ]
    assert found.of(0).ledger["lines_unknown"].to_list() == [0]
    assert found.formats == {0: {"toy"}, 2: {"toy"}}


def test_a_document_that_is_cut() -> None:
    """`load` says None to half a file: its lines are unknown, and nothing is raised."""
    text = json.dumps({"history": [{"step": 10, "loss": 0.1}]}, indent=1)
    found = read(text[: len(text) // 2 + 14], using=TOY)
    assert found["progress"].is_empty()
