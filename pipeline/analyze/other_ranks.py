"""What another number of ranks would print: the table of alternatives beside a derivation."""

from collections.abc import Iterable
from dataclasses import dataclass

from .claims import Explanation, Verdict
from .identities import SAMPLERS, Sampler
from .phrases import WORDS, divided, rule_of, tails_of, value_of

RANKS = (1, 2, 4, 8)  # what most people start; the table of alternatives has these and those that are claimed or found


@dataclass(frozen=True)
class Row:
    """What another number of ranks would print, under the rule of the first explanation."""

    ranks: int
    claimed: bool
    samples: int
    iters_per_epoch: int
    iters_planned: int | None
    updates_planned: int | None
    padded: int
    note: str


def rows(one: Explanation, verdict: Verdict) -> Iterable[Row]:
    """What the log would print on other ranks: the first explanation's rule, samples, batch and accumulation."""
    rule, n, b, a = rule_of(one), one.samples_low, one.batch_size, one.grad_accum
    unfit = rule is None or n is None or n != one.samples_high or b is None or (rule.unit and a is None)
    if unfit or rule is None or n is None or b is None or one.world_size is None:
        return
    claimed = {c.low for c in verdict.claims.of("world_size") if c.exact is not None}
    turns = one.epochs * (one.cycles or 1) if one.epochs else None
    drop = bool(one.drop_last)
    family, (unit, shared) = _of_ranks(one, rule), divided(one, rule, verdict)
    if family is None or shared[0] < shared[1] or (unit is not None and unit[0] < unit[1]):
        return
    p = b * (a or 1) if unit is None else unit[0]
    counts = [c for c in verdict.claims.claims if c.name in ("iters_per_epoch", "iters_planned", "updates_planned")]
    counts = [c for c in counts if c.name not in one.contradicts]
    for w in sorted({*RANKS, *(r for r in claimed if 0 < r < 2**20), one.world_size}):
        groups = max(1, w // shared[0])
        i = family.iters(n, b, groups, p, drop)
        if i < 1:
            continue
        t = i * turns if turns else None
        us = {tail.run(t, i, a) for tail in tails_of(one)} if t and a else set()
        u = us.pop() if len(us) == 1 else None
        printed = {"iters_per_epoch": i, "iters_planned": t, "updates_planned": u}
        against = [c for c in counts if (v := printed[c.name]) is not None and not c.low <= v <= c.high]
        note = "fits" if not against else f"excluded by {value_of(against[0])} {WORDS[against[0].name]}"
        padded = max(0, family.drawn(n, b, groups, p, drop) - n)
        yield Row(w, w in claimed, n, i, t, u, padded, note)
    if shared == (1, 1):
        yield from _repeated(one, verdict, family, turns, p)


def _repeated(one: Explanation, verdict: Verdict, family: Sampler, turns: int | None, p: int) -> Iterable[Row]:
    """The same counts from a data set that is repeated once a rank: nothing but a printed number of samples or of ranks
    tells it from one rank. Named for the most ranks that somebody claims, or GPUs that could be seen."""
    n, b = one.samples_low, one.batch_size
    ranks = [c.low for name in ("world_size", "gpus_visible") for c in verdict.claims.of(name) if c.exact is not None]
    w = max((r for r in ranks if r < 2**20), default=1)
    if n is None or b is None or w == 1 or one.world_size != 1 or one.repeats not in (None, 1):
        return
    drop, many = bool(one.drop_last), n * w
    i = family.iters(many, b, w, p, drop)
    if i != one.iters_per_epoch:
        return
    stand = [c for c in verdict.claims.claims if c not in verdict.contradicted]
    numbers = {"num_samples": many, "world_size": w}
    against = [c for c in stand if c.name in numbers and not c.low <= numbers[c.name] <= c.high]
    note = f"excluded by {WORDS[against[0].name]} {value_of(against[0])}" if against else "the same counts"
    padded = max(0, family.drawn(many, b, w, p, drop) - many)
    claimed = any(c.name == "world_size" and c.low == w for c in verdict.claims.claims)
    t = i * turns if turns else None
    note = f"data repeated {w:,} times: {note}"
    yield Row(w, claimed, many, i, t, one.updates_planned, padded, note)


def _of_ranks(one: Explanation, rule: Sampler) -> Sampler | None:
    """The sampler of an explanation as several ranks have it: of a single process, that of the frameworks meant."""
    shared = [s for s in SAMPLERS if not s.one and s.splits]
    if rule.one:
        meant = {name for tail in tails_of(one) for name in tail.frameworks}
        shared = [s for s in shared if meant.intersection(s.frameworks)]
    if rule.grouped:
        return rule
    return next((s for s in shared if rule.one or s.per_rank is rule.per_rank), None)
