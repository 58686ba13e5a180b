"""Where the counts of a run may lie, under one rule: a box of ranges, narrowed by the identities and cut into pieces.

A box holds the least and the most of each quantity. Narrowing never loses a solution: all identities grow or fall with
each quantity, so the ends of a range are found by halving, whatever their size. Cutting is done where it tells
possibilities apart, and a bounded number of times; what is not cut stays a range.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .identities import Sampler, Updates, ceil

Range = tuple[int, int]
Box = dict[str, Range]
"""By letter: N samples, R raw samples, r repeats, B batch, W ranks, A accumulation, E epochs, C cycles, I iterations
per epoch, T in all, V updates per epoch, U in all, G global batch."""

ENDLESS = 10**30
"""More than anything counts: no bound."""
BOUNDS: dict[str, Range] = {
    "N": (1, ENDLESS),
    "R": (1, ENDLESS),
    "r": (1, 1024),  # a data set repeated more often would be trained for more epochs instead
    "B": (1, 2**24),  # micro-batches above are counted in tokens
    "W": (1, 2**17),  # the largest trainings known use about 10^5 devices
    "A": (1, 1024),  # an update of more micro-batches is taken for a mistake
    "E": (1, 10**6),
    "C": (1, 1),  # cycles are seen in a log (its epochs start over): one where none is claimed
    "I": (1, ENDLESS),
    "T": (1, ENDLESS),
    "V": (0, ENDLESS),
    "U": (0, ENDLESS),
    "G": (1, ENDLESS),
}
"""What is looked for where nothing is claimed. A claim beyond holds."""

CANDIDATES = 160  # boxes looked at in one search: some hundredths of a second, far more than any real run needs
PIECES = 40  # so many boxes of one rule are told apart
MANY = 1024  # so many ranks are tried one by one where whole epochs alone decide: more divide too little to tell
FEW = 64  # so many numbers are tried one by one where a range would hide which of them divide


@dataclass(frozen=True, eq=False)
class Rule:
    """One way to count: a sampler's formula, whether the loader drops the last batch, and what becomes of windows
    (None: not asked for). unit: P where it is claimed, parallel: the sequence-parallel size, both as least and most.
    whole: the run ends with an epoch. stepped: it ends with its U-th update, inside an epoch. unplanned: samples say
    nothing about iterations.
    """

    sampler: Sampler
    drop: bool
    updates: Updates | None
    unit: Range | None = None
    parallel: Range = (1, 1)
    whole: bool = True
    stepped: bool = False
    unplanned: bool = False
    related: bool = True
    """Whether samples and iterations are tied at all: not where neither samples nor batch are known."""

    @property
    def exact(self) -> bool:
        """N, B, W and A give one I: no range is claimed of what this sampler divides by."""
        unit, (low, high) = self.unit or (0, 0), self.parallel
        return not (self.sampler.unit and unit[0] < unit[1]) and not (self.sampler.grouped and low < high)

    def fewest(self, n: int, b: int, w: int, a: int) -> int:
        """I, at least; exact where the rule is."""
        return self._iters(n, b, w // self.parallel[0], w, a) - (0 if self.sampler.pads else self._slack(b))

    def highest(self, n: int, b: int, w: int, a: int) -> int:
        """I, at most; exact where the rule is."""
        return self._iters(n, b, w // self.parallel[1], w, a) + (self._slack(b) if self.sampler.pads else 0)

    def _iters(self, n: int, b: int, groups: int, w: int, a: int) -> int:
        ranks = max(1, groups) if self.sampler.grouped else w
        unit = b * a if self.unit is None else self.unit[0] if self.exact else 1
        return self.sampler.iters(n, b, ranks, unit, self.drop)

    def _slack(self, b: int) -> int:
        """Batches that filling up to an open P adds at most, or takes."""
        return 0 if self.exact or self.unit is None else ceil(self.unit[1] - 1, b)

    @property
    def windowed(self) -> bool:
        """I is a multiple of A."""
        return self.sampler.unit and self.unit is None


@dataclass(frozen=True)
class Known:
    """What is claimed, as far as it decides where cutting helps."""

    claimed: frozenset[str]
    samples: bool
    counts: bool


class NothingError(Exception):
    """No solution in the box."""


def least(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first whole number from low to high that holds, where all after one that holds do. Raises NothingError."""
    if holds(low):
        return low
    if not holds(high):
        raise NothingError
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def most(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last that holds, where all before one that holds do. Raises NothingError."""
    if holds(high):
        return high
    if not holds(low):
        raise NothingError
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def narrow(box: Box, rule: Rule) -> Box:
    """The box without its parts that the identities rule out. Raises NothingError."""
    box = dict(box)
    for _ in range(4):  # more rounds seldom narrow further
        before = dict(box)
        _total(box, rule)
        if "R" in box:
            _product(box, "N", ("R", "r"))
        if "G" in box:
            _product(box, "G", ("B", "A", "W"))
        if not rule.unplanned:
            if rule.windowed:
                _multiple(box)
            if rule.related:
                _loader(box, rule)
        if rule.updates is not None:
            _updates(box, rule, rule.updates)
        if box == before:
            break
    return box


def _set(box: Box, name: str, low: int, high: int) -> None:
    old_low, old_high = box[name]
    low, high = max(low, old_low), min(high, old_high)
    if low > high:
        raise NothingError
    box[name] = (low, high)


def _product(box: Box, whole: str, factors: tuple[str, ...]) -> None:
    """whole = the product of factors."""
    lows = highs = 1
    for name in factors:
        lows, highs = lows * box[name][0], highs * box[name][1]
    _set(box, whole, lows, highs)
    for name in factors:
        low, high = box[name]
        if low < high:
            _set(box, name, ceil(box[whole][0], highs // high), box[whole][1] // (lows // low))


def _total(box: Box, rule: Rule) -> None:
    """T = I·E·C, or for a run that ends inside an epoch I·(E−1) < T < I·E."""
    if rule.whole:
        return _product(box, "T", ("I", "E", "C"))
    (i_low, i_high), (e_low, e_high), (t_low, t_high) = box["I"], box["E"], box["T"]
    _set(box, "T", (e_low - 1) * i_low + 1, e_high * i_high - 1)
    _set(box, "E", t_low // i_high + 1, (t_high - 1) // i_low + 1)
    _set(box, "I", t_low // e_high + 1, (t_high - 1) // (e_low - 1) if e_low > 1 else ENDLESS)
    if box["I"][0] == box["I"][1] and t_low == t_high and t_low % box["I"][0] == 0:
        raise NothingError
    return None


def _multiple(box: Box) -> None:
    """I = k·A."""
    low, high = box["A"]
    if low == high:
        _set(box, "I", ceil(box["I"][0], low) * low, box["I"][1] // low * low)
    else:
        _set(box, "A", low, min(high, box["I"][1]))


def _loader(box: Box, rule: Rule) -> None:
    """I from N, B, W (and A). Where A is open and a sampler fills windows, it adds or takes less than A."""
    a_low, a_high = box["A"]
    loose = rule.windowed and a_low < a_high
    a, slack = (1, a_high - 1) if loose else (a_low, 0)

    def at_least(n: int, b: int, w: int) -> int:
        return rule.fewest(n, b, w, a) - slack

    def at_most(n: int, b: int, w: int) -> int:
        return rule.highest(n, b, w, a) + slack

    (n_low, n_high), (b_low, b_high), (w_low, w_high) = box["N"], box["B"], box["W"]
    _set(box, "I", at_least(n_low, b_high, w_high), at_most(n_high, b_low, w_low))
    i_low, i_high = box["I"]
    if n_low < n_high:
        n_low = least(lambda n: at_most(n, b_low, w_low) >= i_low, n_low, n_high)
        n_high = most(lambda n: at_least(n, b_high, w_high) <= i_high, n_low, n_high)
        box["N"] = (n_low, n_high)
    if w_low < w_high and rule.sampler.splits:
        w_low = least(lambda w: at_least(n_low, b_high, w) <= i_high, w_low, w_high)
        w_high = most(lambda w: at_most(n_high, b_low, w) >= i_low, w_low, w_high)
        box["W"] = (w_low, w_high)
    if b_low < b_high:
        b_low = least(lambda b: at_least(n_low, b, w_high) <= i_high, b_low, b_high)
        b_high = most(lambda b: at_most(n_high, b, w_low) >= i_low, b_low, b_high)
        box["B"] = (b_low, b_high)


def _updates(box: Box, rule: Rule, updates: Updates) -> None:
    """U and V from T, I, A."""
    cycles = box["C"]
    if rule.stepped:
        _last_update(box, updates)
    elif not updates.per_epoch:
        _fall(box, "U", ("T",), lambda t, a: updates.run(t, 1, a), lambda t, a: updates.run(t, 1, a))
    elif rule.whole:
        if cycles[0] == cycles[1]:
            c = cycles[0]
            _fall(box, "U", ("I", "E"), lambda i, e, a: updates.run(i * e * c, i, a))
    elif box["I"][0] == box["I"][1] and box["T"][0] == box["T"][1]:
        i, t = box["I"][0], box["T"][0]
        _fall(box, "U", (), lambda a: updates.of(t, i, a, whole=False))
    _fall(box, "V", ("I",), *updates.epoch)


def _last_update(box: Box, updates: Updates) -> None:
    """T of a run that ends with its U-th update: U·A where no window is cut by the end of an epoch."""
    _set(box, "U", 1, ENDLESS)
    (u_low, u_high), (a_low, a_high), (i_low, i_high) = box["U"], box["A"], box["I"]
    if updates.carries or u_high < ceil(i_low, a_high):
        return _product(box, "T", ("U", "A"))
    if u_low == u_high and a_low == a_high and i_low == i_high:
        t = updates.reached(u_low, i_low, a_low)
        return _set(box, "T", t, t)
    cut = u_low // ceil(i_low, a_low)  # so many windows at most are cut by the end of an epoch
    _set(box, "T", u_low * a_low - cut * (a_low - 1), u_high * a_high)
    return _set(box, "U", ceil(box["T"][0], a_high), box["T"][1])


def _fall(
    box: Box,
    count: str,
    growing: tuple[str, ...],
    fewest: Callable[..., int],
    highest: Callable[..., int] | None = None,
) -> None:
    """count lies from fewest(*growing, A) to highest(*growing, A); both grow with `growing` and fall with A."""
    highest = highest or fewest
    names = (*growing, "A")
    lows, highs = [box[name][0] for name in names], [box[name][1] for name in names]
    _set(box, count, fewest(*lows[:-1], highs[-1]), highest(*highs[:-1], lows[-1]))
    low, high = box[count]
    for at, name in enumerate(names):
        first, last = box[name]
        if first == last:
            continue

        def few(x: int, at: int = at) -> bool:
            values = [*lows[:-1], highs[-1]]
            values[at] = x
            return fewest(*values) <= high

        def many(x: int, at: int = at) -> bool:
            values = [*highs[:-1], lows[-1]]
            values[at] = x
            return highest(*values) >= low

        if name == "A":
            first = least(few, first, last)
            last = most(many, first, last)
        else:
            first = least(many, first, last)
            last = most(few, first, last)
        box[name] = (first, last)
        lows[at], highs[at] = first, last


# ── cutting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def search(box: Box, rule: Rule, known: Known, room: int) -> tuple[list[Box], int]:
    """All boxes that may hold solutions, and how many were looked at. Where pieces abound they tell little: then one
    rank stands apart from several and the rest stays as it is; beyond `room` boxes nothing is told apart."""
    most = min(PIECES, room)
    tried = 1
    for detail in (known, Known(known.claimed, samples=False, counts=False)) if most > 0 else ():
        found, more = _search(box, rule, detail, most)
        tried += more
        if len(found) <= most:
            return found, tried
    try:
        return [narrow(box, rule)], tried
    except NothingError:
        return [], tried


def _search(box: Box, rule: Rule, known: Known, most: int) -> tuple[list[Box], int]:
    found: list[Box] = []
    left: list[tuple[Box, frozenset[str]]] = [(box, frozenset())]
    tried = 0
    while left:
        box, cut = left.pop(0)
        tried += 1
        try:
            box = narrow(box, rule)
        except NothingError:
            continue
        pieces = _cut(box, rule, known, cut) if tried + len(left) < CANDIDATES else None
        if pieces is None:
            found.append(box)
            if len(found) > most:
                break
        else:
            name, ranges = pieces
            left.extend(({**box, name: r}, cut | {name + str(f"{name}False" in cut)}) for r in ranges)
    return found, tried


def _cut(box: Box, rule: Rule, known: Known, cut: frozenset[str]) -> tuple[str, list[Range]] | None:
    """The next quantity to cut, and its pieces; None where cutting tells nothing more apart."""
    open_ = {name for name in box if box[name][0] < box[name][1]}
    tied = known.samples and known.counts and rule.whole and not rule.unplanned
    repeats = "r" in open_ and "R" in box
    window = rule.windowed and "A" in open_
    crowded = len(open_ & {"W", "B"}) + ("E" in open_ and "I" in open_) + window > 2 or repeats
    if "W" in open_ and "WFalse" not in cut and rule.sampler.splits and rule.related:
        if tied and not crowded and not window:
            known_else = not open_ & {"N", "B", "A", "C", "T"}
            epochs_decide = rule.exact and known_else and "E" in open_ and box["I"][0] < box["I"][1]
            return "W", dividing(box, rule) if epochs_decide else list(powers(*box["W"]))
        if box["W"][0] == 1:
            return "W", [(1, 1), (2, box["W"][1])]
    if repeats and "rFalse" not in cut:
        low, high = box["r"]
        if low == 1:
            return "r", [(1, 1), (2, high)]
        if "W" not in open_:
            return "r", list(powers(low, high))
    if "B" in open_ and "BFalse" not in cut and tied and not crowded:
        return "B", list(powers(*box["B"]))
    if "A" in open_ and "AFalse" not in cut:
        if rule.windowed:
            low, high = box["A"]
            if tied and box["I"][0] == box["I"][1] and not open_ & {"W", "B", "r"}:
                return "A", [(a, a) for a in range(low, high + 1) if box["I"][0] % a == 0]
        elif rule.updates is not None and "A" not in known.claimed:
            return "A", list(powers(*box["A"]))
    return _cut_by_divisors(box, cut, open_) if tied else None


def _cut_by_divisors(box: Box, cut: frozenset[str], open_: set[str]) -> tuple[str, list[Range]] | None:
    """Where only the whole number of epochs decides: the iterations one by one that divide all of them."""
    (t, last), (low, high) = box["T"], box["I"]
    if t == last and "E" in open_ and low < high < low + 4 * FEW and "IFalse" not in cut and not open_ & {"W", "B"}:
        return "I", [(i, i) for i in range(low, high + 1) if t % i == 0]
    return None


def dividing(box: Box, rule: Rule) -> list[Range]:
    """The ranks, few of them one by one, under which whole epochs make up T; those of equal iterations together."""
    (n, b, a, t), (low, high) = (box[name][0] for name in "NBAT"), box["W"]
    pieces: list[list[int]] = []
    before = 0
    for w in range(low, min(high, MANY) + 1):
        i = rule.highest(n, b, w, a)
        if i < 1 or t % i:
            before = 0
        elif i == before and w > 2:
            pieces[-1][1] = w
        else:
            pieces.append([w, w])
            before = i
    if high > MANY:
        pieces.append([max(low, MANY + 1), high])
    return [(first, last) for first, last in pieces]


def powers(low: int, high: int) -> Iterator[Range]:
    """A range as its powers of two and what lies between them."""
    while low <= high:
        power = 1 << (low - 1).bit_length()
        last = low if low == power else min(high, power - 1)
        yield (low, last)
        low = last + 1
