"""Every explanation of what is claimed of a run, the most plausible first, and the verdict on the claims.

Each rule of `identities` is asked for the boxes of counts that fit (`boxes`); what fits becomes explanations. Where
nothing fits, or only by an assumption, each claim is let go in turn, then each pair.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

from .boxes import BOUNDS, ENDLESS, Box, Known, Range, Rule, search
from .claims import Claims, Explanation, Verdict
from .explanations import LETTERS, NUMBERS, Case, explanation, merged, order, spans
from .identities import AS_MANY_BATCHES, SAMPLERS, UNPLANNED, UPDATES, Sampler, Updates, frameworks, in_versions
from .raw_samples import repeats

SOURCES = {"default": -4.0, "user": 0.0, "timestamps": 2.0, "config": 3.0, "counted": 5.0, "log": 6.0}
"""How hard it is to let a claim go, by where it comes from: what was printed was counted by the run itself."""
LET_GO = {
    "world_size": 0.0,  # a launcher that starts one process is the most frequent mistake
    "drop_last": 1.0,
    "repeats": 2.0,
    "raw_samples": 2.0,
    "num_samples": 2.0,
    "sampler_batch": 2.5,
    "grad_accum": 3.0,
    "epochs_planned": 3.5,
    "cycles": 3.5,
    "batch_size": 4.0,
    "global_batch": 4.0,
}
"""The same by what is claimed; what is not named here is a count that a run prints."""
COUNTED = 6.0
STATEMENTS = 24  # different statements about one run that are let go in turn; the rest stands
PAIRS = 60  # pairs of them that are let go at once
ROOM = 200  # explanations of all rules that are told apart before they are merged
ENOUGH = 3000  # boxes after which no further claim is let go
SHOWN_FOR_EACH = 2  # explanations shown for each claim that is let go: the most plausible
NEAR = 2.0  # what costs so much more than the best explanation is listed and does not make a verdict ambiguous
FACTS = (
    *("num_samples", "world_size", "repeats", "drop_last", "grad_accum", "batch_size", "epochs", "cycles"),
    "iters_per_epoch",
)
"""What a log or a person may state to tell explanations apart, by the names of explanations."""
PLANNED = {"epochs": "epochs_planned"}


@dataclass(frozen=True)
class Statement:
    """A claim without its place: what runs that say the same have in common."""

    name: str
    low: int
    high: int
    weight: float

    @property
    def key(self) -> tuple[str, int, int]:
        return self.name, self.low, self.high


Keys = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A verdict on statements."""

    verdict: str
    explanations: tuple[Explanation, ...]
    contradicted: Keys
    would_decide: tuple[str, ...]
    agreed: dict[str, int | bool]
    candidates: int


def solve(claims: Claims) -> Verdict:
    """The verdict on all that is claimed of a run. Pure; answers to the same numbers are remembered."""
    strongest: dict[tuple[str, int, int], float] = {}
    for claim in claims.claims:
        key = claim.name, claim.low, claim.high
        weight = SOURCES.get(claim.source, 0.0) + LET_GO.get(claim.name, COUNTED)
        strongest[key] = max(weight, strongest.get(key, weight))
    statements = tuple(sorted((Statement(*key, weight) for key, weight in strongest.items()), key=lambda s: s.key))
    sampler = claims.sampler.split(".")[-1] if claims.sampler else None
    outcome = _solve(statements, claims.framework, sampler)
    gone = tuple(c for c in claims.claims if (c.name, c.low, c.high) in outcome.contradicted)
    return Verdict(
        outcome.verdict,
        claims,
        outcome.explanations,
        gone,
        outcome.would_decide,
        dict(outcome.agreed),
        outcome.candidates,
    )


@lru_cache(maxsize=4096)
def _solve(statements: tuple[Statement, ...], framework: str | None, sampler: str | None) -> Outcome:
    fits, tried = _fits(statements, framework, sampler)
    usual = [one for one in fits if not one.far]
    near = [one for one in usual if one.cost < usual[0].cost + NEAR]
    others: list[tuple[Explanation, Keys]] = []
    if not near or not near[0].plain:
        others, more = _let_go(statements, framework, sampler, pairs=not fits)
        tried += more
    unlikely = [one for one in fits if one not in near]
    freed = [one for one, _ in others]
    explanations = (*near, *freed, *unlikely)
    decisive = [*near, *freed] or unlikely
    if not explanations:
        return Outcome("contradicted" if statements else "unknown", (), frozenset(), (), {}, tried)
    fitting = bool(near or not others)
    if not fitting:
        verdict = "contradicted"
    elif not _tells(explanations[0], statements):
        verdict = "unknown"
    else:
        verdict = "consistent" if len(decisive) == 1 else "ambiguous"
    contradicted = frozenset() if fitting else others[0][1]
    agreed = _agreed(explanations) if fitting else {}
    return Outcome(verdict, explanations, contradicted, _would_decide(decisive, statements), agreed, tried)


def _let_go(
    statements: tuple[Statement, ...], framework: str | None, sampler: str | None, *, pairs: bool
) -> tuple[list[tuple[Explanation, Keys]], int]:
    """Explanations that fit all claims but one, or but two where no single one will do, with what they let go; and how
    many boxes were looked at. Those that still rest on an assumption are left out where others do not."""
    candidates = sorted((s for s in statements if s.name in LETTERS or s.name in SETTINGS), key=lambda s: s.weight)
    candidates = candidates[:STATEMENTS]
    found: list[tuple[Explanation, Keys]] = []
    tried = 0
    for size in (1, 2) if pairs else (1,):
        groups = sorted(combinations(candidates, size), key=lambda group: sum(s.weight for s in group))
        for group in groups[:PAIRS]:
            if tried > ENOUGH:
                break
            rest = tuple(s for s in statements if s not in group)
            fits, more = _fits(rest, framework, sampler, tuple(s.name for s in group))
            tried += more
            price, keys = sum(s.weight for s in group), frozenset(s.key for s in group)
            found += [(replace(one, cost=one.cost + price), keys) for one in fits[:SHOWN_FOR_EACH]]
        if found:
            break
    found.sort(key=lambda one: order(one[0]))
    near = [one for one in found if not one[0].far]
    return [one for one in near if one[0].plain] or near or found, tried


SETTINGS = ("drop_last", "sampler_batch")
"""Claims that are no range in a box, and can be let go all the same."""


def _fits(
    statements: Sequence[Statement], framework: str | None, sampler: str | None, let_go: tuple[str, ...] = ()
) -> tuple[list[Explanation], int]:
    """All explanations that fit these statements, and how many boxes were looked at."""
    ranges: dict[str, Range] = {}
    for s in statements:
        if s.name == "gpus_visible":
            continue
        low, high = ranges.get(s.name, (s.low, s.high))
        least = BOUNDS[LETTERS[s.name]][0] if s.name in LETTERS else s.name != "drop_last"
        ranges[s.name] = max(low, s.low, least), min(high, s.high)
    if any(low > high for low, high in ranges.values()):
        return [], 0
    claimed = frozenset(ranges)
    meant, version = frameworks(framework)
    samplers = _samplers(meant, version, sampler)
    box: Box = dict(BOUNDS) | {letter: ranges[name] for name, letter in LETTERS.items() if name in ranges}
    if "num_samples" in claimed or "raw_samples" not in claimed:
        box.pop("R")
        if "repeats" not in claimed:
            box["r"] = _repeats(ranges)
    if "global_batch" not in claimed:
        box.pop("G")
    unit = ranges.get("sampler_batch")
    visible = frozenset(s.low for s in statements if s.name == "gpus_visible" and s.low == s.high)
    parallel = ranges.get("sequence_parallel", (1, 1))
    samples = bool(claimed & {"num_samples", "raw_samples"})
    known = Known(claimed, samples, bool(claimed & COUNTS))
    common = {"named": bool(meant or _named(sampler)), "let_go": let_go, "visible": visible, "claimed": claimed}
    places = {rule: at for at, rule in enumerate(samplers)}
    related = (sampler is None or _named(sampler)) and (samples or "batch_size" in claimed)
    unplanned = bool(meant) and meant[0] in UNPLANNED
    found: list[Explanation] = []
    tried = 0
    for variant in _variants(box, claimed, samples):
        stepped = not variant.whole and "iters_planned" not in claimed
        for group, drop in _groups(samplers, ranges.get("drop_last"), box, unit, related and not unplanned):
            tails = _tails(group, meant, version)
            asked = claimed & {"updates_planned", "updates_per_epoch"}
            for updates in _alike(tails, whole=variant.whole) if asked else [tails]:
                rule = Rule(
                    group[0],
                    drop,
                    updates[0] if asked else None,
                    unit,
                    parallel,
                    variant.whole,
                    stepped,
                    unplanned,
                    related,
                )
                start = _of_ranks(variant.box, group, samplers, claimed, related)
                if start is None:
                    continue
                boxes, more = search(start, rule, known, ROOM - len(found))
                tried += more
                case = Case(rule, group, places, updates, filtered=variant.filtered, cycled=variant.cycled, **common)
                found += [explanation(one, case) for one in boxes]
    return merged(found), tried


def _repeats(ranges: dict[str, Range]) -> Range:
    """How often the raw samples are repeated in the samples, where both are one number; else once."""
    (n, last), (raw, last_raw) = ranges.get("num_samples", (1, 1)), ranges.get("raw_samples", (1, 1))
    times = repeats(n, raw) if "raw_samples" in ranges and n == last and raw == last_raw else 1
    return times, times


COUNTS = frozenset({"iters_per_epoch", "iters_planned", "updates_per_epoch", "updates_planned"})


@dataclass(frozen=True, eq=False)
class Variant:
    """One reading of what the claims leave out."""

    box: Box
    whole: bool = True
    filtered: bool = False
    cycled: bool = False


def _variants(box: Box, claimed: frozenset[str], samples: bool) -> Iterable[Variant]:
    """As it is claimed; and with what a log often does not say: samples left out, a run that ends inside an epoch,
    cycles."""
    yield Variant(box)
    loose = box
    if "R" in box:
        loose = {name: r for name, r in box.items() if name not in "Rr"}
        loose |= {"N": (1, box["R"][1] * (box["r"][1] if "repeats" in claimed else 1)), "r": (1, 1)}
        yield Variant(loose, filtered=True)
    by_iters = "iters_planned" in claimed and (samples or "iters_per_epoch" in claimed)
    by_updates = "updates_planned" in claimed and "iters_planned" not in claimed
    if "epochs_planned" not in claimed and (by_iters or by_updates):
        yield Variant(loose | {"E": (1, ENDLESS)}, whole=False, filtered="R" in box)
    if "cycles" not in claimed and claimed >= {"iters_planned", "epochs_planned", "iters_per_epoch"}:
        yield Variant(box | {"C": (2, 10**5)}, cycled=True)


def known_sampler(name: str) -> bool:
    """Whether there is a rule for a sampler's class, with or without the module before it."""
    return _named(name.split(".")[-1])


def _named(sampler: str | None) -> bool:
    return sampler is not None and any(_is(sampler, rule) for rule in SAMPLERS)


def _is(sampler: str, rule: Sampler) -> bool:
    return sampler.lower() in (name.lower() for name in (*rule.classes, rule.name))


def _samplers(meant: tuple[str, ...], version: tuple[int, ...], sampler: str | None) -> list[Sampler]:
    """The rules that may be meant, the framework's default first."""
    rules = [rule for rule in SAMPLERS if not rule.named_only or meant]
    if meant:
        own = [rule for name in meant for rule in rules if name in rule.frameworks and in_versions(rule, version)]
        rules = list(dict.fromkeys(own)) or rules
    if sampler is not None and _named(sampler):
        rules = [rule for rule in rules if _is(sampler, rule)] or [rule for rule in SAMPLERS if _is(sampler, rule)]
    return rules


def _groups(
    samplers: Sequence[Sampler],
    drop_last: tuple[int, int] | None,
    box: Box,
    unit: Range | None,
    related: bool,
) -> Iterable[tuple[list[Sampler], bool]]:
    """Samplers of one formula together, and whether the loader drops the last batch; where that changes nothing it is
    asked once."""
    if not related:
        yield list(samplers), bool(drop_last and drop_last[0])
        return
    low, high = drop_last or (0, 1)
    for drop in (False, True):
        if not low <= drop <= high:
            continue
        groups: dict[object, list[Sampler]] = {}
        for rule in samplers:
            idle = rule.dropping is None and (box["B"] == (1, 1) or (rule.unit and unit is None))
            if drop and idle and drop_last is None:
                continue
            per_rank = rule.per_rank if drop else AS_MANY_BATCHES.get(rule.per_rank, rule.per_rank)
            formula = (per_rank, rule.dropping if drop else None, rule.grouped, rule.splits, rule.unit)
            groups.setdefault(formula, []).append(rule)
        yield from ((group, drop) for group in groups.values())


def _of_ranks(
    box: Box, group: Sequence[Sampler], samplers: Sequence[Sampler], claimed: frozenset[str], related: bool
) -> Box | None:
    """The box with the ranks that these samplers can have: a process of its own is one; that ranks share nothing is
    asked where there are several, if there are samplers that share."""
    if related and not group[0].splits and any(rule.splits for rule in samplers):
        low, high = box["W"]
        return box | {"W": (max(2, low), high)} if high > 1 else None
    if related and "world_size" not in claimed and all(rule.one for rule in group):
        return box | {"W": (1, 1)}
    return box


def _tails(group: Sequence[Sampler], meant: tuple[str, ...], version: tuple[int, ...]) -> list[Updates]:
    """What may become of windows under the frameworks that use these samplers."""
    users = {name for rule in group for name in rule.frameworks}
    if meant:
        users = users & set(meant) or set(meant)
    own = [rule for rule in UPDATES if users & set(rule.frameworks)]
    return [rule for rule in own if not meant or in_versions(rule, version)] or own or list(UPDATES)


def _alike(tails: Sequence[Updates], *, whole: bool) -> list[list[Updates]]:
    groups: dict[object, list[Updates]] = {}
    for rule in tails:
        run = rule.run if whole or rule.capped is None else rule.capped
        groups.setdefault((run, rule.epoch, whole or rule.carries), []).append(rule)
    return list(groups.values())


# ── verdict ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tells(one: Explanation, statements: Sequence[Statement]) -> bool:
    """Whether an explanation knows more than the claims, or the claims check each other."""
    claimed = {s.name for s in statements}
    names = {PLANNED.get(name, name) for name in ("num_samples", *NUMBERS) if spans(one, name) is not None}
    news = names - claimed - {"cycles", "repeats", "drop_last", "global_batch", "world_size"}
    checks = [
        {"iters_per_epoch", "iters_planned", "epochs_planned"},
        {"iters_planned", "grad_accum", "updates_planned"},
        {"iters_per_epoch", "grad_accum", "updates_per_epoch"},
        {"num_samples", "batch_size", "iters_per_epoch"},
        {"batch_size", "grad_accum", "world_size"},
    ]
    return bool(news - {"epochs_planned"}) or any(check <= claimed for check in checks)


def _agreed(explanations: Sequence[Explanation]) -> dict[str, int | bool]:
    """What all explanations say alike, as one number."""
    agreed: dict[str, int | bool] = {}
    for name in ("num_samples", *NUMBERS):
        values = {_value(one, name) for one in explanations}
        value = values.pop() if len(values) == 1 and name not in CONVENTIONS else None
        if value is not None:
            agreed[PLANNED.get(name, name)] = value
    return agreed


CONVENTIONS = ("cycles", "repeats")
"""One where nothing else is claimed: a way to read the claims, and nothing that they prove."""


def _value(one: Explanation, name: str) -> int | bool | None:
    if name == "num_samples":
        return one.samples_low if one.samples_low == one.samples_high else None
    return getattr(one, name)


def _would_decide(explanations: Sequence[Explanation], statements: Sequence[Statement]) -> tuple[str, ...]:
    """The facts in which explanations differ, those first that tell most of them apart. What a run printed or counted
    is no question any more."""
    certain = {s.name for s in statements if s.weight >= SOURCES["counted"] + LET_GO.get(s.name, COUNTED)}
    apart = {}
    for name in FACTS:
        values = {spans(one, name) for one in explanations if name != "drop_last" or one.drop_last is not None}
        if len(values) > 1 and PLANNED.get(name, name) not in certain:
            apart[PLANNED.get(name, name)] = len(values)
    return tuple(sorted(apart, key=lambda name: -apart[name]))
