"""A verdict as a person would write it on a board: steps with the numbers put in, what other ranks would print, what is
proved, contradicted and open. Data: a terminal and a page show the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .boxes import BOUNDS
from .claims import Explanation, Verdict
from .explanations import spans
from .identities import ceil
from .other_ranks import Row, rows
from .phrases import WORDS, extent, many, source_of, tails_of, value_of
from .steps import steps


@dataclass(frozen=True)
class Said:
    """A claim, for a person."""

    name: str
    value: str
    source: str
    let_go: bool


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
            Said(WORDS.get(c.name, c.name), value_of(c), source_of(c), (c.name, c.low, c.high) in gone)
            for c in verdict.claims.claims
        ),
        tuple(steps(first, verdict)) if first else (),
        tuple(rows(first, verdict)) if first else (),
        tuple(_sentence(one, verdict) for one in verdict.explanations[1 : most + 1] if tells),
        tuple(_proved(verdict)),
        tuple(f"{WORDS.get(c.name, c.name)} = {value_of(c)} ({source_of(c)})" for c in verdict.contradicted),
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
        ends = {(step - 1) // a + 1 if tail.carries else turn * ceil(i, a) + batch // a + 1 for tail in tails_of(one)}
        update = (min(ends), max(ends)) if ends else None
    return Place(step, cycle + 1 if cycled else None, epoch + 1, batch + 1, i, update)


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
            numbers.append(f"{extent(span)} {noun.replace('*', many)}")
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
            told = ("yes" if value else "no") if isinstance(value, bool) else extent((value, value))
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
        yield f"{WORDS.get(name, name)}: {extent((min(low for low, _ in known), max(high for _, high in known)))}"
    hidden = [each for each in fitting if each.drop_last and spans(each, "num_samples") == spans(one, "num_samples")]
    if one.drop_last is False and one.iters_per_epoch in {each.iters_per_epoch for each in hidden} - {None}:
        yield f"{WORDS['drop_last']}: cannot be seen, {many(one.iters_per_epoch or 0, 'iteration')} an epoch either way"
    accumulations = [spans(each, "grad_accum") or BOUNDS["A"] for each in (one, *fitting)]
    told = (min(low for low, _ in accumulations), max(high for _, high in accumulations))
    if "grad_accum" not in one.ranges and told == BOUNDS["A"]:
        yield f"{WORDS['grad_accum']}: nothing says it"


def _question(verdict: Verdict) -> str:
    for name in ("iters_planned", "iters_per_epoch", "updates_planned", "updates_per_epoch"):
        for claim in verdict.claims.of(name):
            if claim.exact is not None:
                return f"Why {claim.exact:,}"
    return "What follows"
