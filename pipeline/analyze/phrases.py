"""Words of a derivation: how quantities, numbers and sources are called in its sentences."""

from collections.abc import Sequence

from ..tables import QUANTITIES
from .claims import Claim, Explanation, Verdict
from .identities import SAMPLERS, UPDATES, Sampler, Updates

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


def rule_of(one: Explanation) -> Sampler | None:
    return next((rule for rule in SAMPLERS if rule.name == one.rule), None)


def tails_of(one: Explanation) -> Sequence[Updates]:
    names = one.updates_rule.split("; ")
    return [tail for tail in UPDATES if tail.name in names]


def stands(one: Explanation, verdict: Verdict, name: str) -> tuple[int, int] | None:
    """What is claimed of a count, where the explanation does not let it go."""
    claims = verdict.claims.of(name) if name not in one.contradicts else ()
    if not claims:
        return None
    least = max(1, *(c.low for c in claims))
    return least, max(least, min(c.high for c in claims))


Ends = tuple[int, int]


def divided(one: Explanation, rule: Sampler, verdict: Verdict) -> tuple[Ends | None, Ends]:
    """What a sampler divides by beside samples, batch and ranks, as claimed: P (None: B·A), and the ranks that share a
    sample (1 where it does not ask for them)."""
    unit = stands(one, verdict, "sampler_batch") if rule.unit else None
    shared = stands(one, verdict, "sequence_parallel") if rule.grouped else None
    return unit, shared or (1, 1)


def value_of(claim: Claim) -> str:
    if claim.name == "drop_last" and claim.exact is not None:
        return "yes" if claim.exact else "no"
    return f"{claim.low:,}" if claim.exact is not None else f"{claim.low:,} … {claim.high:,}"


def source_of(claim: Claim) -> str:
    where = f", {claim.path}:{claim.line}" if claim.path and claim.line else f", {claim.path}" if claim.path else ""
    seen = f": {claim.text}" if claim.text and claim.source in ("counted", "default") else ""
    return f"{SOURCES.get(claim.source, claim.source)}{where}{seen}"


def extent(span: tuple[float, float]) -> str:
    low, high = span
    if low == high:
        return f"{low:,g}" if isinstance(low, float) and not low.is_integer() else f"{int(low):,}"
    return f"{int(low):,} or more" if high == float("inf") else f"{int(low):,} … {int(high):,}"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole < 10**15 else "of very many"
