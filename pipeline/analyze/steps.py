"""The steps of a derivation: how the first explanation comes from samples to iterations and updates."""

import re
from collections.abc import Iterable

from . import inside, raw_samples
from .claims import Explanation, Verdict
from .explanations import spans
from .identities import Sampler, Updates
from .phrases import WORDS, divided, extent, many, percent, rule_of, tails_of


def steps(one: Explanation, verdict: Verdict) -> Iterable[str]:
    rule = rule_of(one)
    yield from raw_samples.step(one, verdict)
    if rule is not None:
        yield from _of_samples(one, rule, verdict)
    claimed = frozenset(c.name for c in verdict.claims.claims) - set(one.contradicts)
    certain = one.grad_accum is not None and ("grad_accum" in claimed or "grad_accum" in verdict.agreed)
    i, t, e, c = one.iters_per_epoch, one.iters_planned, one.epochs, one.cycles or 1
    if i is not None and e is not None and t is not None:
        told = ", as claimed" if "iters_planned" in claimed else ""
        if c > 1:
            cycle = f"{i:,} × {many(e, 'epoch')} = {many(i * e, 'iteration')} a cycle"
            yield f"{cycle}; × {c:,} cycles = {t:,} in all{told}."
        else:
            yield f"{i:,} × {many(e, 'epoch')} = {many(t, 'iteration')} in all{told}."
    elif one.inside:
        yield from inside.steps(one, claimed, certain=certain)
    if not one.inside or "iters_planned" in claimed:
        yield from _of_updates(one)
    if one.batch_size and one.grad_accum and one.world_size and one.global_batch:
        b, a, w = one.batch_size, one.grad_accum, one.world_size
        over = b * a * w // one.global_batch
        ranks = many(w, "rank") if over == 1 else f"{many(w, 'rank')} / {over:,}"
        yield f"{b:,} × accumulation {a:,} × {ranks} = {many(one.global_batch, 'sample')} an update."


def _of_samples(one: Explanation, rule: Sampler, verdict: Verdict) -> Iterable[str]:
    """From samples to iterations of an epoch, or back."""
    n, b, w, a, i = one.samples_low, one.batch_size, one.world_size, one.grad_accum, one.iters_per_epoch
    unit, shared = divided(one, rule, verdict)
    open_ = {"sampler_batch": unit or (0, 0), "sequence_parallel": shared}
    ranges = [f"{WORDS[name]} = {extent(ends)}" for name, ends in open_.items() if ends[0] < ends[1]]
    if b is None or w is None or (i is None and not ranges):
        return
    if n is not None and n == one.samples_high:
        together = f", {shared[0]:,} share a sample" if shared[0] == shared[1] > 1 else ""
        who = f"{many(n, 'sample')}, {many(w, 'rank')}{together}, micro-batch {b:,}"
        if rule.unit and unit is None and a is not None:
            who += f", accumulation {a:,}"
        formula = rule.formula if unit is None else f"{rule.formula.split(', P')[0]}, P = {extent(unit)}"
        if rule.one:
            yield f"{many(n, 'sample')} in one process, micro-batch {b:,}."
        else:
            yield f"{who}. {rule.name} ({rule.versions}) gives each rank {formula}."
        if ranges:
            fit = spans(one, "iters_per_epoch") or (1, float("inf"))
            yield f"{' and '.join(ranges)}: {extent(fit)} iterations an epoch."
        elif i is not None:
            yield _iterations(one, rule, n, b, max(1, w // shared[0]), unit[0] if unit else b * (a or 1), i)
    elif i is None:
        return
    elif n is not None and one.samples_high is not None:
        tail = "dropped" if one.drop_last else "kept"
        batches = f"{i:,} batches of {b:,} on {many(w, 'rank')}"
        if one.drop_last is None:
            yield f"{batches} are {n:,} … {one.samples_high:,} samples ({rule.name}: {rule.formula} a rank)."
        else:
            yield f"{batches} are {n:,} … {one.samples_high:,} samples if the last batch was {tail}."


def _iterations(one: Explanation, rule: Sampler, n: int, b: int, w: int, unit: int, i: int) -> str:
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
        return f"{text} ({many(padded, 'sample')} drawn twice, {percent(padded, n)})."
    if dropped:
        return f"{text} ({many(dropped, 'sample')} left out, {percent(dropped, n)})."
    return f"{text}."


def _of_updates(one: Explanation) -> Iterable[str]:
    t, a, u, i = one.iters_planned, one.grad_accum, one.updates_planned, one.iters_per_epoch
    span = one.ranges.get("updates_planned")
    if a is None:
        if t is not None:
            runs = {at: {_run(tail, one, t, at) for tail in tails_of(one)} for at in inside.ACCUMULATIONS}
            told = [
                f"{min(few):,} at {at}" if at > 1 else f"{many(min(few), 'update')} without accumulation"
                for at, few in runs.items()
                if few and min(few) == max(few)
            ]
            if told:
                yield f"Updates: {', '.join(told)}."
        return
    if t is None:
        return
    tails = tails_of(one)
    if u is not None and t % a == 0 and t // a == u:
        each = f", {one.updates_per_epoch:,g} an epoch" if one.updates_per_epoch else ""
        over = "" if i is None or i % a else ", no window left over"
        yield f"{t:,} / {a:,} = {many(u, 'update')}{each}{over}."
    elif u is not None:
        formula = " or ".join(dict.fromkeys(tail.formula for tail in tails))
        said = (f"{tail.tail} ({tail.versions})" for tail in tails)
        yield f"{formula} = {many(u, 'update')}: {', or '.join(said)}."
    elif span:
        yield f"{t:,} / {a:,} = {t / a:,.2f}: {span[0]:,} … {span[1]:,} updates."
        for tail in tails:
            yield f"  {_run(tail, one, t, a):,} if {tail.tail} ({tail.versions})."


def _run(tail: Updates, one: Explanation, t: int, a: int) -> int:
    return tail.of(t, one.iters_per_epoch or t, a, whole=not one.inside)
