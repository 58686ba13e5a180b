"""Who gets a line, what is read from it, and what is told of what could not be read: on a toy format."""

import polars as pl
import pytest
from reading import READ, only, read, read_cut
from trainqc.parsers.contract import FLOAT, INT, KEY, Matched, Pairs, Parser, Record, Tables
from trainqc.pipeline import capture
from trainqc.pipeline.detect import Formats

STEP = Record(
    name="step",
    hints=("step ",),
    pattern=r"^step (?P<n>[0-9]+)/(?P<total>[^ ]+):(?P<pairs>[^|]*)(?:\|(?P<tail>.*))?$",
    almost=r"^step ",
    fields={"n": INT, "total": INT},
    pairs=Pairs(r"(?P<name>[a-z_]+)=(?P<value>[^ |]*)", {"lr": FLOAT}),
    examples=("step 1/9: loss=0.5",),
)
EPOCH = Record(
    name="epoch",
    hints=("epoch ",),
    pattern=r"^epoch (?P<epoch>[0-9]+)$",
    fields={"epoch": INT},
    carry="epoch",
    examples=("epoch 1",),
)
NOTE = Record(
    name="note", hints=("note:", "step"), pattern=r"(?:note:|step)", known=True, fallback=True, examples=("note: x",)
)


def to_tables(matched: Matched) -> Tables:
    rows = matched.rows("step").with_columns(phase=pl.lit("train"), iter="n", global_iter=pl.lit(None, pl.Int64))
    rows = matched.latest("epoch", rows, {"epoch": "epoch"}).with_columns(pl.col("epoch").cast(pl.Int32))
    rows = matched.rows("step").select("seq", "piece").join(rows, on=["seq", "piece"], maintain_order="left")
    return {
        "progress": [rows.select(*KEY, "phase", "epoch", "iter", "lr", iters_per_epoch="total")],
        "metrics": [matched.metrics("step", rows)],
        "facts": [matched.word_facts("step")],
    }


TOY = only(Parser("toy", (STEP, EPOCH, NOTE), to_tables))


def issues(text: str, using: Formats = TOY) -> list[tuple[object, ...]]:
    return read(text, using=using)["issues"].select("line", "code", "column", "raw", "count").rows()


def test_numbers_are_metrics_and_words_are_facts() -> None:
    """Free pairs arrive without being named: numbers with nan and inf as metrics, words once a value as facts."""
    found = read(
        "step 1/9: loss=0.5 val_acc=nan sched=cosine lr=0.1\nstep 2/9: loss=inf val_acc=1 sched=cosine lr=0.2\n",
        using=TOY,
    )
    got = found["metrics"].sort("line", "name").select("line", "name", "printed_name", "phase", "value")
    assert [str(row) for row in got.rows()] == [
        "(1, 'acc', 'val_acc', 'val', nan)",
        "(1, 'loss', 'loss', 'train', 0.5)",
        "(2, 'acc', 'val_acc', 'val', 1.0)",
        "(2, 'loss', 'loss', 'train', inf)",
    ]
    assert found["facts"].select("line", "name", "value").rows() == [(1, "sched", "cosine")]
    assert found["progress"].sort("line")["lr"].to_list() == [0.1, 0.2]


def test_a_glued_record_is_a_piece() -> None:
    """What stands behind a record goes round again under the same line, with the next piece number, three rounds."""
    found = read("step 1/9: loss=1|step 2/9: loss=2|step 3/9: loss=3|step 4/9: loss=4|step 5/9: loss=5\n", using=TOY)
    assert found["progress"].select("line", "piece", "iter").rows() == [(1, n, n + 1) for n in range(4)]
    assert found["metrics"].sort("piece")["value"].to_list() == [1.0, 2.0, 3.0, 4.0]


def test_a_bad_value_is_told_once_with_its_count() -> None:
    """A captured field that is no such value is null, and one issue says where first, what, and how often."""
    text = "step 1/9: loss=1\nstep 2/x: loss=1\nstep 3/y: loss=1\n" * 2
    assert issues(text) == [(2, "bad_value", "total", "x", 4)]
    assert read(text, using=TOY)["progress"]["iters_per_epoch"].null_count() == 4


def test_drift_is_told_with_an_example() -> None:
    """A line that has the hints and almost the pattern, and that nobody claims, is reported with its text."""
    assert issues("step 1/9: loss=1\nstep two of nine\nstep three\n") == [(2, "drift", "step", "step two of nine", 2)]


def test_a_line_that_another_shape_claims_is_no_drift() -> None:
    """Only what no shape of any format claims has drifted."""
    other = Parser(
        "other",
        (Record(name="word", hints=("step",), pattern="^step (?:two|three)", examples=("step two",)),),
        lambda _: {},
    )
    both = Formats({**TOY.parsers, "other": other})
    assert issues("step two of nine\nstep three\nstep four\n", both) == [(3, "drift", "step", "step four", 1)]


def test_raw_text_of_an_issue_is_short() -> None:
    """An issue quotes a bounded part of a line."""
    assert len(str(issues("step " + "x" * 5000)[0][3])) == capture.RAW_CHARACTERS


def test_lines_are_counted_once() -> None:
    """Each physical line is parsed, known or unknown, whatever its redraws and pieces are; blank ones are known."""
    text = "step 1/9: loss=1\rstep 2/9: loss=1\nnote: hello\n\nwhat is this\nstep 3/9: a=1|step 4/9: a=1\n   \n"
    ledger = read(text, using=TOY).ledger.row(0, named=True)
    wanted = {"lines": 6, "lines_parsed": 2, "lines_known": 3, "lines_unknown": 1}
    assert {name: n for name, n in ledger.items() if name != "log"} == wanted


def test_later_rows_know_the_latest_header() -> None:
    """A carried column is that of the last row before, in the same log alone, also over the border of pieces."""
    text = "step 1/9: loss=1\nepoch 1\nstep 2/9: loss=1\nepoch 2\nepoch 3\nstep 3/9: loss=1\nstep 4/9: loss=1\n"
    wanted = [None, 1, 3, 3]
    assert read(text, using=TOY)["progress"].sort("line")["epoch"].to_list() == wanted
    ends = [i + 1 for i, c in enumerate(text) if c == "\n"][:-1]
    for end in ends:
        assert read_cut(text.encode(), end, using=TOY)["progress"].sort("line")["epoch"].to_list() == wanted
    assert read(text, "step 9/9: loss=1\n", using=TOY).of(1)["progress"]["epoch"].to_list() == [None]


def test_more_layouts_than_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines beyond the learned layouts are read all the same, pair by pair."""
    names = [a + b for a in "abcdefg" for b in "abcdefg"]
    text = "".join(f"step {n}/99: {name}={n} lr=0.{n} w{name}=word\n" for n, name in enumerate(names, 1))
    found = read(text, using=TOY)
    assert len(names) > capture.MAX_LAYOUTS
    assert found["metrics"].sort("line")["value"].to_list() == [float(n) for n in range(1, len(names) + 1)]
    assert found["progress"].sort("line")["lr"].to_list() == [float(f"0.{n}") for n in range(1, len(names) + 1)]
    assert found["facts"].height == len(names)


def test_a_name_that_stands_twice_counts_once() -> None:
    """Of a name that a line prints twice the first value is taken, by either way of reading."""
    text = "step 1/9: loss=1 loss=2\n"
    assert read(text, using=TOY)["metrics"]["value"].to_list() == [1.0]


def test_frames_of_a_record_have_no_empty_chunks() -> None:
    """Columns in several chunks, the first of them empty, make polars 2.1 panic in `format`: parsers never see one."""
    seen: list[int] = []

    def count(matched: Matched) -> Tables:
        rows = matched.rows("step")
        seen.extend(column.n_chunks() for column in rows.iter_columns())
        return {"events": [rows.select("log", "line", kind=pl.lit("x"), message=pl.format("{} {}", "n", "lr"))]}

    formats = only(Parser("toy", (STEP, EPOCH, NOTE), count))
    logs = ["note: x\n" * n + "step 1/9: a=1\nstep 2/9: b=1 a=2\nstep 3/9: lr=3\n" * 50 for n in range(40)]
    assert read(*logs, using=formats)["events"].height == 40 * 150
    assert set(seen) == {1}


def test_nothing_at_all() -> None:
    """No logs, empty logs and logs of blank lines give empty tables."""
    for found in (read("", using=TOY), read("\n\n  \n", "", using=TOY)):
        assert [found[name].height for name in READ] == [0] * len(READ)
        assert found.ledger["lines_parsed"].sum() == 0
