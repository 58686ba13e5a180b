"""What if: another batch size, accumulation, number of ranks, epochs or samples → iterations, updates, time, memory.

Arithmetic on what was measured, never a promise. The counts go by the rule that explains the measured run's own counts
(`solve`): its sampler, what its loader does with the last batch, what its framework does with the last window. Where
several rules explain them, a count is the range of what they give. Time is that of training iterations alone, under
assumptions that bound most of what happens, and that are stated, not chosen:

- same s/iter: an iteration of another batch takes as long (what costs time does not depend on the batch);
- same samples/s: a rank trains as many samples a second (what costs time is the samples);
- as fitted: a line through the measured times at two batch sizes or more.

Under each of them ranks do not slow each other down. Memory is a line through at least two measured batch sizes; of one
alone only bounds are known: no less than in proportion and no more than as before, or the other way round.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import floor

import polars as pl

from .identities import UPDATES
from .plan_rules import iters_of, ranks_of, ways
from .plan_terms import (
    FITTED,
    NAMES,
    SAME_ITER,
    SAME_RATE,
    Line,
    Measured,
    Memory,
    Plan,
    PlanError,
    Row,
    Setting,
    Span,
    Time,
    Way,
)
from .stats import line

MOST_ROWS = 1000
LARGEST = 2**53
HOUR = 3600.0


def plan(measured: Measured, changes: Mapping[str, Sequence[int]], memory_limit_mib: float | None = None) -> Plan:
    """A plan of all combinations of `changes` (values by the names of a Setting), the measured setting first.

    Of a quantity that is not known of what was measured the first value is taken for it. Raises PlanError for more than
    MOST_ROWS rows, and for numbers that are not above zero or beyond all counting.
    """
    for name, values in changes.items():
        if bad := [value for value in values if not 0 < value < LARGEST]:
            raise PlanError(f"{name} {bad[0]}: wanted a whole number above zero")
    known = measured.setting
    filled = {name: values[0] for name, values in changes.items() if values and getattr(known, name) is None}
    measured = replace(measured, setting=replace(known, **filled))
    explained, let_go = ways(measured)
    if "world_size" in let_go and explained:
        measured = replace(measured, setting=replace(measured.setting, world_size=ranks_of(measured)))
    pace, memory = fitted(measured.paces), fitted(measured.memories)
    rows = tuple(
        row(setting, measured, explained, pace, memory, memory_limit_mib)
        for setting in settings(measured.setting, changes)
    )
    largest = None if memory is None or memory_limit_mib is None else largest_batch(memory, memory_limit_mib)
    return Plan(
        measured=measured,
        rows=rows,
        ways=explained,
        let_go=let_go,
        pace_line=pace,
        memory_line=memory,
        memory_limit_mib=memory_limit_mib,
        largest=largest,
        largest_extrapolated=memory is not None and largest is not None and largest > memory.high,
        missing=tuple(lacking(rows, measured)),
    )


def settings(base: Setting, changes: Mapping[str, Sequence[int]]) -> list[Setting]:
    """The base, then all combinations of the changes, none twice."""
    names = [name for name in NAMES if changes.get(name)]
    count = 1
    for name in names:
        count *= len(changes[name])
    if count > MOST_ROWS:
        raise PlanError(f"{count:,} combinations: wanted at most {MOST_ROWS:,}")
    combined = product(*(changes[name] for name in names))
    return list(dict.fromkeys([base, *(replace(base, **dict(zip(names, one, strict=True))) for one in combined)]))


# ── one row ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def row(
    setting: Setting,
    measured: Measured,
    explained: Sequence[Way],
    pace: Line | None,
    memory: Line | None,
    limit_mib: float | None,
) -> Row:
    per_epoch = iters_per_epoch(setting, measured, explained)
    turns = None if setting.epochs is None else setting.epochs * (setting.cycles or 1)
    total = iters(setting, measured, per_epoch)
    ranked = None if setting.batch_size is None or setting.world_size is None else _per_iter(setting, measured)
    accumulated = None if setting.grad_accum is None or ranked is None else ranked * setting.grad_accum
    times = {
        name: Time(
            s_per_iter=each,
            epoch_s=_times(each, per_epoch),
            run_s=_times(each, total),
            samples_per_hour=None if ranked is None else (ranked * HOUR / each[1], ranked * HOUR / each[0]),
            extrapolated=name == FITTED and pace is not None and pace.beyond(setting.batch_size or 0),
        )
        for name, each in seconds(setting, measured, pace).items()
    }
    return Row(
        setting=setting,
        is_measured=setting == measured.setting,
        iters_per_epoch=per_epoch,
        iters_per_cycle=None if setting.epochs is None or turns is None else _times((setting.epochs,) * 2, per_epoch),
        iters=total,
        updates=updates(setting, per_epoch, total, explained),
        samples_per_update=None if accumulated is None else int(accumulated),
        times=times,
        memory=_memory(setting, measured, memory, limit_mib),
    )


def _per_iter(setting: Setting, measured: Measured) -> float:
    """Samples of all ranks an iteration; ranks that share each sample count once."""
    return (setting.batch_size or 0) * (setting.world_size or 0) / measured.sequence_parallel


def iters_per_epoch(setting: Setting, measured: Measured, explained: Sequence[Way]) -> Span | None:
    """I by each of the rules, as a span; as measured where nothing that it depends on is changed."""
    base = measured.setting
    decides = ("samples", "batch_size", "world_size")
    same = all(getattr(setting, name) == getattr(base, name) for name in decides)
    windowed = any(way.sampler.unit for way in explained) and setting.grad_accum != base.grad_accum
    if same and not windowed and measured.iters_per_epoch is not None:
        return measured.iters_per_epoch, measured.iters_per_epoch
    found = [count for way in explained for count in _iters_by(way, setting, measured)]
    return (min(found), max(found)) if found else None


def _iters_by(way: Way, setting: Setting, measured: Measured) -> tuple[int, ...]:
    base = measured.setting
    if setting.samples is not None and setting.samples != base.samples:
        others = replace(way, per_rank=False)
        return () if setting.world_size is None else iters_of(others, setting, measured, setting.samples)
    if way.per_rank and setting.world_size != base.world_size:
        return ()
    return tuple(count for n in way.samples for count in iters_of(way, setting, measured, int(n)))


def iters(setting: Setting, measured: Measured, per_epoch: Span | None) -> Span | None:
    """T = I · E · C. A run that is planned in iterations keeps their number, whatever its batches hold."""
    planned, base = measured.iters_planned, measured.setting
    if setting.epochs is None:
        return None if planned is None else (planned, planned)
    same = (setting.epochs, setting.cycles) == (base.epochs, base.cycles)
    unchanged = per_epoch == (measured.iters_per_epoch, measured.iters_per_epoch)
    if planned is not None and same and (unchanged or setting == base):
        return planned, planned
    return _times((setting.epochs * (setting.cycles or 1),) * 2, per_epoch)


def updates(setting: Setting, per_epoch: Span | None, total: Span | None, explained: Sequence[Way]) -> Span | None:
    """U by each rule for the last window, as a span; where windows do not end with epochs, I may be unknown."""
    accum = setting.grad_accum
    if accum is None or total is None:
        return None
    if accum == 1:
        return total
    tails = {rule for way in explained for rule in way.tails} or {
        rule for rule in UPDATES if "torch" in rule.frameworks
    }
    if per_epoch is None:
        if any(rule.per_epoch for rule in tails):
            return None
        per_epoch = total
    ends = [(int(total[k]), int(per_epoch[k])) for k in (0, 1)]
    counts = [rule.run(t, i, accum) if i else 0 for rule in tails for t, i in ends]
    return min(counts), max(counts)


def seconds(setting: Setting, measured: Measured, pace: Line | None) -> dict[str, Span]:
    """Seconds per iteration by assumption; without those that nothing is known for."""
    each, base, batch = measured.s_per_iter, measured.setting.batch_size, setting.batch_size
    found: dict[str, Span] = {}
    if each is not None:
        found[SAME_ITER] = each
        if base is not None and batch is not None:
            found[SAME_RATE] = (each[0] * batch / base, each[1] * batch / base)
    if pace is not None and batch is not None:
        own = [value for size, value in measured.paces if size == batch]
        span = (min(own), max(own)) if own else pace.at(batch)
        if span[0] > 0:
            found[FITTED] = span
    return found


def _times(one: Span | tuple[int, ...], other: Span | None) -> Span | None:
    return None if other is None else (one[0] * other[0], one[1] * other[1])


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def fitted(points: Sequence[tuple[int, float]]) -> Line | None:
    """The line through (batch size, value); None for fewer than two batch sizes."""
    if len({size for size, _ in points}) < 2:
        return None
    frame = pl.DataFrame(list(points), schema={"x": pl.Float64(), "y": pl.Float64()}, orient="row")
    found = frame.select(line(pl.col("x"), pl.col("y"), "line")).row(0, named=True)
    sizes = [size for size, _ in points]
    return Line(
        base=found["line_base"],
        slope=found["line_slope"],
        residual=found["line_residual"],
        points=found["line_points"],
        low=min(sizes),
        high=max(sizes),
    )


def largest_batch(memory: Line, limit_mib: float) -> int | None:
    """The largest batch whose memory, its residual counted against it, is within the limit: 0 where none is; None
    where memory does not grow with the batch."""
    if memory.slope <= 0:
        return None
    return max(0, floor((limit_mib - memory.base - memory.residual) / memory.slope))


def _memory(setting: Setting, measured: Measured, memory: Line | None, limit_mib: float | None) -> Memory | None:
    batch = setting.batch_size
    if batch is None or not measured.memories:
        return None
    own = [value for size, value in measured.memories if size == batch]
    by, extrapolated = "line", False
    if own:
        span, by = (min(own), max(own)), "measured"
    elif memory is not None:
        low, high = memory.at(batch)
        span, extrapolated = (max(0.0, low), max(0.0, high)), memory.beyond(batch)
    else:
        size, value = measured.memories[0]
        ends = (value, value * batch / size)
        span, by, extrapolated = (min(ends), max(ends)), "bounds", True
    fits = None if limit_mib is None else True if span[1] <= limit_mib else False if span[0] > limit_mib else None
    return Memory(span, by, extrapolated, fits)


# ── what is missing ──────────────────────────────────────────────────────────────────────────────────────────────────


def lacking(rows: Sequence[Row], measured: Measured) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Quantities that some row does not have, each with what it would need."""
    base = measured.setting

    def unknown(*names: str) -> tuple[str, ...]:
        return tuple(name for name in names if any(getattr(row.setting, name) is None for row in rows))

    if any(row.iters_per_epoch is None for row in rows):
        needs = unknown("batch_size", "world_size")
        if measured.setting.samples is None and not (measured.iters_per_epoch and base.batch_size):
            needs = ("samples", *needs)
        if any(row.setting.grad_accum is None for row in rows) and not needs:
            needs = ("grad_accum",)
        yield "iterations per epoch", needs or ("samples",)
    if any(row.iters is None for row in rows) and unknown("epochs"):
        yield "iterations in all", unknown("epochs")
    if any(row.updates is None for row in rows):
        needs = unknown("grad_accum", "epochs")
        if needs:
            yield "updates", needs
    if any(row.samples_per_update is None for row in rows):
        yield "samples per update", unknown("batch_size", "world_size", "grad_accum")
    if any(SAME_ITER not in row.times for row in rows):
        yield "time", ("s_per_iter",)
    elif any(time.samples_per_hour is None for row in rows for time in row.times.values()):
        yield "samples per hour", unknown("batch_size", "world_size")
    if any(row.memory is None or row.memory.by == "bounds" for row in rows):
        yield "memory", ("memory_mib at two batch sizes",)
