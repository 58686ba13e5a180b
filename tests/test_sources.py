"""Whatever a finding, a fact, an event or a headline cites can be shown: its line's text is in `sources`."""

from pathlib import Path

import polars as pl
import pytest
from reading import SAMPLES
from trainqc.pipeline import commands
from trainqc.pipeline.report.reading import heads_of
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import ATTEMPTS, EVENTS, FACTS, FINDINGS, LOGS, PROGRESS, SOURCES


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    out = tmp_path_factory.mktemp("sources") / "out"
    commands.ingest([SAMPLES], out, jobs=2)
    commands.analyze(out)
    return Store(out)


def unshown(store: Store, cited: pl.DataFrame) -> list[tuple[str, int]]:
    """(path, line) of cited lines without a text."""
    lines = cited.select("log_id", "line").drop_nulls().unique()
    without = lines.join(store.read(SOURCES), on=["log_id", "line"], how="anti")
    return without.join(store.read(LOGS), on="log_id").select("path", "line").sort("path", "line").rows()


@pytest.mark.parametrize("table", [FACTS, EVENTS, FINDINGS], ids=lambda table: table.name)
def test_what_a_table_cites(store: Store, table: object) -> None:
    """Every line of the table."""
    cited = store.read(table)  # pyright: ignore[reportArgumentType]
    assert cited.height
    assert unshown(store, cited) == []


@pytest.mark.parametrize("column", ["last_record_line", "nan_loss_line"])
def test_what_a_finding_may_cite(store: Store, column: str) -> None:
    """Where an attempt of a text format broke off or its loss became NaN, found today or not."""
    attempts = store.read(ATTEMPTS).filter(pl.col("format") != "tqdm")
    assert unshown(store, attempts.select("log_id", line=column)) == []


def test_what_a_headline_cites(store: Store) -> None:
    """The first training record of each log with each pair of printed totals."""
    heads = heads_of(store, store.scan(PROGRESS).select("log_id").unique().collect())
    assert heads.height
    assert unshown(store, heads) == []


def test_one_format_alone(tmp_path: Path) -> None:
    """A batch of one format has not every column of `progress`."""
    log = tmp_path / "logs" / "net.log"
    log.parent.mkdir()
    line = "2026/05/04 09:00:00 - mmengine - INFO - Iter(train) [{}/100]  lr: 1.0e-03  time: 0.5  loss: 0.25\n"
    log.write_text("".join(line.format(i) for i in (10, 20, 30, 20, 30)))
    commands.ingest([log.parent], tmp_path / "out", jobs=1)
    assert Store(tmp_path / "out").read(SOURCES).sort("line")["line"].to_list() == [1, 3, 4, 5]


def test_the_text_is_the_lines(store: Store) -> None:
    """What stands in `sources` is what stands in the file at that line."""
    logs = store.read(LOGS).filter(pl.col("path").str.ends_with("20251125_051300.log"))
    file = Path(SAMPLES) / logs["path"][0]
    lines = file.read_text("utf-8").split("\n")
    shown = store.read(SOURCES).join(logs, on="log_id", how="semi").select("line", "text").rows()
    assert shown
    assert all(lines[line - 1].startswith(text.rstrip("…")) for line, text in shown)
