"""Words of a derivation: how quantities, numbers and sources are called in its sentences."""

from collections.abc import Sequence

from ..tables import QUANTITIES
from .claims import Claim, Explanation
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
