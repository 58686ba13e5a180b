"""Runs that were really gone through, batch by batch: what they print, with some of it hidden, leads back to them.

The simulation is a literal one (lists of indices, loops over batches, a counter of gradients), and shares no formula
with what is tested.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from trainqc.pipeline.analyze.claims import Claim, Claims, Explanation
from trainqc.pipeline.analyze.explanations import spans
from trainqc.pipeline.analyze.solve import solve


@dataclass(frozen=True)
class Run:
    """What happened in a run."""

    framework: str
    sampler: str
    n: int
    raw: int
    repeats: int
    b: int
    w: int
    a: int
    e: int
    drop: bool
    i: int
    t: int
    u: int
    drawn: int


# ── the simulation ───────────────────────────────────────────────────────────────────────────────────────────────────


def share(kind: str, n: int, w: int, window: int) -> list[list[int]]:
    """The indices of each rank."""
    indices = list(range(n))
    if kind == "all":
        return [indices for _ in range(w)]
    if kind == "uneven":
        return [indices[rank::w] for rank in range(w)]
    unit = w * window if kind in ("fill", "cut") else w
    at = 0
    while len(indices) % unit:
        if kind in ("floor", "cut"):
            indices.pop()
        else:
            indices.append(indices[at])
            at += 1
    return [indices[rank::w] for rank in range(w)]


def load(indices: list[int], b: int, drop: bool) -> list[list[int]]:
    """The batches of a loader."""
    batches: list[list[int]] = []
    batch: list[int] = []
    for index in indices:
        batch.append(index)
        if len(batch) == b:
            batches.append(batch)
            batch = []
    if batch and not drop:
        batches.append(batch)
    return batches


def deal(n: int, b: int, w: int, drop: bool) -> list[list[list[int]]]:
    """accelerate: batches dealt to the ranks in turn, made full from the start of the data where there are several."""
    batches = load(list(range(n)), b, drop)
    if w == 1:
        return [batches]
    fresh = iter([*range(n)] * (b * w + 1))
    if not drop:
        if batches and len(batches[-1]) < b:
            batches[-1] = batches[-1] + [next(fresh) for _ in range(b - len(batches[-1]))]
        while len(batches) % w:
            batches.append([next(fresh) for _ in range(b)])
    while len(batches) % w:
        batches.pop()
    return [batches[rank::w] for rank in range(w)]


def epochs(e: int, length: int) -> Iterator[tuple[int, bool]]:
    """(step in the epoch, is it the last) of every iteration."""
    for _ in range(e):
        for step in range(length):
            yield step, step == length - 1


def updates(tail: str, e: int, length: int, a: int) -> int:
    """How often the optimizer steps."""
    done = gathered = 0
    planned = e * max(1, length // a)
    for at, (step, last) in enumerate(epochs(e, length), 1):
        gathered += 1
        if tail == "mmengine":
            due = at % a == 0 or at == e * length
        elif tail == "lost":
            due = at % a == 0
        elif tail == "each epoch":
            due = (step + 1) % a == 0 or last
        elif tail == "transformers 4.46":
            due = at % a == 0 or (length <= a and last)
        else:
            due = ((step + 1) % a == 0 or last) and done < planned
        if due:
            done, gathered = done + 1, 0
        if tail.startswith("transformers") and done == planned:
            break
    return done


HABITS = {
    # framework: how indices are shared (with the sampler's class), what becomes of windows
    "torch": ([("pad", "DistributedSampler"), ("floor", "DistributedSampler"), ("all", "")], "each epoch"),
    "lightning": ([("pad", "DistributedSampler")], "each epoch"),
    "deepspeed": ([("pad", "DistributedSampler")], "lost"),
    "keras": ([("all", "")], "lost"),
    "mmengine": ([("pad", "DefaultSampler"), ("uneven", "DefaultSampler"), ("all", "InfiniteSampler")], "mmengine"),
    "xtuner": ([("fill", "LengthGroupedSampler"), ("floor", "InternRepoSampler")], "mmengine"),
    "xtuner 0.1.13": ([("pad", "LengthGroupedSampler")], "mmengine"),
    "huggingface 4.46": ([("deal", "")], "transformers 4.46"),
    "huggingface 4.49": ([("deal", "")], "transformers 4.49"),
    "huggingface 5.2": ([("deal", "")], "each epoch"),
    "accelerate": ([("deal", "")], "each epoch"),
}
UNCLAIMED = ("torch", "lightning", "deepspeed", "mmengine", "xtuner", "huggingface 5.2")
"""Frameworks whose habits are looked for where nobody names one."""


def simulate(chance: random.Random) -> Run | None:
    """A run gone through batch by batch; None where it has no batch."""
    framework = chance.choice(list(HABITS))
    kinds, tail = HABITS[framework]
    kind, sampler = chance.choice(kinds)
    repeats = chance.choice((1, 1, 1, 2, 3))
    raw = int(10 ** chance.uniform(0, 2.8))
    n = raw * repeats
    b, a, e = chance.choice((1, 1, 2, 3, 4, 8, 32)), chance.choice((1, 1, 2, 3, 4, 8, 16)), chance.choice((1, 2, 3, 5))
    w = 1 if framework == "keras" else chance.choice((1, 1, 2, 3, 4, 6, 8))
    drop = framework != "keras" and chance.random() < 0.3
    if kind == "all" and w == 1:
        kind = "pad"
    ranks = deal(n, b, w, drop) if kind == "deal" else [load(x, b, drop) for x in share(kind, n, w, b * a)]
    length = len(ranks[0])
    if sampler == "InfiniteSampler":  # its `len()` counts the batches, but the stream never ends: each of them is full
        ranks = [[[i % n for i in range(k * b, k * b + b)] for k in range(len(batches))] for batches in ranks]
    if length == 0:
        return None
    drawn = sum(len(batch) for batches in ranks for batch in batches)
    u = updates(tail, e, length, a)
    return Run(framework, sampler, n, raw, repeats, b, w, a, e, drop, length, e * length, u, drawn)


def claims_of(run: Run, chance: random.Random) -> Claims:
    """What the run prints and its configuration states, some of it hidden, exact or as a range."""
    numbers = {
        "batch_size": run.b,
        "world_size": run.w,
        "grad_accum": run.a,
        "epochs_planned": run.e,
        "drop_last": int(run.drop),
        "iters_per_epoch": run.i,
        "iters_planned": run.t,
        "updates_planned": run.u,
        "global_batch": run.b * run.a * run.w,
    }
    if run.repeats == 1 or chance.random() < 0.5:
        numbers["num_samples"] = run.n
    else:
        numbers |= {"raw_samples": run.raw, "repeats": run.repeats}
    shown = chance.choice((0.3, 0.6, 0.9))
    claims = []
    for name, value in numbers.items():
        if chance.random() < shown:
            loose = chance.random() < 0.1 and name != "drop_last"
            least = 0 if name == "updates_planned" else 1
            ends = (max(least, value - chance.randint(0, 5)), value + chance.randint(0, 5)) if loose else (value, value)
            claims.append(Claim(name, *ends, source=chance.choice(("user", "log", "config"))))
    named = run.framework not in UNCLAIMED or chance.random() < 0.6
    sampler = run.sampler if run.sampler and chance.random() < 0.3 else None
    return Claims(tuple(claims), run.framework if named else None, sampler)


def true(one: Explanation, run: Run) -> bool:
    """Whether the run is among what an explanation says."""
    truth = {
        "num_samples": run.n,
        "batch_size": run.b,
        "world_size": run.w,
        "grad_accum": run.a,
        "epochs": run.e,
        "iters_per_epoch": run.i,
        "iters_planned": run.t,
        "updates_planned": run.u,
        "global_batch": run.b * run.a * run.w,
        "drop_last": run.drop,
    }
    if one.contradicts:
        return False
    for name, value in truth.items():
        span = spans(one, name)
        if span is not None and not span[0] <= value <= span[1]:
            return False
    if one.samples_per_epoch is not None and one.samples_per_epoch != run.drawn:
        return "," in one.rule or bool(one.also)  # a sampler of the same counts that draws otherwise
    return True


@pytest.mark.parametrize("seed", range(4))
def test_the_truth_is_among_the_explanations(seed: int) -> None:
    """What happened is always one of the explanations, what is agreed is never wrong, and little is tried."""
    chance = random.Random(seed)
    seen = 0
    while seen < 100:
        run = simulate(chance)
        if run is None:
            continue
        seen += 1
        claims = claims_of(run, chance)
        verdict = solve(claims)
        told = f"{run}\n{claims}\n" + "\n".join(map(str, verdict.explanations[:8]))
        assert any(true(one, run) for one in verdict.explanations), told
        truth = {
            "num_samples": run.n,
            "batch_size": run.b,
            "world_size": run.w,
            "grad_accum": run.a,
            "epochs_planned": run.e,
            "drop_last": run.drop,
            "iters_per_epoch": run.i,
            "iters_planned": run.t,
            "updates_planned": run.u,
            "global_batch": run.b * run.a * run.w,
        }
        wrong = {k: v for k, v in verdict.agreed.items() if k in truth and truth[k] != v}
        assert not wrong, f"{wrong}\n{told}"
        assert verdict.candidates < 20_000
        assert verdict.verdict != "contradicted" or all(one.far or one.contradicts for one in verdict.explanations)
