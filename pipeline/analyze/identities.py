"""The identities of samples, iterations and updates: what each sampler and each framework counts, as data.

A new sampler or a new habit of a framework is one entry in `SAMPLERS` or `UPDATES`, with a worked example that is its
test. Notation in formulas: N samples as the loader sees them, B per-rank batch, W ranks that share the data, A
iterations per update, P the samples that a sampler fills each rank up to (B·A), n samples per rank and epoch, I
iterations per epoch and rank, E epochs (over all cycles), T = E·I iterations, U updates.

The functions are written with + - * // alone: they count with Python's whole numbers, of any size, and with columns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Count = Any
"""A whole number, or a column of them."""

Version = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Sampler:
    """How many samples a rank draws in an epoch, and how many batches its loader makes of them.

    name: as a person knows it. classes: how configurations spell it (the end of a dotted path, any case). frameworks:
    who uses it, by the names of `FRAMEWORKS`; in `SAMPLERS` the first entry of a framework is its default. versions:
    for a person; since, before: the same to compare with (before is exclusive).
    formula: n, as text. per_rank: n(N, B, W, P). dropping: I(N, B, W, P) where the loader drops the last batch, if it
    is not ⌊n/B⌋. pads: n·W is drawn, the first samples twice; else never more than N. uneven: some ranks draw one
    sample less than n. endless: it goes on behind its length, so that every batch is full.
    unit: P matters, and n is a multiple of it. one: a single process. splits: W matters. grouped: W is the ranks by the
    sequence-parallel size. drops: what the framework's loader does by default. named_only: tried where framework or
    sampler is named, for it fits almost anything. assumes: what has to be so where nobody names the sampler.
    example: N, B, W, A (and drop) to n and I.
    """

    name: str
    frameworks: tuple[str, ...]
    formula: str
    per_rank: Callable[[Count, Count, Count, Count], Count]
    example: Mapping[str, int]
    classes: tuple[str, ...] = ()
    versions: str = "all versions"
    since: Version = ()
    before: Version | None = None
    dropping: Callable[[Count, Count, Count, Count], Count] | None = None
    pads: bool = True
    uneven: bool = False
    endless: bool = False
    unit: bool = False
    one: bool = False
    splits: bool = True
    drops: bool = False
    named_only: bool = False
    grouped: bool = False
    assumes: str | None = None

    def iters(self, n: Count, b: Count, w: Count, p: Count, drop: bool) -> Count:
        """I: batches per epoch and rank."""
        if not drop:
            return ceil(self.per_rank(n, b, w, p), b)
        return self.dropping(n, b, w, p) if self.dropping else self.per_rank(n, b, w, p) // b

    def drawn(self, n: int, b: int, w: int, p: int, drop: bool) -> int:
        """Samples that all ranks draw in an epoch, those drawn twice included."""
        if drop and self.uneven:
            fewest, with_one_more = divmod(n, w)
            return (with_one_more * ((fewest + 1) // b) + (w - with_one_more) * (fewest // b)) * b
        if drop or self.endless:
            return self.iters(n, b, w, p, drop) * b * w
        drawn = self.per_rank(n, b, w, p) * w
        return drawn if self.pads else min(n, drawn)


@dataclass(frozen=True, eq=False)
class Updates:
    """What becomes of windows of A iterations that an epoch, or the run, leaves unfinished.

    tail: what happens to the last window, in words. formula: U, as text. run: U(T, I, A) of a whole run. epoch: the
    least and the most updates of an epoch that another one follows, (I, A). The last epoch of a run may hold one more
    than the most where windows are carried and the last one is flushed: of 2 epochs of 5 iterations by 3, the first
    holds the update at 3, the second those at 6, 9 and 10. per_epoch: updates are planned epoch by epoch. carries: a
    window goes on over the end of an epoch. capped: U(T, I, A) of a run that ends inside an epoch, if it is not `run`.
    example: I, E, A to U.
    """

    name: str
    frameworks: tuple[str, ...]
    tail: str
    formula: str
    run: Callable[[Count, Count, Count], Count]
    epoch: tuple[Callable[[Count, Count], Count], Callable[[Count, Count], Count]]
    example: Mapping[str, int]
    versions: str = "all versions"
    since: Version = ()
    before: Version | None = None
    per_epoch: bool = False
    carries: bool = False
    capped: Callable[[Count, Count, Count], Count] | None = None

    def of(self, t: Count, i: Count, a: Count, *, whole: bool) -> Count:
        """U of a run of T iterations that ends with an epoch, or inside one."""
        return self.run(t, i, a) if whole or self.capped is None else self.capped(t, i, a)

    def reached(self, u: int, i: int, a: int) -> int:
        """T at which the U-th update is applied."""
        if self.carries:
            return u * a
        turns, rest = divmod(u, ceil(i, a))
        return turns * i + rest * a

    def so_far(self, t: Count, i: Count, a: Count) -> Count:
        """Updates that T iterations have come to while the run goes on: the window that is open is none."""
        if self.carries:
            return t // a
        return t // i * ceil(i, a) + (t - t // i * i) // a


def ceil(numerator: Count, denominator: Count) -> Count:
    """⌈numerator / denominator⌉, exact where floats are not."""
    return (numerator + denominator - 1) // denominator


# ── samples per rank ─────────────────────────────────────────────────────────────────────────────────────────────────


def shared(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001 (all samplers are asked alike)
    return ceil(n, w)


def floored(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001
    return n // w


def unshared(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001
    return n


def filled(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001
    return ceil(n, w * p) * p


def cut(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001
    return n // (w * p) * p


def dealt(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001
    """Batches are dealt to ranks round-robin and all made full from the start of the data; one rank is left as it is:
    `1 // w` is 1 for one rank and 0 for more."""
    size = b - (b - 1) * (1 // w)
    return ceil(n, size * w) * size


def dealt_whole(n: Count, b: Count, w: Count, p: Count) -> Count:  # noqa: ARG001
    return n // (b * w)


AS_MANY_BATCHES: dict[Callable[..., Count], Callable[..., Count]] = {dealt: shared}
"""⌈N/(B·W)⌉ = ⌈⌈N/W⌉/B⌉: as many batches where none is dropped, though not as many samples."""

TORCH = ("torch", "lightning", "timm", "fairseq", "deepspeed", "mmcv", "ultralytics", "paddle")

SAMPLERS = (
    Sampler(
        "one process",
        (*TORCH, "mmengine", "xtuner", "huggingface", "accelerate"),
        "N",
        shared,
        {"N": 10_000, "B": 32, "W": 1, "A": 1, "n": 10_000, "I": 313},
        classes=("RandomSampler", "SequentialSampler", "BatchSampler"),
        one=True,
    ),
    Sampler(
        "DistributedSampler",
        TORCH,
        "⌈N/W⌉",
        shared,
        {"N": 1_281_167, "B": 32, "W": 8, "A": 1, "n": 160_146, "I": 5005},
        classes=("DistributedSampler", "DistributedBatchSampler"),
    ),
    Sampler(
        "DefaultSampler",
        ("mmengine", "xtuner"),
        "⌈N/W⌉",
        shared,
        {"N": 1220, "B": 1, "W": 4, "A": 8, "n": 305, "I": 305},
        classes=("DefaultSampler",),
        versions="mmengine 0.1.0 to 0.10.7, round_up=True",
    ),
    Sampler(
        "Trainer's sampler",
        ("huggingface", "accelerate"),
        "⌈N/(B·W)⌉ full batches",
        dealt,
        {"N": 1221, "B": 4, "W": 2, "A": 8, "n": 612, "I": 153},
        classes=("BatchSamplerShard", "LengthGroupedSampler", "SeedableRandomSampler"),
        versions="accelerate, even_batches=True; transformers",
        dropping=dealt_whole,
    ),
    Sampler(
        "Keras steps",
        ("keras",),
        "⌈N/B⌉ batches, B over all replicas",
        unshared,
        {"N": 1000, "B": 32, "W": 1, "A": 1, "n": 1000, "I": 32},
        one=True,
        named_only=True,
        versions="Keras 2.2 to 3: bars that count batches",
    ),
    Sampler(
        "LengthGroupedSampler",
        ("xtuner", "xtuner v1"),
        "⌈N/(W·P)⌉·P, P = B·A",
        filled,
        {"N": 1220, "B": 1, "W": 4, "A": 8, "n": 312, "I": 312},
        classes=("LengthGroupedSampler",),
        versions="xtuner 0.1.14 to 0.2.0",
        since=(0, 1, 14),
        unit=True,
        assumes="the sampler fills each rank up to whole windows of B·A samples (xtuner's LengthGroupedSampler)",
    ),
    Sampler(
        "LengthGroupedSampler (old)",
        ("xtuner",),
        "⌈N/W⌉",
        shared,
        {"N": 1220, "B": 1, "W": 1, "A": 8, "n": 1220, "I": 1220},
        classes=("LengthGroupedSampler",),
        versions="xtuner 0.1.11 to 0.1.13",
        since=(0, 1, 11),
        before=(0, 1, 14),
    ),
    Sampler(
        "SequenceParallelSampler",
        ("xtuner",),
        "⌈N/W⌉, W = ranks / sequence_parallel",
        shared,
        {"N": 1220, "B": 1, "W": 4, "A": 8, "n": 305, "I": 305},
        classes=("SequenceParallelSampler",),
        versions="xtuner 0.1.15 to 0.2.0",
        grouped=True,
    ),
    Sampler(
        "xtuner v1 sampler",
        ("xtuner v1",),
        "⌈N/G⌉·G/W, G = B·A·W",
        filled,
        {"N": 1220, "B": 1, "W": 4, "A": 8, "n": 312, "I": 312},
        classes=("ParallelSampler", "LengthGroupedSampler"),
        versions="xtuner 1, round_up=True",
        since=(1,),
        unit=True,
        assumes="the sampler fills the last global batch",
    ),
    Sampler(
        "xtuner v1 sampler, round_up=False",
        ("xtuner v1",),
        "⌊N/G⌋·G/W, G = B·A·W",
        cut,
        {"N": 1220, "B": 1, "W": 4, "A": 8, "n": 304, "I": 304},
        classes=("ParallelSampler", "LengthGroupedSampler"),
        versions="xtuner 1, round_up=False",
        since=(1,),
        pads=False,
        unit=True,
        named_only=True,
        assumes="the sampler leaves out the last, partial global batch",
    ),
    Sampler(
        "DefaultSampler, round_up=False",
        ("mmengine", "xtuner"),
        "⌈(N−rank)/W⌉, seen from rank 0",
        shared,
        {"N": 1221, "B": 1, "W": 4, "A": 1, "n": 306, "I": 306},
        classes=("DefaultSampler",),
        versions="mmengine 0.1.0 to 0.10.7",
        pads=False,
        uneven=True,
    ),
    Sampler(
        "DistributedSampler, drop_last=True",
        TORCH,
        "⌊N/W⌋",
        floored,
        {"N": 1_281_167, "B": 32, "W": 8, "A": 1, "n": 160_145, "I": 5005},
        classes=("DistributedSampler", "DistributedBatchSampler"),
        pads=False,
        assumes="the sampler leaves out what does not divide among the ranks",
    ),
    Sampler(
        "InternRepoSampler",
        ("xtuner",),
        "⌊N/W⌋, W = ranks / sequence_parallel",
        floored,
        {"N": 1222, "B": 1, "W": 4, "A": 1, "n": 305, "I": 305},
        classes=("InternRepoSampler", "InternlmRepoSampler"),
        versions="xtuner 0.1.15 to 0.2.0",
        pads=False,
        grouped=True,
        assumes="the sampler leaves out what does not divide among the ranks",
    ),
    Sampler(
        "no distributed sampler",
        TORCH,
        "N",
        unshared,
        {"N": 10_000, "B": 32, "W": 4, "A": 1, "n": 10_000, "I": 313},
        splits=False,
        assumes="the ranks do not share the data: each draws all of it (no distributed sampler)",
    ),
    Sampler(
        "InfiniteSampler",
        ("mmengine", "xtuner"),
        "N",
        unshared,
        {"N": 1220, "B": 2, "W": 4, "A": 1, "n": 1220, "I": 610},
        classes=("InfiniteSampler",),
        versions="mmengine 0.1.0 to 0.10.7",
        splits=False,
        endless=True,
        assumes="the ranks do not share the data: each counts all of it (InfiniteSampler)",
    ),
    Sampler(
        "Keras bar that counts samples",
        ("keras",),
        "N: the bar counts samples, not batches",
        lambda n, b, w, p: n * b,  # noqa: ARG005
        {"N": 1000, "B": 32, "W": 1, "A": 1, "n": 32_000, "I": 1000},
        versions="Keras 1 and 2.0 to 2.2, tf.keras on arrays up to 2.1",
        pads=False,
        one=True,
        named_only=True,
        assumes="the bar counts samples",
    ),
)

# ── updates ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def carried_flushed(t: Count, i: Count, a: Count) -> Count:  # noqa: ARG001 (all rules are asked alike)
    return ceil(t, a)


def carried_lost(t: Count, i: Count, a: Count) -> Count:  # noqa: ARG001
    return t // a


def flushed(t: Count, i: Count, a: Count) -> Count:
    return t // i * ceil(i, a) + ceil(t - t // i * i, a)


def cut_short(t: Count, i: Count, a: Count) -> Count:
    """What is planned, and what the bar shows. Fewer are applied where I < A: of 7 iterations by 8 in 3 epochs 2 of 3
    (transformers 4.46.3), or none (4.49.0, 4.51.3)."""
    return ceil(t, i) * at_least_one(i // a)


def at_least_one(x: Count) -> Count:
    """max(1, x) of a whole number from 0 on."""
    return x + 1 // (x + 1)


def down(i: Count, a: Count) -> Count:
    return i // a


def one_or_down(i: Count, a: Count) -> Count:
    return at_least_one(i // a)


EACH_EPOCH = Updates(
    "flushed at each epoch's end",
    ("torch", "lightning", "timm", "fairseq", "accelerate", "paddle"),
    "the last window of each epoch is applied as it is",
    "E·⌈I/A⌉",
    flushed,
    (ceil, ceil),
    {"I": 63, "E": 2, "A": 8, "U": 16},
    versions="Lightning, timm, fairseq, accelerate.accumulate",
    per_epoch=True,
)
TRAINER = replace(  # the example is one run, by each version of the Trainer
    EACH_EPOCH, frameworks=("huggingface",), example={"I": 306, "E": 3, "A": 8, "U": 117}
)
PLANNED_DOWN = replace(
    TRAINER,
    formula="E·max(1, ⌊I/A⌋)",
    run=cut_short,
    epoch=(one_or_down, one_or_down),
    example={**TRAINER.example, "U": 114},
)
LOST = Updates(
    "carried, lost at the end",
    ("torch", "keras", "deepspeed", "ultralytics"),
    "a window goes on over the end of an epoch; the last one of the run is never applied",
    "⌊T/A⌋",
    carried_lost,
    (down, ceil),
    {"I": 32, "E": 2, "A": 5, "U": 12},
    versions="Keras 3 (gradient_accumulation_steps), DeepSpeed's engine, ultralytics after its warm-up",
    carries=True,
)

UPDATES = (
    Updates(
        "carried, flushed at the end",
        ("mmengine", "xtuner", "mmcv"),
        "a window goes on over the end of an epoch; the last one of the run is applied as it is",
        "⌈T/A⌉",
        carried_flushed,
        (down, ceil),
        {"I": 5, "E": 3, "A": 8, "U": 2},
        versions="mmengine 0.1.0 to 0.10.7 (OptimWrapper), mmcv 1 (GradientCumulative)",
        carries=True,
    ),
    EACH_EPOCH,
    replace(TRAINER, name="transformers ≥ 4.52", versions="transformers 4.52 to 5", since=(4, 52)),
    replace(
        PLANNED_DOWN,
        name="transformers 4.47–4.51",
        tail="the last window of each epoch is applied, but the run is planned without it and ends before its last "
        "epoch does",
        versions="transformers 4.47 to 4.51",
        since=(4, 47),
        before=(4, 52),
        capped=flushed,
    ),
    replace(
        PLANNED_DOWN,
        name="transformers ≤ 4.46",
        tail="a window goes on over the end of an epoch; the run is planned without the last ones",
        versions="transformers up to 4.46",
        before=(4, 47),
        carries=True,
        capped=carried_lost,
    ),
    LOST,
    replace(
        LOST,
        name="whole global batches",
        frameworks=("megatron", "nemo", "torchtitan", "xtuner v1", "detectron2"),
        tail="each counted step is one update of a global batch: nothing is left over",
        formula="T/A",
        example={"I": 312, "E": 3, "A": 8, "U": 117},
        versions="Megatron-LM, NeMo, torchtitan, xtuner 1, detectron2",
    ),
)

UNPLANNED = ("megatron", "nemo", "torchtitan", "detectron2")
"""Frameworks that plan a number of updates and draw samples without end: N says nothing about their counts."""

FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "mmengine": ("mmengine", "xtuner"),
    "xtuner": ("xtuner", "mmengine"),
    "transformers": ("huggingface",),
    "hf": ("huggingface",),
    "trainer": ("huggingface",),
    "pytorch": ("torch",),
    "imagenet": ("torch",),
    "torchvision": ("torch",),
    "tf": ("keras",),
    "tensorflow": ("keras",),
    "pytorch-lightning": ("lightning",),
    "pl": ("lightning",),
    "yolo": ("ultralytics",),
    "d2": ("detectron2",),
    "xtuner1": ("xtuner v1",),
}
"""What else a framework is called, and who is meant: the first one's habits are the default."""
KNOWN = frozenset(name for rule in (*SAMPLERS, *UPDATES) for name in rule.frameworks) | set(UNPLANNED)


def frameworks(name: str | None) -> tuple[tuple[str, ...], Version]:
    """The frameworks that are meant by a name with or without a version, `xtuner 0.1.13`, and the version; () for none
    that is known here (a bar of tqdm tells no framework)."""
    words = (name or "").lower().replace("==", " ").replace("_", "-").split()
    if not words:
        return (), ()
    version = tuple(int(part) for part in words[-1].lstrip("v").split(".") if part.isdecimal())
    version = version if words[-1].lstrip("v")[:1].isdecimal() else ()
    plain = words[0]
    if plain == "xtuner" and version[:1] == (1,):
        return ("xtuner v1",), version
    if plain in FRAMEWORKS:
        return FRAMEWORKS[plain], version
    return ((plain,), version) if plain in KNOWN else ((), version)


def windows(framework: str | None) -> tuple[Updates, ...]:
    """What may become of windows under a framework, by the name of a format, where iterations are counted; for one that
    is not known all that is known of any. The Hugging Face Trainer counts updates, and is none of these."""
    meant, version = frameworks(framework)
    own = tuple(rule for rule in UPDATES if set(meant) & set(rule.frameworks) and in_versions(rule, version))
    return own or tuple(rule for rule in UPDATES if rule.frameworks != ("huggingface",))


def in_versions(rule: Sampler | Updates, version: Version) -> bool:
    return not version or (version >= rule.since and (rule.before is None or version < rule.before))
