"""A box of counts as an explanation: its numbers, what had to be assumed for it, and how plausible that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .boxes import BOUNDS, Box, Range, Rule
from .claims import Explanation
from .identities import UPDATES, Sampler, Updates, ceil

LETTERS = {
    "num_samples": "N",
    "raw_samples": "R",
    "repeats": "r",
    "batch_size": "B",
    "world_size": "W",
    "grad_accum": "A",
    "epochs_planned": "E",
    "cycles": "C",
    "iters_per_epoch": "I",
    "iters_planned": "T",
    "updates_per_epoch": "V",
    "updates_planned": "U",
    "global_batch": "G",
}
"""What each claimed quantity is called in a box."""

# what has to be assumed, in units of "one thing that is no default": to order by, and to tell what is far-fetched
DROPPED, FLOORED, UNSHARED = 1.0, 2.0, 3.0
REPEATED, FILTERED, CYCLES, INSIDE = 1.5, 2.5, 2.0, 2.5
FILLED, POWER, ODD, OPEN = 0.4, 0.2, 0.5, 0.7
UNSEEN = 0.5  # several ranks where samples are open too: nothing speaks for them
DOUBLING = 0.1  # of ranks: 2 before 4 before 8
TRAINER = frozenset(rule for rule in UPDATES if "huggingface" in rule.frameworks)
LATER_RULE = 0.01  # of rules that give the same numbers the first in `SAMPLERS` is named


@dataclass(frozen=True, eq=False)
class Case:
    """What one search was about. samplers: all that have this formula and may be meant, the default first. places:
    where each stands among all that may be meant. updates: the rules for windows that may be meant. claimed: names that
    are claimed and not let go. named: a framework or sampler is. let_go: names of claims that are left out. visible:
    GPUs, where known. filtered: fewer samples than the raw count may be left. cycled: cycles were not claimed."""

    rule: Rule
    samplers: Sequence[Sampler]
    places: Mapping[Sampler, int]
    updates: Sequence[Updates]
    claimed: frozenset[str]
    named: bool
    let_go: tuple[str, ...] = ()
    visible: frozenset[int] = frozenset()
    filtered: bool = False
    cycled: bool = False


def explanation(box: Box, case: Case) -> Explanation:
    rule = case.rule
    exact = {letter: low for letter, (low, high) in box.items() if low == high}
    sampler, also = _label(box, case)
    assumes, cost, plain, far = _assumed(box, case, sampler)
    per_epoch, per_run = _updates(box, case)
    padded, dropped, drawn = _drawn(exact, sampler, rule)
    n, i = exact.get("N"), exact.get("I")
    group = exact.get("G")
    if "B" in exact and "A" in exact and "W" in exact:
        product = exact["B"] * exact["A"] * exact["W"]
        shared, most = rule.parallel
        group = product // shared if shared == most and product % shared == 0 else None
    ranges = {
        name: (box[letter][0], None if _endless(name, letter, box, case) else box[letter][1])
        for name, letter in LETTERS.items()
        if letter in box and letter not in exact and letter not in "VUG" and not _idle(name, letter, box, case)
    }
    if per_run is not None and per_run[0] < per_run[1]:
        ranges["updates_planned"] = per_run
    if isinstance(per_epoch, tuple):
        ranges["updates_per_epoch"] = per_epoch
    return Explanation(
        rule=sampler.name if rule.related else "any sampler",
        updates_rule="; ".join(dict.fromkeys(u.name for u in _told(case, sampler))),
        samples_low=ranges["num_samples"][0] if "num_samples" in ranges else n,
        samples_high=ranges["num_samples"][1] if "num_samples" in ranges else n,
        batch_size=exact.get("B"),
        world_size=exact.get("W"),
        repeats=exact.get("r"),
        drop_last=_drops(box, case, sampler),
        grad_accum=exact.get("A"),
        epochs=exact.get("E") if rule.whole else None,
        iters_per_epoch=i,
        iters_planned=exact.get("T"),
        updates_per_epoch=per_epoch if not isinstance(per_epoch, tuple) else None,
        updates_planned=per_run[0] if per_run is not None and per_run[0] == per_run[1] else None,
        global_batch=group,
        padded_samples_per_epoch=padded,
        dropped_samples_per_epoch=dropped,
        samples_per_epoch=drawn,
        assumes=assumes,
        contradicts=case.let_go,
        cycles=exact.get("C"),
        ranges=ranges,
        also=also,
        inside=not rule.whole,
        plain=plain,
        far=far,
        cost=cost,
    )


def _idle(name: str, letter: str, box: Box, case: Case) -> bool:
    """A quantity that is as open as before, or as the epochs: it says nothing."""
    if name in case.claimed:
        return False
    if letter == "T" and box["E"] == BOUNDS["E"] and "epochs_planned" not in case.claimed:
        return True
    return box[letter] == BOUNDS[letter] or (box[letter][1] >= BEYOND and box[letter][0] <= 1)


def _endless(name: str, letter: str, box: Box, case: Case) -> bool:
    """Whether nothing but the bounds of the search ends a range."""
    if box[letter][1] >= BEYOND:
        return True
    if name in case.claimed:
        return False
    bounded = [x for x, of in (("W", "world_size"), ("r", "repeats")) if x in box and of not in case.claimed]
    at_end = {x for x in bounded if box[x][1] == BOUNDS[x][1]}
    return (
        letter in at_end or (letter == "N" and bool(at_end)) or (letter in "BE" and box[letter][1] == BOUNDS[letter][1])
    )


def _label(box: Box, case: Case) -> tuple[Sampler, tuple[str, ...]]:
    """The first sampler of this formula that can have so many ranks, and the names of the others."""
    w_low, w_high = box["W"]
    fitting = [s for s in case.samplers if not s.one or w_low == 1]
    if w_high > 1:
        fitting.sort(key=lambda s: s.one)
    fitting = fitting or list(case.samplers)
    return fitting[0], tuple(dict.fromkeys(s.name for s in fitting[1:] if s.name != fitting[0].name))


def _told(case: Case, sampler: Sampler) -> Iterable[Updates]:
    """The rules for windows that go with this sampler, else all."""
    own = [u for u in case.updates if set(u.frameworks) & set(sampler.frameworks)]
    return own or case.updates


def _drops(box: Box, case: Case, sampler: Sampler) -> bool | None:
    if "drop_last" in case.claimed:
        return case.rule.drop
    if not case.rule.related or case.rule.unplanned:
        return None
    idle = sampler.dropping is None and (case.rule.windowed or box["B"] == (1, 1))
    return None if idle else case.rule.drop


def _updates(box: Box, case: Case) -> tuple[float | Range | None, Range | None]:
    """Updates per epoch and in all: what all rules for windows that may be meant agree on, else from least to most."""
    (i_low, i_high), (t_low, t_high), (a_low, a_high) = box["I"], box["T"], box["A"]
    fewest, highest = [], []
    for rule in case.updates:
        if rule.per_epoch and case.rule.whole:
            turns_low, turns_high = box["E"][0] * box["C"][0], box["E"][1] * box["C"][1]
            fewest.append(rule.run(i_low * turns_low, i_low, a_high))
            highest.append(rule.run(i_high * turns_high, i_high, a_low))
            if t_low == t_high and i_low < i_high:  # of a known total: at most one update an iteration
                fewest[-1], highest[-1] = max(fewest[-1], min(1, t_low)), min(highest[-1], t_high)
        elif rule.per_epoch and i_low < i_high:
            fewest.append(t_low // a_high)
            highest.append(t_high)
        else:
            fewest.append(rule.of(t_low, i_low, a_high, whole=case.rule.whole))
            highest.append(rule.of(t_high, i_low, a_low, whole=case.rule.whole))
    low, high = max(min(fewest), box["U"][0]), min(max(highest), box["U"][1])
    if case.rule.stepped:
        low, high = box["U"]
    told = "updates_planned" in case.claimed or not _idle("iters_planned", "T", box, case)
    per_run = (low, high) if low <= high < BEYOND and told else None
    if a_low < a_high or i_low < i_high:
        few = min(rule.epoch[0](i_low, a_high) for rule in case.updates)
        many = max(rule.epoch[1](i_high, a_low) for rule in case.updates)
        few, many = max(few, box["V"][0]), min(many, box["V"][1])
        return ((few, many) if few < many else float(few)) if many < BEYOND else None, per_run
    each = {rule.epoch[0](i_low, a_low) if rule.per_epoch else i_low / a_low for rule in case.updates}
    return float(each.pop()) if len(each) == 1 else (i_low // a_low, ceil(i_low, a_low)), per_run


def _drawn(exact: dict[str, int], sampler: Sampler, rule: Rule) -> tuple[int | None, int | None, int | None]:
    """Samples padded, left out and drawn in an epoch by all ranks."""
    if rule.unplanned or not rule.related or not {"N", "B", "W"} <= exact.keys():
        return None, None, None
    if not rule.exact or (rule.windowed and "A" not in exact):
        return None, None, None
    n, b, w = exact["N"], exact["B"], exact["W"]
    ranks = max(1, w // rule.parallel[0]) if sampler.grouped else w
    unit = b * exact.get("A", 1) if rule.unit is None else rule.unit[0]
    drawn = sampler.drawn(n, b, ranks, unit, rule.drop)
    return max(0, drawn - n), max(0, n - drawn), drawn


def _assumed(box: Box, case: Case, sampler: Sampler) -> tuple[tuple[str, ...], float, bool, bool]:
    """What nobody claimed and has to be so; what it costs; whether that is nothing but defaults; whether it is
    far-fetched."""
    told: list[str] = []
    cost, plain, far, rule = LATER_RULE * case.places.get(sampler, 0), True, False, case.rule
    if rule.related and sampler.assumes and not case.named:
        told.append(sampler.assumes)
        usual = sampler.unit and sampler.pads
        cost += FILLED if usual else FLOORED if sampler.splits else UNSHARED
        plain = usual
        far = (rule.windowed and "grad_accum" not in case.claimed) or not (usual or "world_size" in case.claimed)
    drops = _drops(box, case, sampler)
    if drops is not None and drops != sampler.drops and "drop_last" not in case.claimed:
        told.append(f"the loader {'drops' if drops else 'keeps'} the last, partial batch")
        let_go = "drop_last" in case.let_go
        cost, plain = cost + (0 if let_go else DROPPED), plain and let_go
    if case.filtered:
        told.append("not all of the raw samples are left (filtered or packed)")
        cost, plain = cost + FILTERED, False
    elif "R" in box and "repeats" not in case.claimed and box["r"][1] > 1:
        told.append(f"the data set is repeated {_times(box['r'])}")
        cost, plain = cost + REPEATED, False
    if case.cycled:
        told.append(f"the epochs are gone through {_times(box['C'])} (cycles)")
        cost, plain = cost + CYCLES, False
    of_epoch = not case.claimed.isdisjoint(("iters_per_epoch", "updates_per_epoch"))
    within = of_epoch and (box["T"][1] < box["I"][0] or box["U"][1] < box["V"][0])
    if rule.stepped and "epochs_planned" in case.let_go and TRAINER.issuperset(case.updates):
        told.append("a number of updates overrules the epochs (max_steps)")
    elif not rule.whole and not within:  # a plan that is shorter than a claimed epoch ends inside it
        planned = "iterations" if "iters_planned" in case.claimed else "updates"
        told.append(f"the run is planned in {planned} and ends inside an epoch")
        cost, plain = cost + INSIDE, False
    low, high = box["W"]
    if "world_size" not in case.claimed and rule.related:
        if high == 1 and box["N"][0] < box["N"][1]:
            told.append("one rank")
        elif high > 1 and not (low == high and low in case.visible):
            unseen = box["N"][0] < box["N"][1] and not case.claimed & {"num_samples", "raw_samples"}
            price = OPEN + unseen * UNSEEN if low < high else ODD if low & (low - 1) else POWER
            cost += price + DOUBLING * (low.bit_length() - 1)
    for letter, name in (("A", "grad_accum"), ("B", "batch_size")):
        low, high = box[letter]
        if name not in case.claimed and low > 1:
            cost += OPEN if low < high else POWER if low & (low - 1) == 0 else ODD
    return tuple(told), cost, plain, far


def _times(count: Range) -> str:
    low, high = count
    if low == high:
        return "twice" if low == 2 else f"{low:,} times"
    return f"{low:,} times or more" if high >= 1024 else f"{low:,} to {high:,} times"


BEYOND = 10**20
"""What is larger is no bound."""
NUMBERS = (
    *("batch_size", "world_size", "repeats", "drop_last", "grad_accum", "epochs", "cycles", "iters_per_epoch"),
    *("iters_planned", "updates_per_epoch", "updates_planned", "global_batch"),
)


def spans(one: Explanation, name: str) -> tuple[float, float] | None:
    """What an explanation leaves open of a quantity: least and most; None for no bound at all."""
    if name == "num_samples":
        low, high = one.samples_low, one.samples_high
        return None if low is None else (low, float("inf") if high is None else high)
    value = getattr(one, name, None)  # raw samples are a range alone
    if value is not None:
        return (float(value), float(value)) if isinstance(value, float) else (value, value)
    low, high = one.ranges.get("epochs_planned" if name == "epochs" else name, (None, None))
    return None if low is None else (low, float("inf") if high is None else high)


UPDATED = ("updates_per_epoch", "updates_planned")
FIXED = tuple(name for name in ("num_samples", *NUMBERS) if name not in UPDATED)
Spans = dict[str, tuple[float, float] | None]


def merged(explanations: Iterable[Explanation]) -> list[Explanation]:
    """The most plausible first. One that differs from one before by its name alone is named there; where they differ
    in what becomes of windows, the updates are as open as that leaves them."""
    kept: list[Explanation] = []
    extents: list[Spans] = []
    for one in sorted(explanations, key=order):
        extent = {name: spans(one, name) for name in FIXED}
        for at, other in enumerate(kept):
            if _holds(extents[at], extent):
                kept[at] = _both(other, one)
                break
        else:
            kept.append(one)
            extents.append(extent)
    return kept


def order(one: Explanation) -> tuple[int, bool, float]:
    return len(one.contradicts), one.far, one.cost


def _holds(wide: Spans, one: Spans) -> bool:
    """Whether every number of one but its updates lies in the ranges of the other, and the run ends alike."""
    if (wide["epochs"] is None) != (one["epochs"] is None):
        return False
    for name, outer in wide.items():
        if outer is None:
            continue
        inner = one[name]
        if inner is None or inner[0] < outer[0] or inner[1] > outer[1]:
            return False
    return True


def _both(wide: Explanation, one: Explanation) -> Explanation:
    """An explanation with the other's name, and with the updates of both."""
    names = dict.fromkeys((*wide.also, one.rule, *one.also))
    names.pop(wide.rule, None)
    tails = dict.fromkeys((*wide.updates_rule.split("; "), *one.updates_rule.split("; ")))
    result = replace(wide, also=tuple(names), updates_rule="; ".join(tails))
    for name in UPDATED:
        outer, inner = spans(wide, name), spans(one, name)
        if outer == inner:
            continue
        ends = (*(outer or ()), *(inner or ()))
        ranges = {**result.ranges}
        ranges.pop(name, None)
        if outer and inner and max(ends) < float("inf"):
            ranges[name] = (int(min(ends)), -int(-max(ends) // 1))
        result = replace(result, ranges=ranges, **{name: None})
    return result
