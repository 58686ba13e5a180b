"""Batch sizes compared, on the page over all runs and on a run's own."""

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from report_hand_made import frame, run_tables
from trainqc.pipeline.analyze import scaling
from trainqc.pipeline.report import charts, markdown, section_scaling
from trainqc.pipeline.report.build import build
from trainqc.pipeline.report.model import Chart, Picture, Report, Section
from trainqc.pipeline.report.page import page
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import FACTS, RUNS, SCALING

HOSTILE = "<script>alert(1)</script>|[x](javascript:1)\x1b[31m\n# `head`"
MEASURED = {1: (0.2, 2560.0), 4: (0.32, 6144.0), 8: (0.4, 12288.0), 16: (1.6 / 3, 24064.0)}


def runs(sizes: dict[int, tuple[float | None, float | None]] = MEASURED, **more: Any) -> pl.DataFrame:
    rows = [
        {"run_id": f"r{b}", "name": f"batch_{b}", "experiment": "seq", "format": "pytorch", "batch_size": b}
        | {"s_per_iter": s, "memory_peak_mib": m, "log_paths": [f"batch_{b}.log"], "attempts": 1}
        | ({"ended_by": "out_of_memory"} if s is None else {})
        | more
        for b, (s, m) in sizes.items()
    ]
    return frame(RUNS, *rows)


def scaled(of: pl.DataFrame) -> pl.DataFrame:
    return scaling.table(of, FACTS.empty().lazy(), of.select("run_id", log_id="name"))


def group(of: pl.DataFrame) -> section_scaling.Group:
    (found,) = section_scaling.groups(scaled(of), of, of["run_id"].to_list())
    return found


def text(section: Section) -> str:
    return markdown.render(Report("page", (), (section,)))


def told(of: pl.DataFrame) -> str:
    return text(section_scaling.compared([group(of)], {}, {}))


def test_the_table_of_the_four_sizes() -> None:
    """Batch 1, 4, 8, 16: relative throughput 1, 2.5, 4, 6; efficiency of each step; memory 2.5, 6, 12 GiB."""
    page = told(runs())
    assert "| batch\\_4" not in page
    assert "| batch_1 | 1 | 0.2 | 5 | 1× | – | – | 2.5 GiB |" in page
    assert "| batch_4 | 4 | 0.32 | 12.5 | 2.5× | 2.5× at 4×: 62.5 % | +58 % | 6 GiB |" in page
    assert "| batch_8 | 8 | 0.4 | 20 | 4× | 1.6× at 2×: 80 % | +60 % | 12 GiB |" in page
    assert "Each step up to 16, the largest measured, still brought at least 20 % more" in page
    assert "no run further than 407 MiB from that line through 4 batch sizes" in page
    assert "beyond what was measured it gives 46.1 GiB at batch 32" in page


def test_the_knee_and_what_did_not_fit_are_said() -> None:
    """From 16 to 32 throughput grew by 5 %; 64 ran out of memory: both stand below the table."""
    page = told(runs({8: (1.0, None), 16: (1.2, None), 32: (2.4 / 1.05, None), 64: (None, None)}))
    assert "Growing pays up to 16: the step to 32 brought +5 % samples/s a doubling, less than 20 %." in page
    assert "Batch 64 ended for want of memory." in page
    assert "| batch_64 | 64 | out of memory | ? | ? | – | – | ? |" in page
    assert "Memory:" not in page


def test_two_sizes_do_not_tell_how_well_a_line_holds() -> None:
    """A line through two points has no residual to show: the page says so."""
    page = told(runs({32: (1.0, 2304.0), 128: (2.0, 9216.0)}))
    assert "0 MiB and 72 MiB a sample (a line through two batch sizes: nothing tells how well it holds)" in page


def test_a_runs_page_points_there() -> None:
    """The page of a run says where it stands among the others, and links to the comparison."""
    of = runs()
    rows = scaled(of).filter(pl.col("run_id") == "r4")
    run = of.filter(pl.col("run_id") == "r4").row(0, named=True)
    shown = text(section_scaling.beside(run, rows.to_dicts()))
    assert "batch 4 trains 12.5 samples/s a rank, 2.5 times the smallest batch measured" in shown
    assert "[Batch sizes compared](../index.md)" in shown
    assert "Batch sizes compared" not in markdown.render(page(run_tables(run)))


def test_hostile_names_stay_text() -> None:
    """What a folder or a setting is called makes no markup and moves no terminal."""
    of = runs(experiment=HOSTILE).with_columns(name=pl.lit(HOSTILE))
    rows = scaled(of).with_columns(differs=pl.lit([HOSTILE]))
    (found,) = section_scaling.groups(rows, of, of["run_id"].to_list())
    run = of.row(0, named=True)
    for shown in (
        text(section_scaling.compared([found], {}, {})),
        text(section_scaling.beside(run, rows.head(1).to_dicts())),
    ):
        assert "<script" not in shown
        assert "\x1b" not in shown
        assert "[x](" not in shown
        assert "\n# " not in shown.removeprefix("# page\n")


def test_groups_of_runs_that_are_not_shown_are_left_out() -> None:
    """A group is shown while one of its runs is in the window; more than ten are counted."""
    of = runs()
    assert section_scaling.groups(scaled(of), of, ["r4"])
    assert not section_scaling.groups(scaled(of), of, ["other"])
    many = pl.concat([scaled(of).with_columns(pl.format("{}{}", "group", pl.lit(i)).alias("group")) for i in range(12)])
    shown = text(section_scaling.compared(section_scaling.groups(many, of, ["r4"]), {}, {}))
    assert shown.count("| run | batch |") == 10
    assert "… and 2 more groups: table `scaling`." in shown


@pytest.mark.parametrize(
    "sizes",
    [
        MEASURED,
        {b: (s, None) for b, (s, _) in MEASURED.items()},
        {32: (1.0, 2304.0), 128: (2.0, 9216.0)},
        {b: (1.0, 100.0 * b) for b in range(1, 200, 3)},
        {1: (1e-6, 1.0), 10**9: (1e6, 1e9)},
    ],
)
def test_the_chart_is_a_picture(sizes: dict[int, tuple[float, float | None]]) -> None:
    """Few sizes and many, with memory and without: a PNG of the usual size."""
    chart = section_scaling.chart(group(runs(sizes)))
    assert isinstance(chart, Chart)
    assert Image.open(io.BytesIO(charts.draw(chart))).size == (988, 416)


def test_one_pace_makes_no_chart() -> None:
    """A size that ran beside one that did not fit is no curve."""
    assert section_scaling.chart(group(runs({8: (1.0, None), 16: (None, None)}))) is None


def test_the_report_holds_the_chart_and_draws_it_once(tmp_path: Path) -> None:
    """The picture stands beside index.md; it is drawn again only where its numbers changed, and goes with its group."""
    from datetime import datetime

    def write(of: pl.DataFrame) -> None:
        with Store(tmp_path).writer("test") as writer:
            writer.replace(RUNS, of)
            writer.replace(SCALING, scaled(of))
            writer.commit()

    def made() -> int:
        return build(tmp_path, now=datetime(2026, 1, 1)).drawn

    write(runs())
    assert made() == 1
    picture = tmp_path / "report" / "scaling" / "batch_1.png"
    assert picture.is_file()
    index = (tmp_path / "report" / "index.md").read_text()
    assert "](scaling/batch_1.png)" in index
    assert "[batch_4](runs/batch_4.md) | 4 |" in index
    assert made() == 0
    write(runs(MEASURED | {16: (0.6, 24064.0)}))
    assert made() == 1
    write(runs().head(1))
    assert made() == 0
    assert not picture.parent.exists()


def test_pictures_are_those_that_are_given() -> None:
    """Without charts (--plots 0) the section stands without pictures."""
    found = group(runs())
    assert "![" not in text(section_scaling.compared([found], {}, {}))
    assert "![alt](p.png)" in text(section_scaling.compared([found], {}, {found.key: Picture("p.png", "alt")}))
