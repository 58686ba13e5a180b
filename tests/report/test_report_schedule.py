"""The section on the learning rate."""

from typing import Any

from report_hand_made import run_tables, sa2va
from trainqc.pipeline.report import markdown
from trainqc.pipeline.report.model import Picture
from trainqc.pipeline.report.page import page
from trainqc.pipeline.report.run_tables import RunTables
from trainqc.pipeline.tables import STAGES


def shown(*stages: dict[str, Any]) -> str:
    """The Markdown of a page with these stages."""
    tables = run_tables(sa2va())
    rows = [dict.fromkeys(STAGES.schema) | {"run_id": "5a2a0001", "stage": n} | s for n, s in enumerate(stages, 1)]
    text = markdown.render(page(RunTables(**{**vars(tables), "stages": rows})))
    _, found, rest = text.partition("## Schedule")
    return rest.split("\n## ")[0] if found else ""


def test_a_stage_says_what_it_does():
    """Shape, factor and how often a profile comes back; columns that nothing fills are left out."""
    warm = {"kind": "warmup", "shape": "linear", "lr_first": 0.0001, "lr_last": 0.001, "repeats": 40}
    fall = {"kind": "decay", "shape": "step", "lr_first": 0.1, "lr_last": 0.001, "factor": 0.1, "last_iter": 500}
    text = shown(
        warm | {"first_iter": 1, "last_iter": 115_200, "cycle_factor": 0.95, "steps_per": "epoch"},
        fall | {"first_iter": 115_201},
    )
    assert (
        "| 1–115,200 | 0.0001 → 0.001 | linear warm-up, in each of 40 cycles, × 0.95 from cycle to cycle | epoch |"
        in text
    )
    assert "step decay, × 0.1 each" in text
    assert "cycles |" not in text.splitlines()[2]


def test_the_chart_of_the_rates_stands_with_their_stages():
    """Not among the plots of loss and pace; stages are numbered as in the chart where there are several."""
    one = dict.fromkeys(STAGES.schema) | {"stage": 1, "kind": "constant", "lr_first": 0.1, "lr_last": 0.1}
    tables = RunTables(**{**vars(run_tables(sa2va())), "stages": [one, one | {"stage": 2}]})
    text = markdown.render(page(tables, rates=Picture("sa2va_vessel/lr.png", "Rates")))
    of_schedule = text.partition("## Schedule")[2].split("\n## ")[0]
    assert "![Rates](sa2va_vessel/lr.png)" in of_schedule
    assert "| 2 | 0.1 | constant |" in of_schedule


def test_a_constant_rate_is_one_number():
    """No arrow between equal ends."""
    assert "| 0.02 | constant |" in shown({"kind": "constant", "lr_first": 0.02, "lr_last": 0.02})


def test_without_a_printed_rate_there_is_no_section():
    """Nothing to say, nothing said; very many stages are cut with a word."""
    assert shown() == ""
    many = [{"kind": "constant", "lr_first": 0.1 * n, "lr_last": 0.1 * n} for n in range(1, 50)]
    assert "… 9 stages more: table `stages`." in shown(*many)
