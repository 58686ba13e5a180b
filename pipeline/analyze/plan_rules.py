"""The rules by which a measured run's counts came about, and by which those of a plan would."""

from collections.abc import Iterable
from dataclasses import replace

from .boxes import NothingError, least, most
from .claims import Claim, Claims, Explanation
from .identities import SAMPLERS, UPDATES, Sampler, Updates, frameworks
from .plan_terms import Measured, Setting, Way
from .solve import solve


def ways(measured: Measured) -> tuple[tuple[Way, ...], tuple[str, ...]]:
    """The rules that explain the measured counts, and the claims that have to go for them.

    Of several that do, those that rest on no assumption; a loader that keeps the last batch beside one that drops it,
    where the counts do not tell which. Without a count to explain, the framework's own habit. Where the ranks are not
    known, the samples are those of one rank, and hold while the ranks stay as they are.
    """
    found, let_go = _explained(measured)
    narrowed = [narrow for way in found if (narrow := _narrowed(way, measured)) is not None]
    return tuple(narrowed) or found, let_go


def _explained(measured: Measured) -> tuple[tuple[Way, ...], tuple[str, ...]]:
    base = measured.setting
    counted = measured.iters_per_epoch is not None or measured.iters_planned is not None
    if base.world_size is None or (counted and base.batch_size is None):
        return _of_one_rank(measured), ()
    if not counted:
        return _by_default(measured), ()
    explanations = solve(claims(measured)).explanations
    fitting = [one for one in explanations if not one.contradicts and not one.far]
    assumed = {one.rule for one in fitting if not one.assumes} or {one.rule for one in fitting if one.plain}
    chosen = [one for one in fitting if one.rule in assumed] or fitting or explanations[:1]
    found = [way for one in chosen for way in _of_explanation(one, measured)]
    return tuple(dict.fromkeys(found)) or _of_one_rank(measured), chosen[0].contradicts if chosen else ()


def _narrowed(way: Way, measured: Measured) -> Way | None:
    """The rule with the samples that give what runs at other batch sizes counted too; None where none do."""
    low, high = (int(end) for end in way.samples)
    for batch, count in measured.counts:
        setting = replace(measured.setting, batch_size=batch)
        if not iters_of(way, setting, measured, low):
            continue
        try:
            low = least(lambda n, at=setting, wanted=count: iters_of(way, at, measured, n) >= (wanted,), low, high)
            high = most(lambda n, at=setting, wanted=count: iters_of(way, at, measured, n) <= (wanted,), low, high)
        except NothingError:
            return None
    return replace(way, samples=(low, high))


def claims(measured: Measured) -> Claims:
    base = measured.setting
    numbers = {
        "num_samples": base.samples,
        "batch_size": base.batch_size,
        "grad_accum": base.grad_accum,
        "world_size": base.world_size,
        "epochs_planned": base.epochs,
        "cycles": base.cycles,
        "iters_per_epoch": measured.iters_per_epoch,
        "iters_planned": measured.iters_planned,
        "drop_last": None if measured.drop_last is None else int(measured.drop_last),
        "sequence_parallel": measured.sequence_parallel if measured.sequence_parallel > 1 else None,
    }
    said = (
        Claim(name, value, value, measured.sources.get(name, "user"))
        for name, value in numbers.items()
        if value is not None
    )
    return Claims(tuple(said), measured.framework, measured.sampler)


def _of_explanation(one: Explanation, measured: Measured) -> Iterable[Way]:
    """The explanation's rule, and the same with the other fate of the last batch where that counts alike."""
    sampler = next((rule for rule in SAMPLERS if rule.name == one.rule), None)
    if sampler is None or one.samples_low is None or one.samples_high is None or one.world_size is None:
        return
    names = one.updates_rule.split("; ")
    tails = tuple(rule for rule in UPDATES if rule.name in names)
    way = Way(sampler, tails, bool(one.drop_last), (one.samples_low, one.samples_high))
    yield way
    other, known = replace(way, drop=not way.drop), replace(measured.setting, world_size=one.world_size)
    open_ = measured.drop_last is None and not sampler.unit and one.samples_low == one.samples_high
    counted = one.iters_per_epoch
    if open_ and counted is not None and iters_of(other, known, measured, one.samples_low) == (counted,):
        yield other


def ranks_of(measured: Measured) -> int | None:
    """The ranks of the explanation that contradicts what is claimed of them."""
    explanations = solve(claims(measured)).explanations
    return explanations[0].world_size if explanations else None


def _of_one_rank(measured: Measured) -> tuple[Way, ...]:
    """⌈n/B⌉ or ⌊n/B⌋ batches of the n samples of a rank, where iterations and batch size are known."""
    iters, batch = measured.iters_per_epoch, measured.setting.batch_size
    if iters is None or batch is None:
        return ()
    kept = ((iters - 1) * batch + 1, iters * batch)
    dropped = (iters * batch, (iters + 1) * batch - 1)
    sampler, tails = _default_sampler(measured, 1), _tails(measured)
    return tuple(
        Way(sampler, tails, drop, samples, per_rank=True)
        for drop, samples in ((False, kept), (True, dropped))
        if measured.drop_last is None or measured.drop_last == drop
    )


def _by_default(measured: Measured) -> tuple[Way, ...]:
    base = measured.setting
    if base.samples is None:
        return ()
    sampler = _default_sampler(measured, base.world_size or 1)
    drop = sampler.drops if measured.drop_last is None else measured.drop_last
    return (Way(sampler, _tails(measured), drop, (base.samples, base.samples)),)


def _default_sampler(measured: Measured, ranks: int) -> Sampler:
    meant = frameworks(measured.framework)[0] or ("torch",)
    named = (measured.sampler or "").rsplit(".", 1)[-1]
    able = [rule for rule in SAMPLERS if set(rule.frameworks) & set(meant) and (ranks == 1 or not rule.one)]
    of_name = [rule for rule in able if named and named in rule.classes and not (rule.one and ranks > 1)]
    usual = [rule for rule in able if meant[0] in rule.frameworks]
    return (of_name or usual or able or list(SAMPLERS))[0]


def _tails(measured: Measured) -> tuple[Updates, ...]:
    meant = frameworks(measured.framework)[0] or ("torch",)
    return tuple(rule for rule in UPDATES if meant[0] in rule.frameworks)


def iters_of(way: Way, setting: Setting, measured: Measured, samples: int) -> tuple[int, ...]:
    """I of so many samples by the rule; empty where something that it takes is not known."""
    batch, accum = setting.batch_size, setting.grad_accum
    if batch is None or (way.sampler.unit and accum is None):
        return ()
    ranks = 1 if way.per_rank else setting.world_size or 1
    if way.sampler.grouped:
        ranks = max(1, ranks // measured.sequence_parallel)
    return (way.sampler.iters(samples, batch, ranks, batch * (accum or 1), way.drop),)
