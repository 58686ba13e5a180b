"""Numbers of a run as options, for the commands that count with them: what a person states, as claims."""

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .options import UsageError

if TYPE_CHECKING:
    from ..analyze.claims import Claims

Number = str | None
"""A whole number, 1220 or 1,220; or all from one to another, 1217..1224."""


def option(name: str) -> Parameter:
    return Parameter(name=name, negative=(), show_default=False)


@Parameter(name="*")
@dataclass(frozen=True)
class Numbers:
    """What is known of a run. Each number may be a range, 1217..1224."""

    samples: Annotated[Number, option("--samples")] = None
    """Samples as the loader sees them: after repeats, filtering, packing."""
    raw_samples: Annotated[Number, option("--raw-samples")] = None
    """Samples before that: rows of the file."""
    repeats: Annotated[Number, option("--repeats")] = None
    """How often the data set is repeated."""
    batch_size: Annotated[Number, option("--batch-size")] = None
    """Samples per rank and iteration."""
    grad_accum: Annotated[Number, option("--grad-accum")] = None
    """Iterations per optimizer update."""
    epochs: Annotated[Number, option("--epochs")] = None
    """Epochs, of one cycle where there are several."""
    cycles: Annotated[Number, option("--cycles")] = None
    """Cycles of so many epochs."""
    world_size: Annotated[Number, option("--world-size")] = None
    """Ranks (processes) that share the data."""
    drop_last: Annotated[Literal["yes", "no"] | None, option("--drop-last")] = None
    """Whether the loader drops a last, partial batch."""
    iters_per_epoch: Annotated[Number, option("--iters-per-epoch")] = None
    """Iterations (micro-batches) of an epoch, as printed."""
    iters_total: Annotated[Number, option("--iters-total")] = None
    """Iterations of the whole run, as printed."""
    updates_per_epoch: Annotated[Number, option("--updates-per-epoch")] = None
    """Optimizer updates of an epoch."""
    updates_total: Annotated[Number, option("--updates-total")] = None
    """Optimizer updates of the whole run."""
    sampler: Annotated[str | None, option("--sampler")] = None
    """The sampler's class: DistributedSampler, LengthGroupedSampler …"""
    framework: Annotated[str | None, option("--framework")] = None
    """Who counts, with a version where it is known: xtuner, "huggingface 4.46", keras, lightning …"""

    def claims(self) -> "Claims":
        """The same as claims of the user. Raises UsageError for what is no number and no known framework."""
        from ..analyze.claims import Claim, Claims
        from ..analyze.identities import KNOWN, frameworks

        if self.framework is not None and not frameworks(self.framework)[0]:
            raise UsageError(f"--framework {self.framework}: not known; known are {', '.join(sorted(KNOWN))}")
        claims = []
        for name in (field.name for field in fields(self)):
            text = getattr(self, name)
            if text is None or name in ("sampler", "framework"):
                continue
            low, high = (int(text == "yes"),) * 2 if name == "drop_last" else span(name, text)
            claims.append(Claim(CALLED.get(name, name), low, high))
        return Claims(tuple(claims), self.framework, self.sampler)


CALLED = {
    "samples": "num_samples",
    "epochs": "epochs_planned",
    "iters_total": "iters_planned",
    "updates_total": "updates_planned",
}
"""Options whose claims are called otherwise (TABLES has the names)."""
ZERO = ("updates_total", "updates_per_epoch")
LARGEST = 10**18


def span(name: str, text: str) -> tuple[int, int]:
    """1220, 1,220, 1_220 or 1217..1224 as least and most."""
    option = f"--{name.replace('_', '-')}"
    ends = [re.sub(r"(?<=\d)[,_](?=\d{3})", "", end.strip()) for end in text.split("..")]
    if not all(re.fullmatch(r"\d{1,19}", end) for end in ends) or len(ends) > 2:
        raise UsageError(f"{option} {text}: wanted a whole number as 1220, or a range as 1217..1224")
    low, high = int(ends[0]), int(ends[-1])
    if low > high:
        raise UsageError(f"{option} {text}: the range ends before it begins")
    if low < (name not in ZERO) or high > LARGEST:
        raise UsageError(f"{option} {text}: wanted {int(name not in ZERO)} to 10^18")
    return low, high
