"""`trainqc plan`: what another batch size, accumulation, number of ranks or of epochs would do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..report import words
from ..say import complain, print_json, print_plain
from .options import DONE, NOTHING_READ, Stated, Talk, UsageError, app, version

if TYPE_CHECKING:
    from ..analyze.plan_terms import Measured, Span

NUMBER = r"(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE][-+]?\d{1,2})?"
GIB = {"": 1.0, "m": 1.0, "mb": 1.0, "mib": 1.0, "g": 1024.0, "gb": 1024.0, "gib": 1024.0, "t": 2.0**20, "tb": 2.0**20}
Values = Annotated[str | None, Parameter(show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """Numbers; several, as in 32,64,128, make a row each. The first is what was measured, where a run does not say."""

    samples: Values = None
    """Samples of the training set, as the loader sees it."""
    batch_size: Values = None
    """Samples per rank per iteration."""
    grad_accum: Values = None
    """Iterations per update."""
    world_size: Values = None
    """Ranks that share the data."""
    epochs: Values = None
    """Epochs; of one cycle, where there are cycles."""
    cycles: Values = None
    """Turns of an outer loop over the epochs."""

    def lists(self) -> dict[str, list[int]]:
        return {name: whole_numbers(option(name), text) for name, text in vars(self).items() if text is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class Observed:
    """What was measured, where no run says it."""

    iters_per_epoch: Values = None
    """Iterations per epoch."""
    s_per_iter: Values = None
    """Seconds per iteration: 0.63, or 15.5..16.5, or those at several batch sizes: 32:0.63,128:2.2."""
    memory_mib: Values = None
    """MiB of memory at the first batch size, or at several: 32:2304,128:9216."""
    drop_last: Annotated[Literal["yes", "no"] | None, Parameter(show_default=False)] = None
    """Whether the loader drops an incomplete last batch."""
    framework: Values = None
    """Whose rules hold: mmengine, xtuner, huggingface, lightning, keras …, with a version where it matters."""
    sampler: Values = None
    """Class of the sampler: DistributedSampler, LengthGroupedSampler …"""


@app.command
def plan(
    *paths: Path,
    run: Annotated[tuple[str, ...], Parameter(name="--run", negative=(), show_default=False)] = (),
    changes: Changes = Changes(),
    observed: Observed = Observed(),
    memory_limit: Values = None,
    stated: Stated = Stated(),
    talk: Talk = Talk(),
) -> int:
    """What if: another batch size, accumulation, number of ranks, epochs → iterations, updates, time, memory.

    From a measured run (`trainqc plan OUT --run NAME …`, `trainqc plan LOG …`) or from numbers alone.

    Parameters
    ----------
    paths
        Output folder of an earlier run, or logs, which are read for this alone; none: numbers alone.
    run
        Name of the run. More of them add their memory and pace at other batch sizes.
    memory_limit
        Memory of a card, 24GiB or 24576 (MiB): which rows fit it, and the largest batch that does.
    """
    from ..analyze.plan import plan as make
    from ..analyze.plan_terms import PlanError
    from .plan_words import as_dict, text

    lists = changes.lists()
    limit = None if memory_limit is None else mebibytes("--memory-limit", memory_limit)
    try:
        if paths:
            start = measured_by_run(paths, run, stated)
            if isinstance(start, int):
                return start
        else:
            start = bare(lists, run)
        made = make(with_observed(start, observed, lists), lists, limit)
    except PlanError as error:
        raise UsageError(str(error)) from None
    if talk.json:
        print_json({"trainqc": version()} | as_dict(made))
    elif not talk.quiet:
        print_plain(text(made))
    return DONE


def measured_by_run(paths: Sequence[Path], names: Sequence[str], stated: Stated) -> "Measured | int":
    """What the run measured, or the exit code where nothing could be read."""
    from ..planning import NoRunError, NothingReadError, measured

    if not any(path.exists() for path in paths):
        complain(f"nothing could be read: {paths[0]}: no such file or folder")
        return NOTHING_READ
    try:
        return measured(paths, names, stated.told())
    except NoRunError as error:
        raise UsageError(str(error)) from None
    except NothingReadError as error:
        complain(f"nothing could be read: {error}")
        return NOTHING_READ


def bare(lists: Mapping[str, Sequence[int]], names: Sequence[str]) -> "Measured":
    """Nothing measured: one rank and no accumulation are taken where nobody says otherwise."""
    from ..analyze.plan_terms import Measured, Setting

    if names:
        raise UsageError(f"--run {names[0]}: name the output folder too, as in `trainqc plan trainqc-out --run NAME`")
    taken = tuple(name for name in ("world_size", "grad_accum") if name not in lists)
    return Measured(Setting(**dict.fromkeys(taken, 1)), taken=taken)


def with_observed(start: "Measured", observed: Observed, lists: Mapping[str, Sequence[int]]) -> "Measured":
    """`start` with what the options add to it."""
    batch = start.setting.batch_size or next(iter(lists.get("batch_size", ())), None)
    if observed.iters_per_epoch is not None:
        (iters, *more) = whole_numbers("--iters-per-epoch", observed.iters_per_epoch)
        if more:
            raise UsageError(f"--iters-per-epoch {observed.iters_per_epoch}: it was measured once: wanted one number")
        if start.iters_per_epoch not in (None, iters):
            raise UsageError(f"--iters-per-epoch {iters}: the run counts {start.iters_per_epoch}")
        start = replace(start, iters_per_epoch=iters)
    if observed.s_per_iter is not None:
        span, points = at_sizes("--s-per-iter", observed.s_per_iter, batch)
        start = replace(start, s_per_iter=span, paces=points or start.paces)
    if observed.memory_mib is not None:
        _, points = at_sizes("--memory-mib", observed.memory_mib, batch)
        start = replace(start, memories=(*start.memories, *points))
    drop = start.drop_last if observed.drop_last is None else observed.drop_last == "yes"
    start = replace(start, drop_last=drop, framework=observed.framework or start.framework)
    start = replace(start, sampler=observed.sampler or start.sampler)
    nothing = start.name is None and not lists and start.iters_per_epoch is None and start.s_per_iter is None
    if nothing:
        raise UsageError("no run and no numbers: as in `trainqc plan --samples 32000 --batch-size 128,32`")
    return start


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def whole_numbers(name: str, text: str) -> list[int]:
    if name == "--samples" and re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        raise UsageError(
            f"{name} {text}: one number, or several? Write {text.replace(',', '')}, or "
            f"'{text.replace(',', ', ')}' with a blank behind each comma"
        )
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,18}", part) and int(part) > 0 for part in parts):
        raise UsageError(f"{name} {words.one_line(text, 60)}: wanted whole numbers above zero, as in 32,64,128")
    return list(dict.fromkeys(int(part) for part in parts))


def at_sizes(name: str, text: str, batch: int | None) -> "tuple[Span, tuple[tuple[int, float], ...]]":
    """`0.63`, `15.5..16.5`, or `32:0.63,128:2.2`: what was measured at `batch`, and the values by batch size."""
    wrong = UsageError(
        f"{name} {words.one_line(text, 60)}: wanted a number above zero, two as in 15.5..16.5, or one a batch size as "
        "in 32:0.63,128:2.2"
    )
    if ":" in text:
        pairs = [re.fullmatch(rf"\s*(\d{{1,15}})\s*:\s*({NUMBER})\s*", part) for part in text.split(",")]
        points = [(int(pair[1]), float(pair[2])) for pair in pairs if pair]
        if len(points) < len(pairs) or not all(size > 0 and value > 0 for size, value in points):
            raise wrong
        own = [value for size, value in points if size == batch]
        if batch is not None and not own and name == "--s-per-iter":
            raise UsageError(f"{name} {words.one_line(text, 60)}: no value at the measured batch size, {batch}")
        own = own or [points[0][1]]
        return (min(own), max(own)), tuple(points)
    ends = [float(end) for end in text.split("..") if re.fullmatch(rf"\s*{NUMBER}\s*", end)]
    if len(ends) != len(text.split("..")) or len(ends) > 2 or not all(end > 0 for end in ends) or ends != sorted(ends):
        raise wrong
    return (ends[0], ends[-1]), () if batch is None else ((batch, ends[0]),)


def mebibytes(name: str, text: str) -> float:
    found = re.fullmatch(rf"\s*({NUMBER})\s*([a-zA-Z]*)\s*", text)
    if not found or found[2].lower() not in GIB or not float(found[1]) > 0:
        raise UsageError(f"{name} {words.one_line(text, 60)}: wanted memory above zero, as in 24GiB or 24576 (MiB)")
    return float(found[1]) * GIB[found[2].lower()]
