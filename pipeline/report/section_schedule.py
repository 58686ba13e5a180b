"""The section on the learning rate: its stages, what each does and where it is seen."""

from . import words
from .citations import Citations
from .model import Code, Paragraph, Picture, Section, Table, phrase
from .overview import Row
from .run_tables import RunTables

MOST_STAGES = 40


def schedule(tables: RunTables, cite: Citations, rates: Picture | None = None) -> Section:
    """One row a stage, and the chart of the rates; a run whose rate was never printed has none. Columns that no stage
    fills are left out; stages are numbered where there are several, as in the chart."""
    shown = tables.stages[:MOST_STAGES]
    columns = [
        ("stage", "r", lambda stage: words.count(stage["stage"]) if len(shown) > 1 else ""),
        ("iterations", "r", lambda stage: _span(stage, "first_iter", "last_iter")),
        ("updates", "r", lambda stage: _span(stage, "first_update", "last_update")),
        ("cycles", "r", lambda stage: _span(stage, "first_cycle", "last_cycle")),
        ("epochs", "r", lambda stage: _span(stage, "first_epoch", "last_epoch")),
        ("learning rate", "l", _rates),
        ("what it does", "l", _does),
        ("steps per", "l", lambda stage: stage["steps_per"] or ""),
    ]
    kept = [column for column in columns if any(column[2](stage) for stage in shown)]
    rows = tuple(
        (
            *(phrase(show(stage)) for _, _, show in kept),
            phrase(cite.where(stage["log_id"], stage["line"])),
        )
        for stage in shown
    )
    chart = () if rates is None else (rates,)
    if not rows:
        return Section("Schedule", chart)
    titles, aligned = (*(title for title, *_ in kept), "where"), "".join(align for _, align, _ in kept) + "l"
    left = len(tables.stages) - len(shown)
    note = (Paragraph(phrase(f"… {words.plural(left, 'stage')} more: table ", Code("stages"), ".")),) if left else ()
    return Section("Schedule", (Table(titles, aligned, rows), *note, *chart))


def _span(stage: Row, first: str, last: str) -> str:
    """`1–1,224`; of epochs that come back in each cycle those of one cycle."""
    ends = stage[first], stage[last]
    if None in ends:
        return ""
    return words.count(ends[0]) if ends[0] == ends[1] else f"{words.count(ends[0])}–{words.count(ends[1])}"


def _rates(stage: Row) -> str:
    first, last = stage["lr_first"], stage["lr_last"]
    return f"{first:.4g}" if first == last else f"{first:.4g} → {last:.4g}"


def _does(stage: Row) -> str:
    said = words.stage(str(stage["kind"]), stage["shape"])
    if stage["factor"] is not None:
        said += f", × {stage['factor']:.4g} each"
    if stage["repeats"] is not None:
        said += f", in each of {words.count(stage['repeats'])} cycles"
        if stage["cycle_factor"] is not None and abs(stage["cycle_factor"] - 1) > 1e-3:
            said += f", × {stage['cycle_factor']:.4g} from cycle to cycle"
    return said
