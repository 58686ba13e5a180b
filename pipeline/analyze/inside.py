"""The steps of a run that ends inside an epoch: what its plan comes to, which part of the epoch, what it draws."""

from collections.abc import Iterable

from .claims import Explanation
from .explanations import spans
from .identities import ceil
from .phrases import extent, many, percent, tails_of

ACCUMULATIONS = (1, 4, 8)  # what is named where the accumulation is open


def steps(one: Explanation, claimed: frozenset[str], *, certain: bool) -> Iterable[str]:
    """`claimed`: what is claimed and not let go. certain: the accumulation is claimed or proved."""
    i, t = one.iters_per_epoch, one.iters_planned
    stepped = "updates_planned" in claimed and "iters_planned" not in claimed
    if stepped and one.updates_planned:
        yield from _of_plan(one, one.updates_planned, certain=certain)
    each = spans(one, "iters_per_epoch")
    if t is None or each is None or each[1] == float("inf") or (stepped and not certain):
        return
    part, last = _part(t, each)
    yield f"{t:,} / {extent(each) if i is None else f'{i:,}'} = {part}: the run ends inside epoch {extent(last)}."
    if i is not None:
        yield from _drawn(one, t, i)
    elif last == (1, 1):
        yield from _drawn(one, t, t + 1)


def _of_plan(one: Explanation, u: int, *, certain: bool) -> Iterable[str]:
    """From updates to iterations, or as far as that goes."""
    i, t, a = one.iters_per_epoch, one.iters_planned, one.grad_accum
    each = spans(one, "updates_per_epoch")
    if certain and a is not None and t is not None and t == u * a:
        yield f"{many(u, 'update')} × accumulation {a:,} = {many(t, 'iteration')} in all."
    elif certain and a is not None and t is not None and i is not None:
        turns, rest = divmod(u, ceil(i, a))
        whole = f"{many(turns, 'epoch')} of {ceil(i, a):,} ({many(i, 'iteration')} each)"
        yield f"{many(u, 'update')}: {whole} and {rest:,} × accumulation {a:,} = {many(t, 'iteration')} in all."
    elif each is not None and 0 < each[0] <= each[1] < float("inf"):
        part, last = _part(u, each)
        yield f"{many(u, 'update')} of {extent(each)} an epoch, {part}: the run ends inside epoch {extent(last)}."
    if not certain and (all(tail.carries for tail in tails_of(one)) or (each is not None and u < each[0])):
        told = [f"{u * at:,} at {at}" if at > 1 else f"{u:,} without accumulation" for at in ACCUMULATIONS]
        yield f"Iterations: {', '.join(told)}."


def _part(count: int, each: tuple[float, float]) -> tuple[str, tuple[float, float]]:
    """How many epochs of `each` a count is, as text, and the epoch that it ends in, as least and most."""
    shares = [f"{count / end:,.2f}" for end in reversed(each)]
    return " … ".join(dict.fromkeys(shares)), (count // each[1] + 1, count // each[0] + 1)


def _drawn(one: Explanation, t: int, i: int) -> Iterable[str]:
    """Samples that all ranks draw in t iterations, i of which are an epoch (any number above t inside the first)."""
    b, w, n, whole = one.batch_size, one.world_size, one.samples_low, one.samples_per_epoch
    turns, rest = divmod(t, i)
    if b is None or w is None or (turns and whole is None):
        return
    drawn = rest * b * w if whole is None else min(rest * b * w, whole)
    text = f"{many(rest, 'iteration')} × micro-batch {b:,} × {many(w, 'rank')}"
    if turns and whole is not None:
        yield f"{many(turns, 'epoch')} of {whole:,} and {text} = {many(turns * whole + drawn, 'sample')} drawn."
    else:
        part = f", {percent(drawn, n)} of {n:,}" if n is not None and n == one.samples_high else ""
        yield f"{text} = {many(drawn, 'sample')} drawn{part}."
