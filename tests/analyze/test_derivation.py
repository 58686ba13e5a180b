"""The derivation says what a person would write on a board."""

import pytest
from trainqc.pipeline.analyze.claims import Claim, Claims
from trainqc.pipeline.analyze.derivation import Derivation, derive, place
from trainqc.pipeline.analyze.solve import solve


def board(framework: str | None = None, **numbers: int) -> Derivation:
    return derive(solve(Claims(tuple(Claim(n, v, v) for n, v in numbers.items()), framework)))


SA2VA = {"num_samples": 1220, "batch_size": 1, "grad_accum": 8, "epochs_planned": 3, "iters_planned": 3672}


def test_why_3672() -> None:
    """Steps with their numbers, the table of other ranks, and the claim that has to go."""
    seen = board(**SA2VA, world_size=4)
    assert seen.question == "Why 3,672"
    assert seen.steps == (
        "1,220 samples, 1 rank, micro-batch 1, accumulation 8. LengthGroupedSampler (xtuner 0.1.14 to 0.2.0) gives "
        "each rank ⌈N/(W·P)⌉·P, P = B·A.",
        "⌈1,220/(1·8)⌉·8 = 1,224 iterations an epoch (4 samples drawn twice, 0.33 %).",
        "1,224 × 3 epochs = 3,672 iterations in all, as claimed.",
        "3,672 / 8 = 459 updates, 153 an epoch, no window left over.",
        "1 × accumulation 8 × 1 rank = 8 samples an update.",
    )
    plain = [row for row in seen.rows if row.samples == 1220]
    rows = {row.ranks: (row.iters_per_epoch, row.iters_planned, row.updates_planned, row.padded) for row in plain}
    assert rows[1] == (1224, 3672, 459, 4)
    assert rows[2] == (616, 1848, 231, 12)
    assert rows[4] == (312, 936, 117, 28)
    assert [(row.ranks, row.note) for row in seen.rows if row.claimed] == [
        (4, "excluded by 3,672 iterations in all"),
        (4, "data repeated 4 times: excluded by samples 1,220"),
    ]
    assert seen.contradicted == ("ranks = 4 (you)",)
    assert seen.proved == ()


def test_samples_before_the_repeats() -> None:
    """Raw samples are told as they are claimed: what a filter took away is no raw sample less."""
    numbers = SA2VA | {"world_size": 1, "repeats": 4}
    assert board(**numbers, raw_samples=305).steps[0] == "305 raw samples × 4 = 1,220 samples."
    assert (
        board(**numbers, raw_samples=400).steps[0]
        == "400 raw samples × 4 = 1,600 samples, of which 1,220 are left (filtered or packed: 380 fewer, 23.75 %)."
    )
    assert (
        board(**numbers, raw_samples=300)
        .steps[0]
        .startswith(
            "300 raw samples × 4 = 1,200 samples, and the loader sees 1,220: the rows were cut into several samples, or"
        )
    )


@pytest.mark.parametrize(
    ("samples", "raw", "told"),
    [
        (3660, 1220, "1,220 raw samples × 3 = 3,660 samples."),
        (1221, 1500, "1,500 raw samples, of which 1,221 are left (filtered or packed: 279 fewer, 18.60 %)."),
        (
            1900,
            1220,
            "1,220 raw samples, and the loader sees 1,900, 1.56 times as many: the rows were cut into several",
        ),
        (1220, 1220, "1,220 samples in one process, micro-batch 4."),
    ],
)
def test_raw_samples_beside_those_of_the_loader(samples: int, raw: int, told: str) -> None:
    """A whole ratio is repeats, fewer are filtered, anything else is said to be odd."""
    seen = board(num_samples=samples, raw_samples=raw, batch_size=4, world_size=1)
    assert seen.steps[0].startswith(told)


@pytest.mark.parametrize(("framework", "padded"), [("huggingface", [0, 3, 11, 27]), ("torch", [0, 1, 3, 3])])
def test_what_is_drawn_twice_on_other_ranks(framework: str, padded: list[int]) -> None:
    """1,221 samples by 4 on 1, 2, 4 and 8 ranks: transformers fills every batch, DistributedSampler every rank."""
    rows = board(framework, num_samples=1221, batch_size=4, grad_accum=8, epochs_planned=3).rows
    assert [(row.ranks, row.padded) for row in rows] == list(zip((1, 2, 4, 8), padded, strict=True))
    assert [row.iters_per_epoch for row in rows] == [306, 153, 77, 39]


def test_updates_at_several_accumulations() -> None:
    """Where nobody says the accumulation, what it would make of the iterations."""
    seen = board("mmengine", iters_per_epoch=300, epochs_planned=10)
    assert "Updates: 3,000 updates without accumulation, 750 at 4, 375 at 8." in seen.steps
    assert any("accumulation" in text for text in seen.open)


def test_samples_from_batches() -> None:
    """Both ranges, each with its condition."""
    seen = board(batch_size=32, iters_per_epoch=1000)
    assert seen.steps[0] == "1,000 batches of 32 on 1 rank are 31,969 … 32,000 samples if the last batch was kept."
    assert any("32,000 … 32,031 samples" in text and "last batch dropped" in text for text in seen.others)


def test_a_dropped_batch() -> None:
    """Sixteen samples are left out."""
    seen = board(num_samples=10_000, batch_size=32, epochs_planned=5, iters_per_epoch=312)
    assert seen.steps[:2] == (
        "10,000 samples in one process, micro-batch 32.",
        "⌊10,000/32⌋ = 312 iterations an epoch (16 samples left out, 0.16 %).",
    )
    assert any(text.startswith("without the claim of samples") and "9,953 … 9,984" in text for text in seen.others)


def test_windows_that_do_not_come_out_even() -> None:
    """What becomes of the last window is said with the number that it gives."""
    seen = board("huggingface", **{**SA2VA, "num_samples": 1221, "batch_size": 4, "iters_planned": 918})
    told = "\n".join(seen.steps)
    assert "114 … 117 updates" in told
    assert "117 if the last window of each epoch is applied as it is (transformers 4.52 to 5)" in told


def test_cycles_of_epochs() -> None:
    """288 × 10 a cycle, × 100."""
    seen = board(cycles=100, epochs_planned=10, iters_per_epoch=288)
    assert "288 × 10 epochs = 2,880 iterations a cycle; × 100 cycles = 288,000 in all." in seen.steps


@pytest.mark.parametrize(
    ("framework", "step", "wanted"),
    [
        ("mmengine", 1, (1, 1, (1, 1))),
        ("mmengine", 362, (2, 50, (46, 46))),
        ("mmengine", 312, (1, 312, (39, 39))),
        ("lightning", 313, (2, 1, (40, 40))),
        ("mmengine", 1560, (5, 312, (195, 195))),
    ],
)
def test_where_a_step_lies(framework: str, step: int, wanted: tuple[int, int, tuple[int, int]]) -> None:
    """Step 362 of 312 an epoch is epoch 2, batch 50."""
    claims = Claims(
        tuple(Claim(n, v, v) for n, v in {"iters_per_epoch": 312, "epochs_planned": 5, "grad_accum": 8}.items()),
        framework,
    )
    where = place(step, solve(claims).explanations[0])
    assert where is not None
    assert (where.epoch, where.batch, where.update) == wanted


def test_where_a_step_of_an_uneven_epoch_lies() -> None:
    """Windows of 8 in epochs of 63: Lightning starts a new one with the epoch, mmengine does not."""
    numbers = {"iters_per_epoch": 63, "epochs_planned": 2, "grad_accum": 8}
    claims = tuple(Claim(n, v, v) for n, v in numbers.items())
    found = {name: place(64, solve(Claims(claims, name)).explanations[0]) for name in ("lightning", "mmengine")}
    assert {name: where and where.update for name, where in found.items()} == {"lightning": (9, 9), "mmengine": (8, 8)}


def test_where_a_step_of_a_cycle_lies() -> None:
    """Epochs start over with each cycle."""
    numbers = {"iters_per_epoch": 288, "epochs_planned": 10, "cycles": 100}
    where = place(2881, solve(Claims(tuple(Claim(n, v, v) for n, v in numbers.items()))).explanations[0])
    assert where is not None
    assert (where.cycle, where.epoch, where.batch) == (2, 1, 1)


def test_ranks_that_do_not_share() -> None:
    """Every rank draws every sample: that is no padding."""
    seen = board(num_samples=10_000, batch_size=32, world_size=4, iters_per_epoch=313)
    assert seen.steps[1] == "⌈10,000/32⌉ = 313 iterations an epoch (of each rank: every sample is drawn 4 times)."


def test_too_little_is_not_elaborated() -> None:
    """Where nothing follows, no list of what might be."""
    seen = board(batch_size=32)
    assert (seen.verdict, seen.others, seen.open) == ("unknown", (), ())


def test_proved_numbers_are_whole() -> None:
    """38 updates an epoch, not 38.0."""
    numbers = {"num_samples": 1221, "batch_size": 4, "grad_accum": 8, "epochs_planned": 3, "updates_planned": 114}
    assert "updates an epoch = 38" in board("huggingface", **numbers).proved


def test_a_run_that_is_planned_in_updates_bounds_no_samples() -> None:
    """800 updates of 32 samples: 25,600 samples, or more of which a part is drawn."""
    seen = board("transformers 4.49.0", batch_size=4, grad_accum=4, world_size=2, updates_planned=800)
    assert any("planned in updates and ends inside an epoch" in sentence for sentence in seen.others)
    assert "samples: nothing bounds them" in seen.open
    assert seen.proved == ("samples an update = 32",)


MAX_STEPS = {"num_samples": 1221, "batch_size": 4, "grad_accum": 8, "world_size": 1}


def test_a_run_of_so_many_updates_inside_its_first_epoch() -> None:
    """max_steps=20 of 39 an epoch: all of the board, T = U · A, what was drawn, the part of the epoch."""
    seen = board("huggingface", **MAX_STEPS, updates_planned=20)
    assert seen.steps == (
        "1,221 samples in one process, micro-batch 4.",
        "⌈1,221/4⌉ = 306 iterations an epoch.",
        "20 updates × accumulation 8 = 160 iterations in all.",
        "160 / 306 = 0.52: the run ends inside epoch 1.",
        "160 iterations × micro-batch 4 × 1 rank = 640 samples drawn, 52.42 % of 1,221.",
        "4 × accumulation 8 × 1 rank = 32 samples an update.",
    )
    assert not any(text.startswith("iterations in all") for text in seen.open)


def test_a_run_of_so_many_updates_inside_a_later_epoch() -> None:
    """max_steps=100: transformers from 4.47 on ends a window with each epoch (39 updates are 306 iterations), older
    ones carry it over (100 · 8 = 800)."""
    steps = {v: board(v, **MAX_STEPS, updates_planned=100).steps for v in ("hf 5.0", "hf 4.49", "hf 4.46")}
    flushed = (
        "100 updates: 2 epochs of 39 (306 iterations each) and 22 × accumulation 8 = 788 iterations in all.",
        "788 / 306 = 2.58: the run ends inside epoch 3.",
        "2 epochs of 1,221 and 176 iterations × micro-batch 4 × 1 rank = 3,146 samples drawn.",
    )
    assert steps["hf 5.0"][2:5] == steps["hf 4.49"][2:5] == flushed
    assert steps["hf 4.46"][2:4] == (
        "100 updates × accumulation 8 = 800 iterations in all.",
        "800 / 306 = 2.61: the run ends inside epoch 3.",
    )


def test_a_run_of_so_many_updates_of_which_little_is_known() -> None:
    """60 updates of 156 or 157 an epoch: the part of the epoch, and what the iterations depend on."""
    claims = (Claim("updates_per_epoch", 156, 157), Claim("updates_planned", 60, 60))
    seen = derive(solve(Claims(claims, "huggingface")))
    assert seen.steps == (
        "60 updates of 156 … 157 an epoch, 0.38: the run ends inside epoch 1.",
        "Iterations: 60 without accumulation, 240 at 4, 480 at 8.",
    )
    assert "accumulation: nothing says it" in seen.open


def test_updates_of_a_run_that_ends_inside_its_first_epoch() -> None:
    """300 of 1,000 iterations by 4 are 75 updates, whatever becomes of windows at an epoch's end."""
    seen = board(iters_per_epoch=1000, iters_planned=300, grad_accum=4)
    assert seen.steps == (
        "300 / 1,000 = 0.30: the run ends inside epoch 1.",
        "300 / 4 = 75 updates, 250 an epoch, no window left over.",
    )
    assert seen.open == ()


def test_ranks_that_share_a_sample() -> None:
    """Eight ranks, two by two: four groups of 305 iterations, in the steps and in the table."""
    numbers = {"num_samples": 1220, "batch_size": 1, "grad_accum": 8, "world_size": 8, "iters_per_epoch": 305}
    seen = board("xtuner", **numbers, sequence_parallel=2)
    assert seen.steps[:2] == (
        "1,220 samples, 8 ranks, 2 share a sample, micro-batch 1. SequenceParallelSampler (xtuner 0.1.15 to 0.2.0) "
        "gives each rank ⌈N/W⌉, W = ranks / sequence_parallel.",
        "⌈1,220/4⌉ = 305 iterations an epoch.",
    )
    assert seen.steps[-1] == "1 × accumulation 8 × 8 ranks / 2 = 32 samples an update."
    assert [(row.ranks, row.iters_per_epoch) for row in seen.rows] == [(1, 1220), (2, 1220), (4, 610), (8, 305)]


def test_what_the_sampler_fills_up_to() -> None:
    """P is what is claimed; of a range the steps say that it is one."""
    numbers = {"num_samples": 1220, "batch_size": 1, "grad_accum": 8, "world_size": 1}
    claims = [Claim(n, v, v) for n, v in numbers.items()]
    told = {
        ends: derive(solve(Claims((*claims, Claim("sampler_batch", *ends)), "xtuner", "LengthGroupedSampler")))
        for ends in ((6, 6), (4, 8))
    }
    assert told[6, 6].steps[1] == "⌈1,220/(1·6)⌉·6 = 1,224 iterations an epoch (4 samples drawn twice, 0.33 %)."
    assert told[4, 8].steps[1] == "samples that the sampler fills up to = 4 … 8: 1,220 … 1,227 iterations an epoch."


def test_a_run_inside_its_first_epoch_whose_length_is_a_range() -> None:
    """7,493 to 7,504 iterations an epoch: the part and what is drawn follow all the same."""
    numbers = {"batch_size": 4, "grad_accum": 4, "world_size": 2, "updates_planned": 800, "drop_last": 0}
    claims = [Claim(n, v, v) for n, v in numbers.items()]
    seen = derive(solve(Claims((*claims, Claim("iters_per_epoch", 7493, 7504)), "huggingface")))
    assert seen.steps[:3] == (
        "800 updates × accumulation 4 = 3,200 iterations in all.",
        "3,200 / 7,493 … 7,504 = 0.43: the run ends inside epoch 1.",
        "3,200 iterations × micro-batch 4 × 2 ranks = 25,600 samples drawn.",
    )
