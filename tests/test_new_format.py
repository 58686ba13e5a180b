"""A new format is three new files (parser, sample log, expected file) and no edit of a shared one."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest
from expectation import described, formats_in, path_of
from reading import assert_same, assert_same_in_pieces, read, read_cut
from trainqc import parsers as built_in
from trainqc.pipeline import match
from trainqc.pipeline.chunks import Chunk
from trainqc.pipeline.detect import Formats
from trainqc.pipeline.lines import split
from trainqc.pipeline.registry import formats

MODULE = '''"""boostlog: rounds of a boosting library that does not exist."""

import polars as pl

from trainqc.parsers.contract import FLOAT, INT, KEY, Matched, Pairs, Parser, Record, Tables

ROUND = Record(
    name="round",
    hints=("[boost]",),
    pattern=r"^\\\\[boost\\\\] round (?P<n>[0-9]+) of (?P<total>[0-9]+) in (?P<took>[0-9.]+)s;(?P<pairs>.*)$",
    fields={"n": INT, "total": INT, "took": FLOAT},
    pairs=Pairs(r" (?P<name>[a-z_]+)=(?P<value>[^ ]+)"),
    examples=("[boost] round 1 of 20 in 0.25s; auc=0.5 val_auc=0.4",),
)


def to_tables(matched: Matched) -> Tables:
    rows = matched.rows("round").with_columns(
        phase=pl.lit("train"), epoch=pl.lit(None, pl.Int32), iter=pl.lit(None, pl.Int64), global_iter="n"
    )
    progress = rows.select(*KEY, "phase", "global_iter", iters_planned="total", s_per_iter="took")
    return {"progress": [progress], "metrics": [matched.metrics("round", rows)]}


PARSER = Parser("boostlog", (ROUND,), to_tables)
'''.replace("\\\\", "\\")

LOG = "reading data\n" + "".join(
    f"[boost] round {n} of 20 in 0.{n:02}s; auc={0.5 + n / 100:.2f} val_auc={0.4 + n / 100:.2f}\n" for n in range(1, 21)
)


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Formats:
    """A copy of the folder of formats with one more module in it, as the registry finds it."""
    folder = tmp_path / "parsers"
    shutil.copytree(str(built_in.__path__[0]), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "boostlog.py").write_text(MODULE)
    with monkeypatch.context() as patch:
        patch.setattr(built_in, "__path__", [str(folder)])
        importlib.invalidate_caches()
        found = formats()
    sys.modules.pop("trainqc.parsers.boostlog")
    del built_in.boostlog  # pyright: ignore[reportAttributeAccessIssue]
    return found


def test_the_module_is_found(added: Formats) -> None:
    """Being in the folder is enough."""
    assert set(added.parsers) == {*formats().parsers, "boostlog"}


def test_its_log_is_read(added: Formats, tmp_path: Path) -> None:
    """Its sample is detected as this format and no other, and the tool makes its expected file."""
    samples = tmp_path / "sample_logs" / "boostlog"
    samples.mkdir(parents=True)
    (samples / "small.log").write_text(LOG)
    text = described(samples.parent, added, tmp_path / "work")["boostlog/small.log"]
    expected = path_of("boostlog/small.log", tmp_path / "expected")
    expected.parent.mkdir(parents=True)
    expected.write_text(text)
    assert formats_in(expected) == ["boostlog"]
    assert "lines 21, lines_parsed 20, lines_known 0, lines_unknown 1" in text
    assert "line=21 redraw=0 piece=0 global_iter=20 iters_planned=20 s_per_iter=0.2" in text
    assert "metric auc val: 20 rows" in text
    assert text.endswith("issues: none\n")


def test_the_contract_holds_for_it(added: Formats) -> None:
    """Its example is claimed whole, CRLF equals LF, borders do not matter, and no other format claims its lines."""
    example = added.parsers["boostlog"].shapes[0].examples[0]
    claims = match.claim(split([Chunk(0, str(example).encode(), first=True, last=True)]), added)
    assert {key: c.rows.height for key, c in claims.records.items()} == {("boostlog", "round"): 1}
    data = LOG.encode()
    whole = read(data, using=added)
    assert whole.formats == {0: {"boostlog"}}
    assert_same(whole, read(data.replace(b"\n", b"\r\n"), using=added))
    for end in (i + 1 for i, byte in enumerate(data[:-1]) if byte == 10):
        assert_same_in_pieces(whole, read_cut(data, end, using=added))


def test_without_the_module_nobody_reads_it() -> None:
    """The formats that exist leave its log alone."""
    assert read(LOG).formats == {}
