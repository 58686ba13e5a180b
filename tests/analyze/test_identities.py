"""Each rule counts as its worked example says, with whole numbers and with columns."""

import polars as pl
import pytest
from trainqc.pipeline.analyze.identities import (
    FRAMEWORKS,
    SAMPLERS,
    UPDATES,
    Sampler,
    Updates,
    carried_lost,
    frameworks,
    in_versions,
)

each_sampler = pytest.mark.parametrize("rule", SAMPLERS, ids=lambda rule: rule.name)
each_tail = pytest.mark.parametrize("rule", UPDATES, ids=lambda rule: rule.name)


@each_sampler
def test_a_sampler_counts_as_in_its_example(rule: Sampler) -> None:
    """n and I of the worked example."""
    n, b, w, a = (rule.example[name] for name in "NBWA")
    assert rule.per_rank(n, b, w, b * a) == rule.example["n"]
    assert rule.iters(n, b, w, b * a, drop=False) == rule.example["I"]


@each_sampler
def test_a_sampler_counts_columns_alike(rule: Sampler) -> None:
    """The same function of columns gives the same numbers."""
    rows = [(n, b, w, a) for n in (1, 7, 1220, 10_000) for b in (1, 3, 32) for w in (1, 2, 4) for a in (1, 8)]
    frame = pl.DataFrame(rows, schema=["n", "b", "w", "a"], orient="row")
    n, b, w, p = pl.col("n"), pl.col("b"), pl.col("w"), pl.col("b") * pl.col("a")
    counted = frame.select(
        rule.per_rank(n, b, w, p).alias("per_rank"),
        rule.iters(n, b, w, p, drop=False).alias("kept"),
        rule.iters(n, b, w, p, drop=True).alias("dropped"),
    )
    wanted = [
        (
            rule.per_rank(n, b, w, b * a),
            rule.iters(n, b, w, b * a, drop=False),
            rule.iters(n, b, w, b * a, drop=True),
        )
        for n, b, w, a in rows
    ]
    assert counted.rows() == wanted


@each_tail
def test_a_tail_counts_as_in_its_example(rule: Updates) -> None:
    """U of the worked example."""
    i, e, a = (rule.example[name] for name in "IEA")
    assert rule.run(i * e, i, a) == rule.example["U"]


@each_tail
def test_a_tail_counts_columns_alike(rule: Updates) -> None:
    """The same function of columns gives the same numbers."""
    rows = [(i, e, a) for i in (1, 5, 306) for e in (1, 3) for a in (1, 8, 400)]
    frame = pl.DataFrame(rows, schema=["i", "e", "a"], orient="row")
    i, e, a = pl.col("i"), pl.col("e"), pl.col("a")
    least, most = rule.epoch
    counted = frame.select(rule.run(i * e, i, a).alias("run"), least(i, a).alias("least"), most(i, a).alias("most"))
    assert counted.rows() == [(rule.run(i * e, i, a), rule.epoch[0](i, a), rule.epoch[1](i, a)) for i, e, a in rows]


@pytest.mark.parametrize(
    "name", ["carried, flushed at the end", "flushed at each epoch's end", "carried, lost at the end"]
)
def test_updates_of_each_epoch(name: str) -> None:
    """Windows one by one: an epoch before the last holds what the rule says, the last one more update at most."""
    rule = next(rule for rule in UPDATES if rule.name == name)
    for i, e, a in ((i, e, a) for i in range(1, 12) for e in (1, 2, 3, 5) for a in range(1, 14)):
        total, per_epoch, waiting = i * e, [0] * e, 0
        for t in range(1, total + 1):
            waiting += 1
            ends = rule.per_epoch and t % i == 0
            if waiting == a or ends or (t == total and rule.run is not carried_lost):
                per_epoch[(t - 1) // i] += 1
                waiting = 0
            assert sum(per_epoch) == rule.so_far(t, i, a) or t == total
        least, most = rule.epoch[0](i, a), rule.epoch[1](i, a)
        assert sum(per_epoch) == rule.run(total, i, a)
        assert all(least <= updates <= most for updates in per_epoch[:-1])
        assert per_epoch[-1] <= most + (rule.carries and rule.run is not carried_lost)


def test_the_last_epoch_holds_one_more() -> None:
    """Two epochs of five iterations by three: updates at 3, and at 6, 9 and 10, though ⌈5/3⌉ is 2."""
    rule = next(rule for rule in UPDATES if "mmengine" in rule.frameworks)
    assert (rule.so_far(5, 5, 3), rule.run(10, 5, 3), rule.epoch[1](5, 3)) == (1, 4, 2)


def test_worked_examples_of_whole_frameworks() -> None:
    """ImageNet on 8 ranks, CIFAR, the lengths that xtuner printed on 1, 2, 3, 4 and 8 ranks."""
    rules = {rule.name: rule for rule in SAMPLERS}
    shared, grouped = rules["DistributedSampler"], rules["LengthGroupedSampler"]
    assert [shared.iters(1_281_167, 32, 8, 32, drop) for drop in (False, True)] == [5005, 5004]
    assert shared.iters(1_281_167, 256, 8, 256, drop=False) == 626
    assert [shared.iters(50_000, 128, w, 128, d) for w, d in ((1, False), (1, True), (4, False))] == [391, 390, 98]
    assert [grouped.iters(1220, 1, w, 8, drop=False) for w in (1, 2, 3, 4, 8)] == [1224, 616, 408, 312, 160]
    assert [grouped.drawn(1220, 1, w, 8, drop=False) - 1220 for w in (1, 2, 3, 4, 8)] == [4, 12, 4, 28, 60]


def test_samples_where_ranks_differ_and_where_there_is_no_end() -> None:
    """5 samples on 4 ranks by 2: rank 0 has 2 of them, so that dropping leaves one batch on it and none on the others.
    5 samples by 2 without end: 3 batches, all full, on each of 2 ranks."""
    rules = {rule.name: rule for rule in SAMPLERS}
    assert rules["DefaultSampler, round_up=False"].drawn(5, 2, 4, 2, drop=True) == 2
    assert rules["InfiniteSampler"].drawn(5, 2, 2, 2, drop=False) == 12
    assert rules["Trainer's sampler"].drawn(65, 4, 2, 4, drop=False) == 72


def test_transformers_by_version() -> None:
    """306 batches, 8 to an update, 3 epochs: 114 up to 4.51, 117 from 4.52; fewer batches than A are one update."""
    for text, wanted in (("4.20", 114), ("4.46.3", 114), ("4.49", 114), ("4.52", 117), ("5.23", 117)):
        meant, version = frameworks(f"huggingface {text}")
        rules = [rule for rule in UPDATES if meant[0] in rule.frameworks and in_versions(rule, version)]
        assert [rule.run(918, 306, 8) for rule in rules] == [wanted], text
    old = next(rule for rule in UPDATES if rule.name == "transformers ≤ 4.46")
    assert old.run(3 * 5, 5, 8) == 3


@pytest.mark.parametrize(
    ("text", "meant", "version"),
    [
        ("xtuner 0.1.13", ("xtuner", "mmengine"), (0, 1, 13)),
        ("mmengine", ("mmengine", "xtuner"), ()),
        ("transformers==4.46.3", ("huggingface",), (4, 46, 3)),
        ("xtuner 1.0", ("xtuner v1",), (1, 0)),
        ("keras 3.5.0", ("keras",), (3, 5, 0)),
        ("tqdm", (), ()),
        (None, (), ()),
        ("", (), ()),
    ],
)
def test_frameworks_by_name(text: str | None, meant: tuple[str, ...], version: tuple[int, ...]) -> None:
    """Names with and without versions; a bar tells no framework."""
    assert frameworks(text) == (meant, version)


def test_every_name_has_rules() -> None:
    """Whoever is meant by a name has a rule for updates, and one for samples where samples count."""
    users = {name for rule in UPDATES for name in rule.frameworks}
    assert {name for rule in SAMPLERS for name in rule.frameworks} <= users
    assert {name for meant in FRAMEWORKS.values() for name in meant} <= users
