"""A verdict as a person would write it on a board: steps with the numbers put in, what other ranks would print, what is
proved, contradicted and open. Data: a terminal and a page show the same.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..tables import QUANTITIES
from .claims import Claim, Explanation, Verdict
from .explanations import spans
from .identities import SAMPLERS, UPDATES, Sampler, Updates, ceil

WORDS = {**QUANTITIES, "epochs": QUANTITIES["epochs_planned"]}
"""How a quantity is called in a sentence: explanations hold the epochs of one cycle."""
SOURCES = {
    "user": "you",
    "log": "printed in the log",
    "config": "configuration",
    "counted": "counted",
    "timestamps": "time stamps",
    "default": "what the framework does by default",
}
RANKS = (1, 2, 4, 8)  # what most people start; the table of alternatives has these and those that are claimed or found
ACCUMULATIONS = (1, 4, 8)  # what is named where the accumulation is open


@dataclass(frozen=True)
class Said:
    """A claim, for a person."""

    name: str
    value: str
    source: str
    let_go: bool


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


@dataclass(frozen=True)
class Place:
    """Where a global step lies. update: the one that the iteration belongs to, as least and most."""

    step: int
    cycle: int | None
    epoch: int
    batch: int
    iters_per_epoch: int
    update: tuple[int, int] | None


@dataclass(frozen=True)
class Derivation:
    """question: what is explained, as a title. steps: of the first explanation. others: of the other explanations, a
    sentence each."""

    verdict: str
    question: str
    claims: tuple[Said, ...]
    steps: tuple[str, ...]
    rows: tuple[Row, ...]
    others: tuple[str, ...]
    proved: tuple[str, ...]
    contradicted: tuple[str, ...]
    open: tuple[str, ...]
    would_decide: tuple[str, ...]


def derive(verdict: Verdict, most: int = 8) -> Derivation:
    """The derivation of a verdict; of the other explanations the `most` plausible."""
    first = verdict.explanations[0] if verdict.explanations else None
    tells = verdict.verdict != "unknown"
    gone = {(c.name, c.low, c.high) for c in verdict.contradicted}
    return Derivation(
        verdict.verdict,
        _question(verdict),
        tuple(
            Said(WORDS.get(c.name, c.name), _value(c), _source(c), (c.name, c.low, c.high) in gone)
            for c in verdict.claims.claims
        ),
        tuple(_steps(first, verdict)) if first else (),
        tuple(_rows(first, verdict)) if first else (),
        tuple(_sentence(one, verdict) for one in verdict.explanations[1 : most + 1] if tells),
        tuple(_proved(verdict)),
        tuple(f"{WORDS.get(c.name, c.name)} = {_value(c)} ({_source(c)})" for c in verdict.contradicted),
        tuple(_open(first, verdict)) if first and tells else (),
        tuple(WORDS.get(name, name) for name in verdict.would_decide),
    )


def place(step: int, one: Explanation) -> Place | None:
    """In which cycle, epoch, batch and update the global iteration `step` (1-based) lies; None where the iterations of
    an epoch are not known."""
    i, a = one.iters_per_epoch, one.grad_accum
    if not i:
        return None
    turn, batch = divmod(step - 1, i)
    cycled = one.cycles is not None and one.cycles > 1 and one.epochs is not None
    cycle, epoch = divmod(turn, one.epochs) if cycled and one.epochs else (0, turn)
    update = None
    if a:
        ends = {(step - 1) // a + 1 if tail.carries else turn * ceil(i, a) + batch // a + 1 for tail in _tails_of(one)}
        update = (min(ends), max(ends)) if ends else None
    return Place(step, cycle + 1 if cycled else None, epoch + 1, batch + 1, i, update)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _steps(one: Explanation, verdict: Verdict) -> Iterable[str]:
    rule = _rule_of(one)
    if rule is not None:
        yield from _of_samples(one, rule, verdict)
    claimed = {c.name for c in verdict.claims.claims} - set(one.contradicts)
    i, t, e, c = one.iters_per_epoch, one.iters_planned, one.epochs, one.cycles or 1
    if i is not None and e is not None and t is not None:
        told = ", as claimed" if "iters_planned" in claimed else ""
        if c > 1:
            yield f"{i:,} × {_many(e, 'epoch')} = {i * e:,} iterations a cycle; × {c:,} cycles = {t:,} in all{told}."
        else:
            yield f"{i:,} × {_many(e, 'epoch')} = {t:,} iterations in all{told}."
    elif i is not None and t is not None:
        yield f"{t:,} / {i:,} = {t / i:,.2f}: the run ends inside epoch {t // i + 1:,}."
    yield from _of_updates(one)
    if one.batch_size and one.grad_accum and one.world_size and one.global_batch:
        b, a, w = one.batch_size, one.grad_accum, one.world_size
        yield f"{b:,} × accumulation {a:,} × {_many(w, 'rank')} = {_many(one.global_batch, 'sample')} an update."


def _of_samples(one: Explanation, rule: Sampler, verdict: Verdict) -> Iterable[str]:
    """From samples to iterations of an epoch, or back."""
    n, b, w, a, i = one.samples_low, one.batch_size, one.world_size, one.grad_accum, one.iters_per_epoch
    if one.repeats is not None and one.repeats > 1 and n is not None and n == one.samples_high:
        raw = next((c.low for c in verdict.claims.of("raw_samples") if c.exact is not None), n // one.repeats)
        more = raw * one.repeats > n and "raw_samples" not in one.contradicts
        left = f", of which {n:,} are left" if more else ""
        raw = raw if more else n // one.repeats
        yield f"{raw:,} raw samples × {one.repeats:,} = {_many(raw * one.repeats, 'sample')}{left}."
    if b is None or i is None or w is None:
        return
    if n is not None and n == one.samples_high:
        who = f"{_many(n, 'sample')}, {_many(w, 'rank')}, micro-batch {b:,}"
        if rule.unit and a is not None:
            who += f", accumulation {a:,}"
        if rule.one:
            yield f"{_many(n, 'sample')} in one process, micro-batch {b:,}."
        else:
            yield f"{who}. {rule.name} ({rule.versions}) gives each rank {rule.formula}."
        yield _iterations(one, rule, n, b, w, a, i)
    elif n is not None and one.samples_high is not None:
        tail = "dropped" if one.drop_last else "kept"
        batches = f"{i:,} batches of {b:,} on {_many(w, 'rank')}"
        if one.drop_last is None:
            yield f"{batches} are {n:,} … {one.samples_high:,} samples ({rule.name}: {rule.formula} a rank)."
        else:
            yield f"{batches} are {n:,} … {one.samples_high:,} samples if the last batch was {tail}."


def _iterations(one: Explanation, rule: Sampler, n: int, b: int, w: int, a: int | None, i: int) -> str:
    unit = b * (a or 1)
    values = {"N": n, "W": w, "P": unit, "B": b, "G": unit * w}
    formula = re.split(r"[,:]| full| batches", rule.formula)[0]
    put_in = re.sub(r"[NWPBG]", lambda letter: f"{values[letter[0]]:,}", formula)
    drawn = rule.per_rank(n, b, w, unit)
    ends = f"⌊{drawn:,}/{b:,}⌋" if one.drop_last else f"⌈{drawn:,}/{b:,}⌉"
    if one.drop_last and rule.dropping:
        text = f"⌊{n:,}/({b:,}·{w:,})⌋ = {i:,} iterations an epoch"
    elif b == 1:
        text = f"{put_in} = {drawn:,} iterations an epoch" if put_in != f"{drawn:,}" else f"{i:,} iterations an epoch"
    else:
        lead = f"{put_in} = {drawn:,} samples a rank; " if put_in != f"{drawn:,}" else ""
        text = f"{lead}{ends} = {i:,} iterations an epoch"
    padded, dropped = one.padded_samples_per_epoch, one.dropped_samples_per_epoch
    if padded and not rule.splits:
        return f"{text} (of each rank: every sample is drawn {w:,} times)."
    if padded:
        return f"{text} ({_many(padded, 'sample')} drawn twice, {_percent(padded, n)})."
    if dropped:
        return f"{text} ({_many(dropped, 'sample')} left out, {_percent(dropped, n)})."
    return f"{text}."


def _of_updates(one: Explanation) -> Iterable[str]:
    t, a, u, i = one.iters_planned, one.grad_accum, one.updates_planned, one.iters_per_epoch
    span = one.ranges.get("updates_planned")
    if a is None:
        if t is not None:
            runs = {at: {tail.run(t, i or t, at) for tail in _tails_of(one)} for at in ACCUMULATIONS}
            told = [
                f"{min(few):,} at {at}" if at > 1 else f"{_many(min(few), 'update')} without accumulation"
                for at, few in runs.items()
                if few and min(few) == max(few)
            ]
            if told:
                yield f"Updates: {', '.join(told)}."
        return
    if t is None:
        return
    tails = _tails_of(one)
    if u is not None and t % a == 0 and t // a == u:
        each = f", {one.updates_per_epoch:,g} an epoch" if one.updates_per_epoch else ""
        over = "" if i is None or i % a else ", no window left over"
        yield f"{t:,} / {a:,} = {_many(u, 'update')}{each}{over}."
    elif u is not None:
        formula = " or ".join(dict.fromkeys(tail.formula for tail in tails))
        yield f"{formula} = {_many(u, 'update')}: {', or '.join(dict.fromkeys(tail.tail for tail in tails))}."
    elif span:
        yield f"{t:,} / {a:,} = {t / a:,.2f}: {span[0]:,} … {span[1]:,} updates."
        for tail in tails:
            yield f"  {tail.run(t, i or t, a):,} if {tail.tail} ({tail.versions})."


# ── the table of alternatives ────────────────────────────────────────────────────────────────────────────────────────


def _rows(one: Explanation, verdict: Verdict) -> Iterable[Row]:
    """What the log would print on other ranks: the first explanation's rule, samples, batch and accumulation."""
    rule, n, b, a = _rule_of(one), one.samples_low, one.batch_size, one.grad_accum
    unfit = rule is None or n is None or n != one.samples_high or b is None or (rule.unit and a is None)
    if unfit or rule is None or n is None or b is None or one.world_size is None:
        return
    claimed = {c.low for c in verdict.claims.of("world_size") if c.exact is not None}
    turns = one.epochs * (one.cycles or 1) if one.epochs else None
    drop = bool(one.drop_last)
    family = _of_ranks(one, rule)
    if family is None:
        return
    counts = [c for c in verdict.claims.claims if c.name in ("iters_per_epoch", "iters_planned", "updates_planned")]
    counts = [c for c in counts if c.name not in one.contradicts]
    for w in sorted({*RANKS, *(r for r in claimed if 0 < r < 2**20), one.world_size}):
        unit = b * (a or 1)
        i = family.iters(n, b, w, unit, drop)
        if i < 1:
            continue
        t = i * turns if turns else None
        us = {tail.run(t, i, a) for tail in _tails_of(one)} if t and a else set()
        u = us.pop() if len(us) == 1 else None
        printed = {"iters_per_epoch": i, "iters_planned": t, "updates_planned": u}
        against = [c for c in counts if (v := printed[c.name]) is not None and not c.low <= v <= c.high]
        note = "fits" if not against else f"excluded by {_value(against[0])} {WORDS[against[0].name]}"
        padded = max(0, family.drawn(n, b, w, unit, drop) - n)
        yield Row(w, w in claimed, n, i, t, u, padded, note)
    yield from _repeated(one, verdict, family, turns)


def _repeated(one: Explanation, verdict: Verdict, family: Sampler, turns: int | None) -> Iterable[Row]:
    """The same counts from a data set that is repeated once a rank: nothing but a printed number of samples or of ranks
    tells it from one rank. Named for the most ranks that somebody claims, or GPUs that could be seen."""
    n, b, a = one.samples_low, one.batch_size, one.grad_accum
    ranks = [c.low for name in ("world_size", "gpus_visible") for c in verdict.claims.of(name) if c.exact is not None]
    w = max((r for r in ranks if r < 2**20), default=1)
    if n is None or b is None or w == 1 or one.world_size != 1 or one.repeats not in (None, 1):
        return
    unit, drop, many = b * (a or 1), bool(one.drop_last), n * w
    i = family.iters(many, b, w, unit, drop)
    if i != one.iters_per_epoch:
        return
    stand = [c for c in verdict.claims.claims if c not in verdict.contradicted]
    numbers = {"num_samples": many, "world_size": w}
    against = [c for c in stand if c.name in numbers and not c.low <= numbers[c.name] <= c.high]
    note = f"excluded by {WORDS[against[0].name]} {_value(against[0])}" if against else "the same counts"
    padded = max(0, family.drawn(many, b, w, unit, drop) - many)
    claimed = any(c.name == "world_size" and c.low == w for c in verdict.claims.claims)
    t = i * turns if turns else None
    note = f"data repeated {w:,} times: {note}"
    yield Row(w, claimed, many, i, t, one.updates_planned, padded, note)


def _of_ranks(one: Explanation, rule: Sampler) -> Sampler | None:
    """The sampler of an explanation as several ranks have it: of a single process, that of the frameworks meant."""
    shared = [s for s in SAMPLERS if not s.one and s.splits]
    if rule.one:
        meant = {name for tail in _tails_of(one) for name in tail.frameworks}
        shared = [s for s in shared if meant.intersection(s.frameworks)]
    return next((s for s in shared if rule.one or s.per_rank is rule.per_rank), None)


# ── the other explanations, and what is left ─────────────────────────────────────────────────────────────────────────


def _sentence(one: Explanation, verdict: Verdict) -> str:
    """An explanation in one line: what goes, what has to be so, and the numbers that are not as claimed."""
    told = [f"without the claim of {' and '.join(WORDS.get(n, n) for n in one.contradicts)}"] if one.contradicts else []
    told += one.assumes
    numbers = []
    for name, noun in NOUNS.items():
        span = spans(one, name)
        named = "epochs_planned" if name == "epochs" else name
        claims = [c for c in verdict.claims.of(named) if named not in one.contradicts]
        if span is not None and not any((c.low, c.high) == span for c in claims):
            many = "" if span == (1, 1) else "s"
            numbers.append(f"{_span(span)} {noun.replace('*', many)}")
    if one.drop_last is not None and not verdict.claims.of("drop_last"):
        numbers.append(f"last batch {'dropped' if one.drop_last else 'kept'}")
    known = f": {', '.join(numbers)}" if numbers else ""
    return f"{'far-fetched: ' if one.far else ''}{'; '.join(told) or 'by default'}{known} ({one.rule})"


NOUNS = {
    "num_samples": "sample*",
    "world_size": "rank*",
    "batch_size": "sample* a batch",
    "grad_accum": "iteration* an update",
    "epochs": "epoch*",
    "iters_per_epoch": "iteration* an epoch",
    "iters_planned": "iteration* in all",
    "updates_planned": "update* in all",
}


def _proved(verdict: Verdict) -> Iterable[str]:
    stated = {c.name for c in verdict.claims.claims}
    for name, value in verdict.agreed.items():
        if name not in stated:
            told = ("yes" if value else "no") if isinstance(value, bool) else _span((value, value))
            yield f"{WORDS.get(name, name)} = {told}"


def _open(one: Explanation, verdict: Verdict) -> Iterable[str]:
    """What the first explanation leaves open, as far as all that let no claim go leave it open."""
    fitting = [each for each in verdict.explanations if each.contradicts == one.contradicts and not each.far]
    for name in one.ranges:
        if name in ("updates_per_epoch", "updates_planned") and one.grad_accum is None:
            continue
        bounds = [spans(each, "epochs" if name == "epochs_planned" else name) for each in (one, *fitting)]
        if None in bounds:
            yield f"{WORDS.get(name, name)}: nothing bounds them"
            continue
        known = [bound for bound in bounds if bound is not None]
        yield f"{WORDS.get(name, name)}: {_span((min(low for low, _ in known), max(high for _, high in known)))}"
    if one.grad_accum is None and "grad_accum" not in one.ranges:
        yield f"{WORDS['grad_accum']}: nothing says it"


def _question(verdict: Verdict) -> str:
    for name in ("iters_planned", "iters_per_epoch", "updates_planned", "updates_per_epoch"):
        for claim in verdict.claims.of(name):
            if claim.exact is not None:
                return f"Why {claim.exact:,}"
    return "What follows"


def _rule_of(one: Explanation) -> Sampler | None:
    return next((rule for rule in SAMPLERS if rule.name == one.rule), None)


def _tails_of(one: Explanation) -> Sequence[Updates]:
    names = one.updates_rule.split("; ")
    return [tail for tail in UPDATES if tail.name in names]


def _value(claim: Claim) -> str:
    if claim.name == "drop_last" and claim.exact is not None:
        return "yes" if claim.exact else "no"
    return f"{claim.low:,}" if claim.exact is not None else f"{claim.low:,} … {claim.high:,}"


def _source(claim: Claim) -> str:
    where = f", {claim.path}:{claim.line}" if claim.path and claim.line else f", {claim.path}" if claim.path else ""
    seen = f": {claim.text}" if claim.text and claim.source in ("counted", "default") else ""
    return f"{SOURCES.get(claim.source, claim.source)}{where}{seen}"


def _span(span: tuple[float, float]) -> str:
    low, high = span
    if low == high:
        return f"{low:,g}" if isinstance(low, float) and not low.is_integer() else f"{int(low):,}"
    return f"{int(low):,} or more" if high == float("inf") else f"{int(low):,} … {int(high):,}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole < 10**15 else "of very many"
