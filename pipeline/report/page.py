"""Tables → the page of one run: its head, and its sections in order. Pure; what a number looks like is in words.py.

Sections of their own families are in `section_*.py`; each is one function from the run's tables to a `Section`, whose
blocks are empty where there is nothing to say. Every number that can be unknown is shown as `?` with a footnote.
"""

from . import words
from .citations import CAN_BE_SET, Citations, unknown
from .model import Block, Bullets, Code, Paragraph, Phrase, Picture, Report, Section, Strong, Table, phrase
from .overview import Row, RunLine, best, run_line
from .run_tables import RunTables
from .section_counting import counting, meanings
from .section_epochs import epoch_table
from .section_scaling import beside
from .section_schedule import schedule
from .section_time import time_and_throughput
from .section_why import unseen_gpus, why

LONGEST_LIST = 30


def page(
    tables: RunTables, pictures: tuple[Picture, ...] = (), *, rates: Picture | None = None, without_pictures: str = ""
) -> Report:
    """The page of one run; `rates` is the chart of its learning rate. `without_pictures` says why there are no others,
    where there are none."""
    cite = Citations(tables)
    sections = (
        _state(tables),
        why(tables, cite) or counting(tables.run, cite),
        meanings(tables.run, cite),
        epoch_table(tables.epochs),
        schedule(tables, cite, rates),
        time_and_throughput(tables.run),
        beside(tables.run, tables.scaling),
        _plots(pictures, without_pictures),
        _limits(tables),
    )
    return Report(
        title=_title(tables.run),
        lead=(_headline(tables.run, cite), *_needs(tables, cite)),
        sections=tuple(section for section in sections if section.blocks),
    )


def _title(run: Row) -> str:
    name, took = words.one_line(run["name"] or run["run_id"], 120), words.duration(run["wall_s"])
    line = run_line(run)
    share = "" if line.progress_fraction is None else f", {words.fraction(line.progress_fraction)} done"
    match run["state"]:
        case "finished":
            return f"{name}: finished in {took}"
        case "running":
            return f"{name}: running{share}"
        case "failed" | "stalled" | "interrupted" as state:
            return f"{name}: {state} at {_of(line)}"
        case _:
            return f"{name}: state unknown, {_of(line)}"


def _of(line: RunLine) -> str:
    done, planned = line.progress.split("/")
    return f"{done} of {planned} {line.progress_unit}s"


def _headline(run: Row, cite: Citations) -> Block:
    line = run_line(run)
    beside = run["epochs_done"] is not None and line.progress_unit != "epoch"
    done = _of(line) + (f" ({words.plural(run['epochs_done'], 'epoch')})" if beside else "")
    batch = " of " + words.plural(run["global_batch"], "sample") if run["global_batch"] is not None else ""
    return Paragraph(
        phrase(
            Strong(done),
            cite.number("iters_planned"),
            " · ",
            Strong(f"{words.number(run['s_per_iter'])} s/iter"),
            cite.number("s_per_iter"),
            " · ",
            Strong(f"{words.number(run['samples_per_hour'])} samples/hour"),
            cite.number("samples_per_hour"),
            " · ",
            Strong(f"{words.plural(run['updates_done'], 'update')}{batch}"),
            cite.number("updates_done"),
            " · ",
            Strong(f"final loss {words.NONE_SEEN if run['final_loss'] is None else words.loss(run['final_loss'])}"),
            "" if best(run) == words.NONE_SEEN else f" · best {best(run)}",
        )
    )


def _needs(tables: RunTables, cite: Citations) -> tuple[Block, ...]:
    if not tables.findings:
        return ()
    rows = tuple(
        (
            phrase(words.SEVERITY_MARKS.get(finding["severity"], "~")),
            phrase(finding["message"] or finding["code"]),
            phrase(finding["advice"] or ""),
            cite.where(finding["log_id"], finding["line"]),
        )
        for finding in tables.findings
    )
    return (Table(("", "what needs you", "what to do", "where"), "llll", rows),)


def _state(tables: RunTables) -> Section:
    run = tables.run
    mark = words.STATE_MARKS.get(run["state"] or "unknown", "?")
    ended = {"ended by": (run["ended_by"] or "").replace("_", " ")} if run["ended_by"] else {}
    fields: dict[str, str | Phrase] = {
        "state": f"{mark} {run['state'] or 'unknown'}" + (f": {run['state_reason']}" if run["state_reason"] else ""),
        **ended,
        "started": words.moment(run["started_at"]),
        "last sign of life": words.moment(run["ended_at"]),
        "attempts": words.count(run["attempts"]),
        "format": run["format"] or words.UNKNOWN,
    }
    if run["state"] == "running":
        fields["to go"] = f"{words.duration(run['eta_s'])}, until {words.moment(run['finish_at'])}"
    optional = {
        "experiment": run["experiment"],
        "owner": run["owner"],
        "job": _joined(run["job_id"], run["array_task"]),
        "hosts": words.listed(run["hosts"] or []),
        "GPUs visible": _joined(run["gpus_visible"], run["gpu_name"], by=" × "),
    }
    fields |= {name: value for name, value in optional.items() if value}
    if run["best_metric"] is not None:
        direction = {"min": " (lower is better)", "max": " (higher is better)"}.get(run["best_direction"] or "", "")
        fields["best"] = best(run) + direction
    paths = run["log_paths"] or []
    fields["logs"] = _codes(paths)
    rows = tuple((phrase(name), phrase(value)) for name, value in fields.items())
    return Section("State", (Table(("", ""), "ll", rows),))


def _plots(pictures: tuple[Picture, ...], without: str) -> Section:
    return Section("Plots", pictures or ((Paragraph(phrase(without)),) if without else ()))


def _limits(tables: RunTables) -> Section:
    run = tables.run
    missing = [name for name in CAN_BE_SET if run[name] is None]
    items = [*unseen_gpus(tables), *(phrase(caveat) for caveat in run["caveats"] or [])]
    for name in missing:
        if not any(caveat.startswith(name) for caveat in run["caveats"] or []):
            items.append(unknown(name))
    return Section("What this page cannot know", (Bullets(tuple(items)),) if items else ())


def _codes(texts: list[str]) -> Phrase:
    parts: list[Phrase] = [
        phrase(", " if place else None, Code(text)) for place, text in enumerate(texts[:LONGEST_LIST])
    ]
    more = len(texts) - LONGEST_LIST
    return phrase(*parts, f" and {more:,} more" if more > 0 else None)


def _joined(*parts: str | int | None, by: str = "_") -> str:
    return by.join(str(part) for part in parts if part not in (None, ""))
