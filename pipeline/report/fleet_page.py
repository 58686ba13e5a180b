"""Tables → the page over all runs: what needs a look, one line a run, what the logs do not say. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from . import words
from .model import Block, Bullets, Code, Link, Paragraph, Phrase, Report, Section, Table, phrase
from .overview import Overview

LONGEST_LIST = 30

LEGEND = (
    "? = the log does not say · – = none seen · wall without the gap between attempts · GPU-h = counted ranks × wall"
)


def index(
    seen: Overview,
    links: Mapping[str, str],
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    others: int = 0,
    sections: Sequence[Section] = (),
) -> Report:
    """The page over all runs; `links` gives each run_id its page, `others` counts runs outside the window. `sections`
    that others made follow the runs.
    """
    total = len(seen.runs)
    lead: list[Block] = [
        Paragraph(phrase(_counts(seen), f" As of {words.moment(now)}.", _window(since, until, others)))
    ]
    shown = (
        Section("Needs a look", _looks(seen, links)),
        Section("Runs", (_runs(seen, links), Paragraph(phrase(LEGEND))) if total else ()),
        *sections,
        Section("Not said by the logs", _not_said(seen, links)),
        Section("Not understood", _unread(seen)),
        Section("Left out unopened", _left_out(seen)),
    )
    if not total:
        lead.append(Paragraph(phrase("No training run was found.")))
    return Report(
        f"{words.plural(total, 'training run')}", tuple(lead), tuple(section for section in shown if section.blocks)
    )


def _counts(seen: Overview) -> str:
    states = ", ".join(f"{number:,} {state}" for state, number in seen.states)
    return (
        f"{words.plural(len(seen.runs), 'run')}{f' ({states})' if states else ''} in {words.plural(seen.logs, 'log')}."
    )


def _window(since: datetime | None, until: datetime | None, others: int) -> str:
    if since is None and until is None:
        return ""
    start = f" from {words.moment(since)}" if since else ""
    end = f" until {words.moment(until)}" if until else ""
    return f" Only runs that were active{start}{end}; {words.plural(others, 'other run')} not shown."


def _looks(seen: Overview, links: Mapping[str, str]) -> tuple[Block, ...]:
    if not seen.looks:
        return ()
    rows = tuple(
        (
            phrase(words.SEVERITY_MARKS.get(look.severity, "~")),
            _run_link(look.run_id, look.run, links),
            phrase(look.message),
            phrase(look.advice),
            phrase(Code(look.where) if look.where else None),
        )
        for look in seen.looks
    )
    return (Table(("", "run", "what", "what to do", "where"), "lllll", rows),)


def _runs(seen: Overview, links: Mapping[str, str]) -> Table:
    headers = ("run", "state", "progress", "", "s/iter", "samples/hour", "updates", "wall", "GPU-h", "best")
    rows = tuple(
        (
            _run_link(line.run_id, line.run, links),
            phrase(f"{words.STATE_MARKS.get(line.state, '?')} {line.state}"),
            phrase(line.progress),
            phrase("" if line.progress_fraction is None else words.fraction(line.progress_fraction)),
            phrase(words.measured(line.s_per_iter)),
            phrase(words.number(line.samples_per_hour)),
            phrase(words.count(line.updates_done)),
            phrase(words.short_duration(line.wall_s)),
            phrase(words.gpu_hours(line.gpu_hours)),
            phrase(line.best),
        )
        for line in seen.runs
    )
    return Table(headers, "llrrrrrrrl", rows)


def _not_said(seen: Overview, links: Mapping[str, str]) -> tuple[Block, ...]:
    lacking = [line for line in seen.runs if line.missing]
    if not lacking:
        return ()
    summary = " · ".join(f"{words.FIELD_NAMES[name]}: {words.plural(runs, 'run')}" for name, runs in seen.missing)
    rows = tuple(
        (_run_link(line.run_id, line.run, links), phrase(Code(" ".join(f"--set {name}=…" for name in line.missing))))
        for line in lacking[:LONGEST_LIST]
    )
    return (
        Paragraph(phrase(summary)),
        Table(("run", "fill in"), "ll", rows),
        *_more(len(lacking) - LONGEST_LIST, "runs"),
    )


def _unread(seen: Overview) -> tuple[Block, ...]:
    items = tuple(
        phrase(
            Code(log.path),
            f": {log.status}, {log.said()}",
        )
        for log in seen.unread[:LONGEST_LIST]
    )
    return (Bullets(items), *_more(len(seen.unread) - LONGEST_LIST, "logs")) if items else ()


def _left_out(seen: Overview) -> tuple[Block, ...]:
    items = tuple(phrase(text) for text in seen.left_out[:LONGEST_LIST])
    return (Bullets(items), *_more(len(seen.left_out) - LONGEST_LIST, "logs")) if items else ()


def _more(more: int, table: str) -> tuple[Block, ...]:
    return (Paragraph(phrase(f"… and {more:,} more: table ", Code(table), ".")),) if more > 0 else ()


def _run_link(run_id: str, name: str, links: Mapping[str, str]) -> Phrase:
    target = links.get(run_id)
    return phrase(Link(name, target) if target else name)
