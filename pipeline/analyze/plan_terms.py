"""The words of a plan: what was measured, what may be changed, and what follows. Plain numbers.

A quantity that is not known is None; one that is open is a span.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .identities import Sampler, Updates

Span = tuple[float, float]
"""Least and most of a quantity; equal where it is known."""

SAME_ITER, SAME_RATE, FITTED = "same_s_per_iter", "same_samples_per_s", "fitted"
NAMES = ("samples", "batch_size", "world_size", "grad_accum", "epochs", "cycles")


class PlanError(ValueError):
    """Numbers that make no plan; the message says which and what is wanted."""


@dataclass(frozen=True)
class Setting:
    """What a plan may change; None is not known. samples: as the loader sees them. cycles: None counts as one."""

    samples: int | None = None
    batch_size: int | None = None
    grad_accum: int | None = None
    world_size: int | None = None
    epochs: int | None = None
    cycles: int | None = None


@dataclass(frozen=True)
class Measured:
    """What was measured, and where. A number that is not known is None.

    s_per_iter: least and most seconds. paces, memories: (batch size, seconds or MiB) of this run and of others that are
    compared with it; counts: (batch size, iterations per epoch) likewise. sources: where the counts come from, by the
    names of `claims.NAMES`. framework and sampler as in `Claims`. taken: names of the setting that nobody gave and that
    are assumed. name: of the run; None where the numbers are the user's.
    """

    setting: Setting
    iters_per_epoch: int | None = None
    iters_planned: int | None = None
    s_per_iter: Span | None = None
    paces: tuple[tuple[int, float], ...] = ()
    memories: tuple[tuple[int, float], ...] = ()
    counts: tuple[tuple[int, int], ...] = ()
    drop_last: bool | None = None
    framework: str | None = None
    sampler: str | None = None
    sequence_parallel: int = 1
    sources: Mapping[str, str] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    name: str | None = None


@dataclass(frozen=True)
class Line:
    """y = base + slope · batch size, least squares through `points` batch sizes from `low` to `high`; no point is
    further from it than `residual`."""

    base: float
    slope: float
    residual: float
    points: int
    low: int
    high: int

    def at(self, batch_size: int) -> Span:
        middle = self.base + self.slope * batch_size
        return middle - self.residual, middle + self.residual

    def beyond(self, batch_size: int) -> bool:
        return not self.low <= batch_size <= self.high


@dataclass(frozen=True)
class Time:
    """Seconds per iteration, of an epoch and of the whole; samples per hour over all ranks. extrapolated: the batch
    size lies outside of those measured."""

    s_per_iter: Span
    epoch_s: Span | None
    run_s: Span | None
    samples_per_hour: Span | None
    extrapolated: bool = False


@dataclass(frozen=True)
class Memory:
    """MiB of one rank. by: measured, line, or bounds (only one batch size was measured). fits: within the limit; None
    where no limit is given or the span holds it."""

    mib: Span
    by: str
    extrapolated: bool
    fits: bool | None


@dataclass(frozen=True)
class Row:
    """One setting and what follows from it. `times` by the names of assumptions."""

    setting: Setting
    is_measured: bool
    iters_per_epoch: Span | None
    iters_per_cycle: Span | None
    iters: Span | None
    updates: Span | None
    samples_per_update: int | None
    times: Mapping[str, Time]
    memory: Memory | None


@dataclass(frozen=True)
class Way:
    """A rule by which the counts come about: `samples` of `ranks` (those of one rank where `per_rank`: nobody knows how
    many there are)."""

    sampler: Sampler
    tails: tuple[Updates, ...]
    drop: bool
    samples: Span
    per_rank: bool = False


@dataclass(frozen=True)
class Plan:
    """Rows, the measured one first, and what they rest on.

    ways: the rules. let_go: claims of the measured run that its own counts contradict, so that they are not used.
    largest: the largest batch size that fits the limit by the line, its residual counted against it; extrapolated where
    it lies beyond what was measured. missing: (quantity, names of what it needs).
    """

    measured: Measured
    rows: tuple[Row, ...]
    ways: tuple[Way, ...]
    let_go: tuple[str, ...]
    pace_line: Line | None
    memory_line: Line | None
    memory_limit_mib: float | None
    largest: int | None
    largest_extrapolated: bool
    missing: tuple[tuple[str, tuple[str, ...]], ...]
