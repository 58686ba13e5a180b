"""A plan as text and as plain values for JSON. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from ..analyze.plan_terms import FITTED, NAMES, SAME_ITER, SAME_RATE, Line, Plan, Row, Span, Time
from ..report import words

LABELS = {
    "samples": "samples",
    "batch_size": "batch",
    "world_size": "ranks",
    "grad_accum": "accumulation",
    "epochs": "epochs",
    "cycles": "cycles",
}
NEEDED = {"s_per_iter": "--s-per-iter", "memory_mib at two batch sizes": "--memory-mib 32:…,128:…"}
ALWAYS = ("batch_size", "world_size", "grad_accum")
ASSUMED = {
    SAME_ITER: "if an iteration takes as long as measured",
    SAME_RATE: "if a rank trains as many samples a second as measured",
    FITTED: "by a line through the measured times",
}

Cells = Sequence[tuple[str, Callable[[Row], str]]]


def text(plan: Plan) -> str:
    """The whole plan, without a newline at its end."""
    blocks: list[str] = [_head(plan)]
    shown = [name for name in NAMES if name in ALWAYS or len({getattr(row.setting, name) for row in plan.rows}) > 1]
    shown = [name for name in shown if any(getattr(row.setting, name) is not None for row in plan.rows)]
    counts: list[tuple[str, Callable[[Row], str]]] = [("iterations/epoch", lambda row: _counted(row.iters_per_epoch))]
    if any(row.setting.cycles is not None for row in plan.rows):
        counts.append(("a cycle", lambda row: _counted(row.iters_per_cycle)))
    counts += [
        ("iterations", lambda row: _counted(row.iters)),
        ("updates", lambda row: _counted(row.updates)),
        ("samples/update", lambda row: words.count(row.samples_per_update)),
    ]
    blocks.append(_table(plan, shown, counts, lambda row: _note(plan, row)))
    varying = [name for name in shown if len({getattr(row.setting, name) for row in plan.rows}) > 1] or shown[:1]
    blocks += _times(plan, varying)
    if any(row.memory for row in plan.rows):
        blocks.append(_memory(plan, varying))
    if plan.missing:
        blocks.append("\n".join(f"? {what}: needs {_needs(names)}" for what, names in plan.missing))
    return "\n\n".join(blocks)


def _head(plan: Plan) -> str:
    measured, base = plan.measured, plan.measured.setting
    numbers = [
        f"{LABELS[name]} {words.count(value)}"
        for name in NAMES
        if (value := getattr(base, name)) is not None and name not in measured.taken
    ]
    if measured.iters_per_epoch is not None:
        numbers.append(f"{words.count(measured.iters_per_epoch)} iterations an epoch")
    if measured.s_per_iter is not None:
        numbers.append(f"{_seconds(measured.s_per_iter)} s/iter")
    what = words.one_line(measured.name, 120) + ", as measured" if measured.name else "Given"
    lines = [
        f"{what}: {', '.join(numbers) or 'no numbers'}.",
        "Arithmetic on these numbers, not a promise. Time is that of training iterations alone: start, validation and "
        "checkpoints are not in it; ranks are taken not to slow each other down.",
    ]
    if measured.taken:
        told = {"world_size": "1 rank", "grad_accum": "no accumulation"}
        lines.append(f"Taken, as nobody says otherwise: {words.listed(told[name] for name in measured.taken)}.")
    lines += [f"Rule: {rule}" for rule in _rules(plan)]
    if plan.let_go:
        names = words.listed(LABELS.get(name, name) for name in plan.let_go)
        lines.append(f"Left out, as the run's own counts contradict it: what is claimed of {names}.")
    return "\n".join(lines)


def _rules(plan: Plan) -> Iterable[str]:
    """The samplers, last batches and windows by which the rows are counted."""
    changed = {name for name in NAMES if len({getattr(row.setting, name) for row in plan.rows}) > 1}
    for way in plan.ways:
        last = f"the last batch is {'dropped' if way.drop else 'kept'}"
        if replace(way, drop=not way.drop) in plan.ways:
            if way.drop:
                continue
            last = "whether the last batch is kept or dropped, these counts do not tell"
        if way.per_rank:
            yield f"{_counted(way.samples)} samples a rank and epoch, while the ranks stay as they are; {last}."
            continue
        name, sampler = way.sampler.name, way.sampler
        if sampler.one and any((row.setting.world_size or 1) > 1 for row in plan.rows):
            name = f"{name}, with more ranks a sampler that splits the data evenly"
        samples = f"N = {_counted(way.samples)}"
        yield f"{name}: {sampler.formula} samples a rank, {samples} ({sampler.versions}); {last}."
    if not plan.ways and changed & {"samples", "batch_size", "world_size"}:
        yield "none is known: iterations of other batches, ranks or samples are open."
    if any((row.setting.grad_accum or 1) > 1 for row in plan.rows):
        for tail in dict.fromkeys(tail for way in plan.ways for tail in way.tails):
            yield f"updates {tail.formula}: {tail.tail} ({tail.versions})."


def _times(plan: Plan, varying: Sequence[str]) -> Iterable[str]:
    names = [name for name in ASSUMED if any(name in row.times for row in plan.rows)]
    alike = all(row.times.get(SAME_ITER) == row.times.get(SAME_RATE) for row in plan.rows)
    if alike and SAME_RATE in names:
        names.remove(SAME_RATE)
    for name in names:
        title = f"Time, {ASSUMED[name]}"
        if name == SAME_ITER and plan.measured.s_per_iter is not None:
            title += f", {_seconds(plan.measured.s_per_iter)} s"
            if alike and any(SAME_RATE in row.times for row in plan.rows):
                title += " (the same where a rank trains as many samples a second: no batch differs)"
        if name == SAME_RATE:
            title += f", {_rate(plan)}"
        if name == FITTED and plan.pace_line is not None:
            title += f", {_line(plan.pace_line, lambda value: f'{words.number(value)} s')}"
        yield f"{title}:\n" + _table(
            plan, varying, _time_cells(plan, name), lambda row, of=name: _beyond(plan, row, of)
        )


def _time_cells(plan: Plan, name: str) -> Cells:
    def cell(read: Callable[[Time], str]) -> Callable[[Row], str]:
        return lambda row: read(row.times[name]) if name in row.times else words.UNKNOWN

    cells = [
        ("s/iter", cell(lambda time: _seconds(time.s_per_iter))),
        ("an epoch", cell(lambda time: _span(time.epoch_s))),
        ("in all", cell(lambda time: _span(time.run_s))),
        ("samples/hour", cell(lambda time: _measured(time.samples_per_hour))),
    ]
    if all(name not in row.times or row.times[name].run_s is None for row in plan.rows):
        cells.pop(2)
    return cells


def _rate(plan: Plan) -> str:
    each, batch = plan.measured.s_per_iter, plan.measured.setting.batch_size
    return "" if each is None or batch is None else f"{_measured((batch / each[1], batch / each[0]))} a rank"


def _beyond(plan: Plan, row: Row, name: str) -> str:
    note = _note(plan, row)
    return (
        f"{note}, beyond what was measured".lstrip(", ") if name in row.times and row.times[name].extrapolated else note
    )


def _note(plan: Plan, row: Row) -> str:
    observed = plan.measured.name is not None or plan.measured.s_per_iter is not None
    return "measured" if row.is_measured and observed else ""


def _memory(plan: Plan, varying: Sequence[str]) -> str:
    line = plan.memory_line
    if all(row.memory is not None and row.memory.by == "measured" for row in plan.rows):
        title = "Memory of a rank, as measured"
    elif line is None:
        title = (
            "Memory of a rank between these bounds: one batch size was measured, and memory is taken as a base and a "
            "share of each sample, neither below zero"
        )
    else:
        title = f"Memory of a rank, by a line through what was measured, {_line(line, words.mebibytes)}"

    def mib(row: Row) -> str:
        return words.UNKNOWN if row.memory is None else _between(row.memory.mib, words.mebibytes)

    def note(row: Row) -> str:
        if row.memory is None:
            return ""
        said = ["measured"] if row.memory.by == "measured" else []
        if row.memory.by == "line" and row.memory.extrapolated:
            said.append("beyond what was measured")
        if plan.memory_limit_mib is not None:
            said.append({True: "fits", False: "does not fit", None: "may fit"}[row.memory.fits])
        return ", ".join(said)

    names = varying if "batch_size" in varying else ["batch_size", *varying]
    told = f"{title}:\n" + _table(plan, names, [("memory", mib)], note)
    if plan.memory_limit_mib is None:
        return told
    limit = words.mebibytes(plan.memory_limit_mib)
    if plan.largest is None:
        why = "memory does not grow with the batch" if line else "that needs memory at two batch sizes"
        return f"{told}\nLargest batch that fits {limit}: ? ({why})"
    beyond = ", beyond what was measured" if plan.largest_extrapolated else ""
    size = "none" if plan.largest == 0 else words.count(plan.largest)
    return f"{told}\nLargest batch that fits {limit} by that line: {size}{beyond}"


def _line(line: Line, unit: Callable[[float], str]) -> str:
    sign = "−" if line.base < 0 else ""
    off = (
        "two batch sizes: nothing tells how well it holds"
        if line.points == 2
        else f"{line.points} batch sizes, none further off than {unit(line.residual)}"
    )
    return f"{sign}{unit(abs(line.base))} and {unit(line.slope)} a sample ({off})"


def _table(plan: Plan, names: Sequence[str], cells: Cells, note: Callable[[Row], str]) -> str:
    """Columns to the right, a note behind them."""
    heads = [*(LABELS[name] for name in names), *(head for head, _ in cells)]
    body = [
        [*(words.count(getattr(row.setting, name)) for name in names), *(read(row) for _, read in cells)]
        for row in plan.rows
    ]
    widths = [max(len(line[place]) for line in (heads, *body)) for place in range(len(heads))]
    notes = ["", *(note(row) for row in plan.rows)]
    return "\n".join(
        ("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + f"  {said}").rstrip()
        for line, said in zip([heads, *body], notes, strict=True)
    )


def _needs(names: Sequence[str]) -> str:
    return words.listed(NEEDED.get(name, f"--{name.replace('_', '-')}") for name in names)


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _between(span: Span | None, say: Callable[[float], str]) -> str:
    if span is None:
        return words.UNKNOWN
    low, high = say(span[0]), say(span[1])
    if low == high:
        return low
    unit = low.rpartition(" ")[2]
    return f"{low.removesuffix(f' {unit}')}–{high}" if unit and high.endswith(f" {unit}") else f"{low}–{high}"


def _counted(span: Span | None) -> str:
    return _between(span, words.count)


def _measured(span: Span | None) -> str:
    return _between(span, lambda value: words.number(value) if value < 1000 else words.count(round(value)))


def _seconds(span: Span | None) -> str:
    return _between(span, words.number)


def _span(span: Span | None) -> str:
    return _between(span, duration)


def duration(seconds: float) -> str:
    """One unit, so that rows compare: 630 s; 83.3 min; 4.2 h; 12.5 d."""
    if seconds < 1000:
        return f"{words.number(seconds)} s"
    for unit, size, most in (("min", 60, 120), ("h", 3600, 100)):
        if seconds / size < most:
            return f"{seconds / size:.1f} {unit}"
    return f"{words.count(round(seconds / 86400, 1))} d"


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_dict(plan: Plan) -> dict[str, Any]:
    """The plan for `--json`: a number, or [least, most] where it is open; unknown is None."""
    measured = plan.measured
    return {
        "measured": {
            "run": measured.name,
            **asdict(measured.setting),
            "iters_per_epoch": measured.iters_per_epoch,
            "iters_planned": measured.iters_planned,
            "s_per_iter": _plain(measured.s_per_iter),
            "taken": list(measured.taken),
        },
        "rules": [
            {
                "sampler": way.sampler.name,
                "formula": way.sampler.formula,
                "versions": way.sampler.versions,
                "drop_last": way.drop,
                "samples": _plain(way.samples),
                "samples_are_of_one_rank": way.per_rank,
                "updates": [tail.name for tail in way.tails],
            }
            for way in plan.ways
        ],
        "contradicted": list(plan.let_go),
        "rows": [_row_dict(row) for row in plan.rows],
        "s_per_iter_line": None if plan.pace_line is None else asdict(plan.pace_line),
        "memory_mib_line": None if plan.memory_line is None else asdict(plan.memory_line),
        "memory_limit_mib": plan.memory_limit_mib,
        "largest_batch_size": plan.largest,
        "largest_batch_size_is_extrapolated": plan.largest_extrapolated,
        "missing": [{"what": what, "needs": list(names)} for what, names in plan.missing],
    }


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        **asdict(row.setting),
        "is_measured": row.is_measured,
        "iters_per_epoch": _plain(row.iters_per_epoch),
        "iters_per_cycle": _plain(row.iters_per_cycle),
        "iters_planned": _plain(row.iters),
        "updates_planned": _plain(row.updates),
        "global_batch": row.samples_per_update,
        **{name: _time_dict(row.times.get(name)) for name in ASSUMED},
        "memory_mib": None if row.memory is None else _plain(row.memory.mib),
        "memory_by": None if row.memory is None else row.memory.by,
        "memory_is_extrapolated": None if row.memory is None else row.memory.extrapolated,
        "memory_fits": None if row.memory is None else row.memory.fits,
    }


def _time_dict(time: Time | None) -> dict[str, Any] | None:
    if time is None:
        return None
    return {
        "s_per_iter": _plain(time.s_per_iter),
        "epoch_s": _plain(time.epoch_s),
        "run_s": _plain(time.run_s),
        "samples_per_hour": _plain(time.samples_per_hour),
        "is_extrapolated": time.extrapolated,
    }


def _plain(span: Span | None) -> float | list[float] | None:
    return None if span is None else span[0] if span[0] == span[1] else list(span)
