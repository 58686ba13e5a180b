"""What real libraries printed on purpose: every record is read, counted by hand in the raw bytes."""

import os
import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from reading import FORMATS, assert_same, read
from test_contract import assert_same_claims, general_reading
from trainqc.pipeline import match
from trainqc.pipeline.chunks import Chunk
from trainqc.pipeline.lines import split

SHARED = Path(os.environ.get("TRAINQC_SHARED", Path(__file__).parents[2] / "shared"))
CAPTURES = SHARED / "captures"
FILES = [file for name in ("tqdm", "mmengine", "hf") for file in sorted(CAPTURES.glob(f"{name}_*"))]

pytestmark = pytest.mark.skipif(not FILES, reason="no captures beside the repository (TRAINQC_SHARED)")
each_file = pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
each_tqdm = pytest.mark.parametrize("file", [f for f in FILES if f.name.startswith("tqdm")], ids=lambda f: f.name)
each_mmengine = pytest.mark.parametrize(
    "file", [f for f in FILES if f.name.startswith("mmengine")], ids=lambda f: f.name
)

each_hf = pytest.mark.parametrize("file", [f for f in FILES if f.name.startswith("hf")], ids=lambda f: f.name)


def redraws(data: bytes) -> list[bytes]:
    """Every state that a screen would have shown, by the crudest means."""
    return re.split(rb"\r|\n|\x08+|(?:\x1b?\[A)+", data)


@each_tqdm
def test_every_bar_is_a_row(file: Path) -> None:
    """A redraw with a clock in brackets, or with a percentage and cells, is a row of `progress`."""
    shown = re.compile(rb"\[-?(?:\d+:)?\d+:\d\d(?:<|, )|\d%\|")
    wanted = [frame for frame in redraws(file.read_bytes()) if shown.search(frame)]
    found = read(file.read_bytes())
    assert found["progress"].height == len(wanted)
    assert found["issues"].is_empty()
    assert set(found["progress"]["format"]) <= {"tqdm"}


@each_tqdm
def test_every_counter_is_the_printed_one(file: Path) -> None:
    """The plain counters `n/total [` of the bytes are the pairs of iter and iters_per_epoch, as often as they stand."""
    counter = re.compile(rb"\| *(\d+)/(\d+) \[")
    wanted = Counter(tuple(map(int, pair)) for frame in redraws(file.read_bytes()) for pair in counter.findall(frame))
    rows = read(file.read_bytes())["progress"].drop_nulls(["iter", "iters_per_epoch"]).select("iter", "iters_per_epoch")
    found = Counter(rows.iter_rows())
    assert not wanted - found


@each_tqdm
def test_every_postfix_loss_is_a_metric(file: Path) -> None:
    """Each `loss=` of a bar that is not cut in the middle of it is a metric."""
    wanted = [
        float(v) for frame in redraws(file.read_bytes()) for v in re.findall(rb"/s.*?, loss=([^,\]]+)[,\]]", frame)
    ]
    found = read(file.read_bytes())["metrics"].filter(pl.col("name") == "loss").sort("line", "redraw", "piece")
    assert found["value"].to_list() == wanted


@each_mmengine
def test_every_train_and_val_line_is_a_row(file: Path) -> None:
    """As many rows of each phase as `grep` counts lines with `(train)` or `(val)` and a counter."""
    data = file.read_bytes()
    found = read(data)
    for phase in ("train", "val", "test"):
        wanted = len(re.findall(rb"^.*(?:Epoch|Iter)\(%s\) +(?:\[ *\d+\])?\[ *\d+/\d+\]" % phase.encode(), data, re.M))
        assert found["progress"].filter(pl.col("phase") == phase).height == wanted
    assert set(found["progress"]["format"]) <= {"mmengine"}


@each_mmengine
def test_every_loss_and_time_is_the_printed_one(file: Path) -> None:
    """The printed losses and iteration times of the train lines, in order."""
    lines = [line for line in re.split(rb"\r?\n", file.read_bytes()) if b"(train)" in line]
    found = read(file.read_bytes())
    loss = found["metrics"].filter((pl.col("name") == "loss") & (pl.col("phase") == "train")).sort("line")["value"]
    wanted = [v.decode() for line in lines for v in re.findall(rb" loss: (\S+)", line)]
    assert [f"{v:.4f}" for v in loss] == [f"{float(v):.4f}" for v in wanted]
    times = found["progress"].filter(pl.col("phase") == "train").sort("line")["s_per_iter"].to_list()
    assert times == [float(v) for line in lines for v in re.findall(rb" time: (\S+)", line)]


@each_mmengine
def test_checkpoints_and_process_starts_are_events(file: Path) -> None:
    """As many `checkpoint` and `start` events as the bytes hold `Saving checkpoint` and `System environment:`."""
    data = file.read_bytes()
    kinds = Counter(read(data)["events"]["kind"])
    assert kinds["checkpoint"] == data.count(b"Saving checkpoint at ")
    assert kinds["start"] == len(re.findall(rb"^System environment:\r?$", data, re.M))


@each_hf
def test_every_dict_of_the_trainer_is_a_row(file: Path) -> None:
    """As many training and validation rows as `grep` counts dicts; their losses and fractions are the printed ones."""
    data = file.read_bytes()
    found = read(data)
    rows = found["progress"].filter(pl.col("format") == "huggingface")
    values = found["metrics"].filter(pl.col("phase") == "train").sort("line", "redraw", "piece")
    assert rows.filter(pl.col("phase") == "train").height == len(re.findall(rb"\{'loss': ", data))
    assert rows.filter(pl.col("phase") == "val").height == len(re.findall(rb"\{'eval_loss': ", data))
    dicts = re.findall(rb"\{'loss': [^}]*\}", data)
    for name in ("loss", "epoch"):
        wanted = [float(v) for text in dicts for v in re.findall(rb"'%s': '?([^',}]+)" % name.encode(), text)]
        assert values.filter(pl.col("name") == name)["value"].to_list() == wanted
    assert set(found["progress"]["format"]) == {"tqdm", "huggingface"}
    assert found["issues"].is_empty()


@each_file
def test_learned_layouts_read_captures(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learned patterns read every line of every capture as the general ones do."""
    chunk = Chunk(0, file.read_bytes(), first=True, last=True)

    def once() -> match.Claims:
        return match.claim(split([chunk]), FORMATS)

    assert_same_claims(once(), general_reading(monkeypatch, once))


@each_file
def test_line_ends_of_captures_do_not_matter(file: Path) -> None:
    """CRLF equals LF."""
    unix = file.read_bytes().replace(b"\r\n", b"\n")
    assert_same(read(unix), read(unix.replace(b"\n", b"\r\n")))
