"""The end of a run: what was read, what needs a look, one line per run, what no log says, where everything is.

`summary` returns text and prints nothing. Text of logs and names of files come in as rich `Text`, never as markup, and
without control characters, so that no log can colour or move a terminal. Without glyphs every sign is spelt out.
"""

import io
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from . import words
from .overview import NEEDED, Look, Overview, RunLine

MOST_RUNS = 30
MOST_LOOKS = 12
MOST_ALIKE = 3
MOST_UNREAD = 5

STATE_STYLES = {
    "finished": "green",
    "running": "cyan",
    "failed": "bold red",
    "stalled": "yellow",
    "interrupted": "yellow",
}
SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|min|h|d|W|B|[kMGT]B|[KMG]iB)(?!\w))")
_HELD = "\ue000"
"""A blank at which no line ends (rich would part a line at a no-break space); text of a log never holds it, because
`words.one_line` drops what cannot be printed. It is a blank again once lines are made."""

_PLAIN = str.maketrans({"·": "|", "–": "-", "×": "x", "…": "...", "→": "->", "≥": ">=", "⌈": "", "⌉": ""})


class Read(Protocol):
    """What ingest counts, as far as the summary shows it."""

    @property
    def seen(self) -> int: ...
    @property
    def read(self) -> int: ...
    @property
    def unchanged(self) -> int: ...
    @property
    def left_out(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True)
class Places:
    """Where things are; None where there are none."""

    report: Path | None
    tables: Path
    draft: Path | None = None


def header(version: str, roots: Sequence[str], *, files: int, size_bytes: int, threads: int) -> str:
    """The first line: trainqc 0.1.0 · 33 files, 18.6 MB under work_dirs · 4 threads · nothing leaves this machine."""
    under = words.listed(words.one_line(root, 80) for root in roots[:3]) + (" and others" if len(roots) > 3 else "")
    return " · ".join(
        (
            f"trainqc {version}",
            f"{words.plural(files, 'file')}, {words.size(size_bytes)} under {under}",
            words.plural(threads, "thread"),
            "nothing leaves this machine",
        )
    )


def as_dict(seen: Overview, *, places: Places, ingested: Read | None = None) -> dict[str, Any]:
    """The summary as plain values for `--json`: times in ISO 8601 on the log's own clock, unknown is None."""
    content = asdict(seen)
    for run in content["runs"]:
        for name in ("started_at", "ended_at"):
            run[name] = run[name].isoformat() if isinstance(run[name], datetime) else None
        run["best"] = None if run["best"] == words.NONE_SEEN else run["best"]
    content["missing"] = dict(seen.missing)
    content["states"] = dict(seen.states)
    counted = ("seen", "read", "unchanged", "left_out", "lines", "seconds")
    content["read"] = None if ingested is None else {name: getattr(ingested, name) for name in counted}
    content["places"] = {name: None if path is None else str(path) for name, path in asdict(places).items()}
    return content


def summary(
    seen: Overview,
    *,
    places: Places,
    ingested: Read | None = None,
    width: int = 110,
    colour: bool = False,
    glyphs: bool = True,
    most_runs: int = MOST_RUNS,
) -> str:
    """The whole end of a run as text of at most `width` columns, ending in a newline.

    `colour` adds ANSI styles; `glyphs` False spells every sign out. Over `most_runs` runs the table keeps those
    that need a look, then the newest, and says how many it left to the report.
    """
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=max(width, 40),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    say = _Words(glyphs)
    parts: Iterable[RenderableType | None] = (
        _read_line(seen, ingested, say),
        _looks(seen, say, places),
        _runs(seen, say, console.width, most_runs),
        _not_said(seen, places, say),
        _unread(seen, say),
        _places(places, say),
    )
    shown = [part for part in parts if part is not None]
    for place, part in enumerate(shown):
        if place:
            console.print()
        console.print(part)
    return "\n".join(line.rstrip() for line in buffer.getvalue().replace(_HELD, " ").splitlines()) + "\n"


@dataclass(frozen=True)
class _Words:
    glyphs: bool

    def __call__(self, text: str, style: str = "", limit: int = 300) -> Text:
        """Harmless text for the terminal."""
        clean = _BEFORE_UNIT.sub(_HELD, words.one_line(text, limit))
        return Text(clean if self.glyphs else clean.translate(_PLAIN), style=style)

    def severity(self, severity: str) -> Text:
        mark = words.SEVERITY_MARKS.get(severity, "~") if self.glyphs else words.SEVERITY_WORDS.get(severity, "note")
        return Text(mark, style=SEVERITY_STYLES.get(severity, ""))

    def state(self, state: str) -> Text:
        mark = f"{words.STATE_MARKS.get(state, '?')} " if self.glyphs else ""
        return Text(mark + words.one_line(state, 20), style=STATE_STYLES.get(state, ""))


def _read_line(seen: Overview, ingested: Read | None, say: _Words) -> Text:
    runs = words.plural(len(seen.runs), "run")
    if ingested is None:
        return say(f"{runs} in {words.plural(seen.logs, 'log')}.")
    if ingested.unchanged and not ingested.read:
        read = f"Nothing changed in {words.plural(ingested.seen, 'log')}: {runs}"
    elif ingested.unchanged:
        changed = words.plural(ingested.read, "changed log")
        read = f"Read {changed} of {words.count(ingested.seen)} ({words.plural(ingested.lines, 'line')}): {runs}"
    else:
        read = f"Read {words.plural(ingested.read, 'log')} ({words.plural(ingested.lines, 'line')}) as {runs}"
    text = f"{read}, in {words.number(ingested.seconds, 2)} s."
    if seen.left_out_kinds:
        files = sum(files for _, files in seen.left_out_kinds)
        kinds = ", ".join(words.plural(files, kind) for kind, files in seen.left_out_kinds)
        text += f" Left out: {words.plural(files, 'file that is no log', 'files that are no logs')} ({kinds})."
    if seen.unread:
        text += f" Not understood: {words.count(len(seen.unread))}."
    return say(text)


COUNTED = ("contradicted", "gpus_unused", "batch_changed", "no_update")
"""Findings of the counting: `trainqc explain` says how they come about."""


def _looks(seen: Overview, say: _Words, places: Places) -> RenderableType | None:
    if not seen.looks:
        return None
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, max_width=32, overflow="ellipsis")
    grid.add_column(overflow="fold")
    alike: dict[tuple[str, str, str], list[Look]] = {}
    for look in seen.looks:
        alike.setdefault((look.severity, look.message, look.advice), []).append(look)
    shown = list(alike.values())[:MOST_LOOKS]
    advised: set[str] = set()
    for look, *others in shown:
        body = say(look.message)
        advice = "" if look.advice in advised else look.advice  # said once, above all that it holds for
        advised.add(look.advice)
        if advice:
            body.append("\n").append_text(say(advice, "dim"))
        if look.code in COUNTED:
            command = f"trainqc explain {shlex.quote(str(places.tables.parent))} --run {shlex.quote(look.run)}"
            body.append("\n").append_text(say(command, "dim"))
        if look.where:
            body.append("\n" if advice else "  ").append_text(say(look.where, "dim"))
        if others:
            runs = list(dict.fromkeys(other.run for other in others))
            more = len(runs) - MOST_ALIKE
            names = [*runs[:MOST_ALIKE], *([f"{more:,} more"] if more > 0 else [])]
            body.append("\n").append_text(say(f"the same: {words.listed(names)}", "dim"))
        grid.add_row(say.severity(look.severity), _middle(say(look.run, "bold", 80), 32), body)
    return _titled("NEEDS A LOOK", grid, len(seen.looks) - sum(map(len, shown)), say)


def _runs(seen: Overview, say: _Words, width: int, most: int) -> RenderableType | None:
    if not seen.runs:
        return say("No training run was found.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    columns = [column for column in _COLUMNS if width >= column.from_width]
    rows = [[_cell(column.title, line, say) for column in columns] for line in seen.runs[:most]]
    widths = _widths(columns, rows, width)
    for column in columns:
        size = widths[column.title]
        table.add_column(column.title, justify=column.justify, no_wrap=True, overflow="ellipsis", width=size)
    for name, *numbers in rows:
        table.add_row(_middle(name, widths["RUN"]), *numbers)
    legend = f"? = the log does not say · {words.NONE_SEEN} = none seen · wall without the gap between attempts"
    notes = [say(legend, "dim")]
    if any(column.title == "GPU-H" for column in columns):
        notes.append(say("GPU-h = counted ranks × wall", "dim"))
    left = len(seen.runs) - most
    if left > 0:
        notes.insert(0, say(f"… and {words.plural(left, 'more run')} in the report", "dim"))
    notes += [
        say(_going(line), "dim") for line in seen.runs[:most] if line.state == "running" and line.eta_s is not None
    ]
    return _stack(table, *notes)


@dataclass(frozen=True)
class _Column:
    title: str
    justify: Any
    from_width: int


_COLUMNS = (
    _Column("RUN", "left", 0),
    _Column("STATE", "left", 0),
    _Column("PROGRESS", "right", 0),
    _Column("%", "right", 100),
    _Column("S/ITER", "right", 0),
    _Column("SAMPLES/H", "right", 78),
    _Column("UPDATES", "right", 92),
    _Column("WALL", "right", 68),
    _Column("GPU-H", "right", 106),
    _Column("BEST", "left", 106),
)


def _widths(columns: Sequence[_Column], rows: Sequence[Sequence[Text]], width: int) -> dict[str, int]:
    """Names may be cut to fit the window, numbers never."""
    widest = {
        column.title: max(len(column.title), *(row[place].cell_len for row in rows))
        for place, column in enumerate(columns)
    }
    names = {title: min(widest[title], 28) for title in ("RUN", "BEST") if title in widest}
    left = width - sum(widest.values()) + sum(widest[title] for title in names) - 2 * len(columns)
    best = min(names.get("BEST", 0), 12)
    names["RUN"] = min(names["RUN"], max(left - best, 8))
    if best:
        names["BEST"] = min(names["BEST"], max(left - names["RUN"], 6))
    return widest | names


def _middle(text: Text, width: int) -> Text:
    """Cut in the middle: what tells runs apart often stands at the end of their names."""
    if text.cell_len <= width:
        return text
    tail = width // 2
    while text[-tail:].cell_len > width // 2:
        tail -= 1
    head = width - 1 - text[-tail:].cell_len
    while text[:head].cell_len > width - 1 - text[-tail:].cell_len:
        head -= 1
    return Text.assemble(text[:head], "…", text[-tail:])


def _cell(title: str, line: RunLine, say: _Words) -> Text:
    match title:
        case "RUN":
            return say(line.run, "bold", 80)
        case "STATE":
            return say.state(line.state)
        case "PROGRESS":
            return say(line.progress)
        case "%":
            return say("" if line.progress_fraction is None else f"{line.progress_fraction * 100:.0f}")
        case "S/ITER":
            return say(words.measured(line.s_per_iter))
        case "SAMPLES/H":
            return say(words.number(line.samples_per_hour))
        case "UPDATES":
            return say(words.count(line.updates_done))
        case "WALL":
            return say(words.short_duration(line.wall_s))
        case "GPU-H":
            return say(words.gpu_hours(line.gpu_hours))
        case _:
            return say(line.best)


def _going(line: RunLine) -> str:
    return f"{line.run}: about {words.duration(line.eta_s)} to go"


def _not_said(seen: Overview, places: Places, say: _Words) -> RenderableType | None:
    if not seen.missing:
        return None
    counts = dict(seen.missing)
    said = " · ".join(
        f"{words.FIELD_NAMES[name]}: {words.plural(counts[name], 'run')}" for name in NEEDED if name in counts
    )
    lines = [say(said)]
    if places.draft is not None:
        lines.append(say(f"fill in and run again: {places.draft}", limit=4096))
    return _titled("NOT SAID BY THE LOGS", _stack(*lines), 0, say)


def _unread(seen: Overview, say: _Words) -> RenderableType | None:
    if not seen.unread:
        return None
    lines = []
    for log in seen.unread[:MOST_UNREAD]:
        lines.append(say(f"{log.path}: {log.said()}"))
    return _titled("NOT UNDERSTOOD", _stack(*lines), len(seen.unread) - MOST_UNREAD, say)


def _places(places: Places, say: _Words) -> RenderableType:
    lines = [] if places.report is None else [say(f"Report  {places.report}", limit=4096)]
    lines.append(say(f"Tables  {places.tables}/*/*.parquet", limit=4096))
    return _stack(*lines)


def _titled(title: str, body: RenderableType, more: int, say: _Words) -> RenderableType:
    rest = [Padding(say(f"… and {more:,} more in the report", "dim"), (0, 0, 0, 1))] if more > 0 else []
    return _stack(Text(title, style="bold"), Padding(body, (0, 0, 0, 1)), *rest)


def _stack(*parts: RenderableType) -> RenderableType:
    grid = Table.grid()
    grid.add_column(overflow="fold")
    for part in parts:
        grid.add_row(part)
    return grid
