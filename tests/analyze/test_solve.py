"""What comes out of claims: the explanations, their order, and the verdict."""

import pytest
from trainqc.pipeline.analyze.claims import Claim, Claims, Verdict
from trainqc.pipeline.analyze.solve import solve

SA2VA = {"batch_size": 1, "grad_accum": 8, "epochs_planned": 3}


def ask(framework: str | None = None, sampler: str | None = None, **numbers: int | tuple[int, int]) -> Verdict:
    """The verdict on what a user claims; a pair is a range."""
    ranges = {name: value if isinstance(value, tuple) else (value, value) for name, value in numbers.items()}
    return solve(Claims(tuple(Claim(name, *ends) for name, ends in ranges.items()), framework, sampler))


def names(verdict: Verdict) -> list[str]:
    return [claim.name for claim in verdict.contradicted]


def test_four_ranks_claimed_and_one_counted() -> None:
    """3,672 iterations contradict four ranks: one rank and xtuner's sampler explain them."""
    verdict = ask(num_samples=1220, world_size=4, iters_planned=3672, **SA2VA)
    first = verdict.explanations[0]
    assert (verdict.verdict, names(verdict)) == ("contradicted", ["world_size"])
    assert (first.world_size, first.rule, first.contradicts) == (1, "LengthGroupedSampler", ("world_size",))
    assert (first.iters_per_epoch, first.iters_planned) == (1224, 3672)
    assert (first.updates_per_epoch, first.updates_planned, first.global_batch) == (153, 459, 8)
    assert (first.padded_samples_per_epoch, first.dropped_samples_per_epoch, first.samples_per_epoch) == (4, 0, 1224)
    assert verdict.agreed == {}


def test_raw_samples_may_be_repeated() -> None:
    """The same with a raw count: repeated four times on four ranks fits; a printed sample or rank count decides."""
    verdict = ask(raw_samples=1220, world_size=4, iters_planned=3672, **SA2VA)
    first, second = verdict.explanations[:2]
    assert (verdict.verdict, names(verdict)) == ("ambiguous", [])
    assert (first.repeats, first.world_size, first.samples_low, first.samples_high) == (4, 4, 4880, 4880)
    assert (first.iters_per_epoch, first.global_batch, first.padded_samples_per_epoch) == (1224, 32, 16)
    assert (second.world_size, second.repeats, second.contradicts) == (1, 1, ("world_size",))
    assert set(verdict.would_decide[:4]) >= {"num_samples", "world_size", "repeats"}
    assert "world_size" not in verdict.agreed


def test_without_a_claim_of_ranks() -> None:
    """One rank comes first, whether the count is raw or not; only the effective one proves it."""
    verdict = ask(num_samples=1220, iters_planned=3672, **SA2VA)
    assert (verdict.verdict, verdict.explanations[0].world_size) == ("consistent", 1)
    assert verdict.agreed["world_size"] == 1
    raw = ask(raw_samples=1220, iters_planned=3672, **SA2VA)
    assert (raw.verdict, raw.explanations[0].world_size) == ("ambiguous", 1)
    assert "world_size" not in raw.agreed
    assert raw.agreed["updates_planned"] == 459


def test_what_four_ranks_would_print() -> None:
    """936 iterations are four ranks, claimed or not."""
    for claimed in ({}, {"world_size": 4}):
        verdict = ask(num_samples=1220, iters_planned=936, **SA2VA, **claimed)
        first = verdict.explanations[0]
        assert (verdict.verdict, first.world_size, first.iters_per_epoch) == ("consistent", 4, 312)
        assert (first.updates_planned, first.padded_samples_per_epoch) == (117, 28)


def test_a_dropped_batch_or_other_samples() -> None:
    """10,000 samples, 32 a batch, 312 printed: the last batch is dropped, or there were 9,953 to 9,984 samples."""
    verdict = ask(num_samples=10_000, batch_size=32, epochs_planned=5, iters_per_epoch=312)
    first, second = verdict.explanations[:2]
    assert verdict.verdict == "ambiguous"
    assert (first.drop_last, first.contradicts, first.iters_planned) == (True, (), 1560)
    assert (first.dropped_samples_per_epoch, first.padded_samples_per_epoch) == (16, 0)
    assert (second.contradicts, second.samples_low, second.samples_high) == (("num_samples",), 9953, 9984)
    assert {"drop_last", "num_samples"} <= set(verdict.would_decide)
    assert "drop_last" not in verdict.agreed


def test_a_kept_batch_is_contradicted() -> None:
    """The same with `drop_last=False`: one of the claims has to go."""
    verdict = ask(num_samples=10_000, batch_size=32, epochs_planned=5, iters_per_epoch=312, drop_last=0)
    assert (verdict.verdict, names(verdict)) == ("contradicted", ["drop_last"])
    assert [one.contradicts for one in verdict.explanations[:2]] == [("drop_last",), ("num_samples",)]


def test_an_even_division_hides_what_was_dropped() -> None:
    """32,000 at 128 is 250 either way."""
    verdict = ask(num_samples=32_000, batch_size=128, iters_per_epoch=250)
    assert (verdict.verdict, verdict.would_decide) == ("ambiguous", ("drop_last",))
    assert [one.drop_last for one in verdict.explanations[:2]] == [False, True]


@pytest.mark.parametrize(
    ("updates", "families"),
    [(117, {"transformers ≥ 4.52"}), (114, {"transformers ≤ 4.46", "transformers 4.47–4.51"})],
)
def test_the_versions_of_a_trainer(updates: int, families: set[str]) -> None:
    """117 updates were planned by transformers from 4.52 on, 114 by older ones."""
    numbers = {"num_samples": 1221, "batch_size": 4, "grad_accum": 8, "epochs_planned": 3}
    first = ask("huggingface", **numbers, updates_planned=updates).explanations[0]
    assert set(first.updates_rule.split("; ")) == families
    assert (first.world_size, first.iters_per_epoch) == (1, 306)


def test_a_version_that_cannot_be() -> None:
    """117 updates and transformers 4.46 contradict each other."""
    numbers = {"num_samples": 1221, "batch_size": 4, "grad_accum": 8, "epochs_planned": 3, "drop_last": 0}
    verdict = ask("huggingface 4.46", **numbers, updates_planned=117)
    assert verdict.verdict == "contradicted"


def test_samples_from_iterations() -> None:
    """1,000 iterations at batch 32: both ranges of samples, and that more ranks would be more samples."""
    verdict = ask(batch_size=32, iters_per_epoch=1000)
    ranges = {(one.world_size, one.drop_last): (one.samples_low, one.samples_high) for one in verdict.explanations}
    assert verdict.verdict == "ambiguous"
    assert ranges[1, False] == (31_969, 32_000)
    assert ranges[1, True] == (32_000, 32_031)
    assert [(one.world_size, one.drop_last) for one in verdict.explanations[:2]] == [(1, False), (1, True)]
    assert "world_size" not in verdict.agreed


def test_cycles() -> None:
    """100 cycles of 10 epochs of 288 iterations; and that unclaimed cycles explain what contradicts without them."""
    verdict = ask(cycles=100, epochs_planned=10, iters_per_epoch=288)
    assert (verdict.verdict, verdict.explanations[0].iters_planned) == ("consistent", 288_000)
    verdict = ask(epochs_planned=10, iters_per_epoch=288, iters_planned=288_000)
    assert (verdict.verdict, verdict.explanations[0].cycles) == ("ambiguous", 100)


def test_updates_without_a_claim_of_accumulation() -> None:
    """3,000 iterations are at most 3,000 updates; nothing is made of it."""
    first = ask(iters_planned=3000, epochs_planned=10).explanations[0]
    assert first.updates_planned is None
    assert first.ranges["updates_planned"][1] == 3000


def test_accumulation_from_updates() -> None:
    """3,672 iterations and 459 updates are 8 to an update."""
    verdict = ask("mmengine", iters_planned=3672, epochs_planned=3, updates_planned=459)
    assert verdict.agreed["grad_accum"] == 8


def test_ranks_from_samples() -> None:
    """ImageNet at 32 and 5,005 iterations: eight ranks. A short epoch leaves many, a power of two first."""
    assert ask("torch", num_samples=1_281_167, batch_size=32, iters_per_epoch=5005).explanations[0].world_size == 8
    short = ask(num_samples=1000, batch_size=2, iters_per_epoch=8, drop_last=0)
    assert short.explanations[0].world_size == 64
    assert short.verdict == "ambiguous"
    ends = [one.ranges.get("world_size") or (one.world_size,) * 2 for one in short.explanations if not one.far]
    assert (min(low for low, _ in ends), max(high for _, high in ends if high)) == (63, 71)


def test_nine_epochs_on_three_ranks() -> None:
    """Without a claim of epochs three ranks and nine epochs fit 3,672 as well."""
    verdict = ask("xtuner", "LengthGroupedSampler", num_samples=1220, batch_size=1, grad_accum=8, iters_planned=3672)
    pairs = {(one.world_size, one.epochs) for one in verdict.explanations}
    assert {(1, 3), (3, 9)} <= pairs
    assert (verdict.explanations[0].world_size, verdict.explanations[0].epochs) == (1, 3)


def test_two_claims_of_one_quantity() -> None:
    """The log's count stands against the user's."""
    claims = Claims(
        (
            Claim("world_size", 4, 4, "user", "trainqc.toml", 3),
            Claim("world_size", 1, 1, "log", "a.log", 36),
            Claim("iters_per_epoch", 1224, 1224, "log"),
        )
    )
    verdict = solve(claims)
    assert verdict.verdict == "contradicted"
    assert verdict.contradicted == (claims.claims[0],)
    assert verdict.explanations[0].world_size == 1


def test_ranks_that_do_not_share() -> None:
    """Four ranks and as many iterations as one: each may draw all samples, or the claim has to go."""
    verdict = ask(num_samples=10_000, batch_size=32, world_size=4, iters_per_epoch=313)
    assert verdict.verdict == "ambiguous"
    assert verdict.explanations[0].world_size == 4
    assert "share" in verdict.explanations[0].assumes[0]
    assert any(one.contradicts == ("world_size",) and one.world_size == 1 for one in verdict.explanations)


def test_a_sampler_of_one_s_own() -> None:
    """What no rule knows is not explained by any: samples and iterations stand side by side."""
    verdict = ask(None, "my.BalancedSampler", num_samples=999, batch_size=3, iters_per_epoch=17, epochs_planned=2)
    assert (verdict.verdict, verdict.explanations[0].rule) == ("consistent", "any sampler")
    assert verdict.explanations[0].iters_planned == 34


def test_planned_in_updates() -> None:
    """Megatron draws samples without end: their number says nothing about its updates."""
    verdict = ask("megatron", num_samples=10, updates_planned=500_000, global_batch=512, batch_size=4, grad_accum=16)
    assert verdict.verdict == "consistent"
    assert verdict.agreed["world_size"] == 8


@pytest.mark.parametrize("numbers", [{}, {"batch_size": 32}, {"gpus_visible": 4}, {"world_size": 2}])
def test_too_little_to_say_anything(numbers: dict[str, int]) -> None:
    """One number alone is no explanation."""
    assert ask(**numbers).verdict == "unknown"


def test_places_do_not_matter() -> None:
    """Where a claim stands changes no verdict, and costs no second search."""
    numbers = {"num_samples": 1220, "batch_size": 1, "iters_per_epoch": 1220}
    one = solve(Claims(tuple(Claim(n, v, v, "log", "a.log", at) for at, (n, v) in enumerate(numbers.items()))))
    two = solve(Claims(tuple(Claim(n, v, v, "log", "b.log", 9) for n, v in reversed(numbers.items()))))
    assert one.explanations is two.explanations


@pytest.mark.parametrize(
    "numbers",
    [
        {"num_samples": 10**15, "batch_size": 7, "iters_per_epoch": 10**12 + 13, "epochs_planned": 3},
        {"num_samples": 10**15, "iters_planned": 10**12 + 13},
        {"iters_planned": 10**15, "updates_planned": 10**14, "num_samples": 10**15},
        {"raw_samples": 10**15, "world_size": 10**15, "iters_planned": 10**15},
        {"num_samples": (1, 10**15), "batch_size": (1, 10**15), "iters_planned": (1, 10**15)},
        {"world_size": 10**15, "batch_size": 10**15, "grad_accum": 10**15, "iters_per_epoch": 10**15},
        {"num_samples": 0, "batch_size": 0, "iters_per_epoch": 0},
        {"num_samples": -5, "batch_size": 3, "iters_per_epoch": 7, "world_size": -1},
    ],
)
def test_absurd_numbers_cost_no_more(numbers: dict[str, int | tuple[int, int]]) -> None:
    """Any input is settled with a bounded number of candidates."""
    assert ask(**numbers).candidates < 20_000


def test_max_steps_overrules_the_epochs() -> None:
    """20 updates beside 3 epochs: the Trainer stops at the updates."""
    numbers = {"num_samples": 1221, "batch_size": 4, "grad_accum": 8, "world_size": 1, "epochs_planned": 3}
    verdict = ask("huggingface", **numbers, updates_planned=20)
    first = verdict.explanations[0]
    assert (names(verdict), first.inside, first.iters_planned) == (["epochs_planned"], True, 160)


def test_a_range_of_what_the_sampler_fills_up_to() -> None:
    """P from 4 to 8: 1,224 iterations fit (P = 6 or 8), 1,229 do not; nothing is counted with the low end alone."""
    numbers = {"num_samples": 1220, "batch_size": 1, "grad_accum": 8, "world_size": 1, "sampler_batch": (4, 8)}
    xtuner = {"framework": "xtuner", "sampler": "LengthGroupedSampler"}
    verdict = ask(**xtuner, **numbers, iters_per_epoch=1224)
    assert (verdict.verdict, verdict.explanations[0].padded_samples_per_epoch) == ("consistent", None)
    assert ask(**xtuner, **numbers, iters_per_epoch=1229).verdict == "contradicted"
    assert ask(**xtuner, **numbers).explanations[0].ranges["iters_per_epoch"] == (1220, 1227)
    exact = ask(**xtuner, **numbers | {"sampler_batch": 6}).explanations[0]
    assert (exact.iters_per_epoch, exact.padded_samples_per_epoch) == (1224, 4)


def test_a_range_of_ranks_that_share_a_sample() -> None:
    """Eight ranks, one to four of which share a sample: two to eight groups, 153 to 610 iterations."""
    numbers = {"num_samples": 1220, "batch_size": 1, "grad_accum": 8, "world_size": 8, "sequence_parallel": (1, 4)}
    xtuner = {"framework": "xtuner", "sampler": "SequenceParallelSampler"}
    first = ask(**xtuner, **numbers).explanations[0]
    assert (first.ranges["iters_per_epoch"], first.global_batch) == ((153, 610), None)
    assert ask(**xtuner, **numbers, iters_per_epoch=305).verdict == "consistent"
    assert ask(**xtuner, **numbers, iters_per_epoch=611).verdict == "contradicted"
