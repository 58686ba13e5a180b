"""The words of the counting: what is claimed of a run, how its counts may have come about, and the verdict.

Plain numbers of one run; what runs have in common is done in columns elsewhere. Notation in formulas: N samples,
B per-rank batch, W data-parallel ranks, A iterations per update, E epochs, C cycles, n samples per rank and epoch,
I iterations per epoch and rank, T iterations in all, U updates (TABLES.md has the meaning of each word).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

NAMES = (
    "num_samples",  # N as the loader sees it: after repeats, filtering, packing
    "raw_samples",  # before them
    "repeats",
    "batch_size",
    "grad_accum",
    "epochs_planned",
    "cycles",
    "world_size",
    "drop_last",  # 0 or 1
    "iters_per_epoch",
    "iters_planned",
    "updates_per_epoch",
    "updates_planned",
    "global_batch",  # samples per update, over all ranks
    "sampler_batch",  # P, samples to whose multiple a sampler fills each rank, where it is not B·A
    "gpus_visible",
    "sequence_parallel",
)
"""The quantities that may be claimed, by the names that `runs` and `facts` use."""


@dataclass(frozen=True)
class Claim:
    """One statement about one quantity, `low` to `high` inclusive (equal where it names one number).

    source: log, config, user, counted, timestamps or default (what the framework does where nothing is said).
    path, line: where it stands; null for what the user gave. text: the words that it stands in, for a person.
    """

    name: str
    low: int
    high: int
    source: str = "user"
    path: str | None = None
    line: int | None = None
    text: str | None = None

    @property
    def exact(self) -> int | None:
        return self.low if self.low == self.high else None


@dataclass(frozen=True)
class Claims:
    """All that is claimed of one run. A name may have several claims; they need not agree.

    framework: a format's name, or what --framework gave (with a version where one is known: "huggingface 4.46").
    sampler: its class name, as far as it is known.
    """

    claims: tuple[Claim, ...] = ()
    framework: str | None = None
    sampler: str | None = None

    def of(self, name: str) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.name == name)


@dataclass(frozen=True)
class Explanation:
    """One way in which the counts come about. A number that nothing fixes is null; what the claims leave open of the
    samples is the range samples_low … samples_high (equal where N is known).

    rule: the name of the sampler or framework rule. assumes: what nobody claimed and has to be so, in words.
    contradicts: names of the claims that have to go. updates_rule: what happens to the last window.
    drop_last is null where it changes nothing. epochs: of one cycle; null where the run ends inside one.
    samples_per_epoch: drawn by all ranks, padding included. ranges: what is open, by name, as least and most (null:
    without end); a quantity is in `ranges` or has its number. also: other rules that give the same numbers.
    inside: the run ends inside an epoch.
    plain: it rests on nothing that is neither claimed nor a default (repeats, a dropped batch, cycles …).
    far: it takes more than one would assume without being told, and does not make a verdict ambiguous.
    cost: how much has to be assumed or let go, to order by.
    """

    rule: str
    updates_rule: str
    samples_low: int | None
    samples_high: int | None
    batch_size: int | None
    world_size: int | None
    repeats: int | None
    drop_last: bool | None
    grad_accum: int | None
    epochs: int | None
    iters_per_epoch: int | None
    iters_planned: int | None
    updates_per_epoch: float | None
    updates_planned: int | None
    global_batch: int | None
    padded_samples_per_epoch: int | None
    dropped_samples_per_epoch: int | None
    samples_per_epoch: int | None
    assumes: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    cycles: int | None = None
    ranges: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    inside: bool = False
    plain: bool = True
    far: bool = False
    cost: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """`consistent`: one explanation fits all claims. `ambiguous`: several do, or one does that needs an assumption
    beside others that let one claim go; `would_decide` names the facts that would tell. `contradicted`: none fits all.
    `unknown`: too little is claimed to say anything.

    explanations: the most plausible first. contradicted: the claims that the first explanation lets go. agreed: the
    quantities on which all explanations agree that fit every claim, far ones too; where the best of them rests on an
    assumption, those that let a claim go have to agree as well. Empty where the claims contradict each other.
    candidates: how many were tried (bounded).
    """

    verdict: str
    claims: Claims
    explanations: tuple[Explanation, ...]
    contradicted: tuple[Claim, ...]
    would_decide: tuple[str, ...]
    agreed: Mapping[str, int | bool] = field(default_factory=dict)
    candidates: int = 0
