"""What DeepSpeed's lines say: updates of the run, micro-steps of the process, and what of them is one moment."""

import re

import polars as pl
import pytest
from reading import SAMPLES, Read, assert_same_in_pieces, read, read_cut

STEP = (
    "[2024-01-01 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step={}, skipped=0, lr=[1e-05, 3e-05], "
    "mom=[(0.9, 0.95), (0.9, 0.95)]"
)
TIMER = (
    "[2024-01-01 10:00:{},125] [INFO] [timer.py:260:stop] epoch={}/micro_step={}/global_step={}, "
    "RunningAvgSamplesPerSec=61.23, CurrSamplesPerSec=60.1, MemAllocated=5.2GB, MaxMemAllocated=20.13GB"
)
OLD_TIMER = "[2021-03-10 18:22:31,608] [INFO] [timer.py:154:stop] 0/{}, SamplesPerSec=6.302019280317165"
OLD_STEP = (
    "[2021-03-10 18:22:31,600] [INFO] [logging.py:60:log_dist] [Rank 0] step={}, skipped=5, lr=[1e-06], mom=[0.9]"
)
PIPELINE = "steps: 20 loss: 2.1234 aux: 0.5000 iter time (s): 1.234 samples/sec: 25.932"
COUNTS = ("update", "global_iter", "epoch", "iter", "lr")


def counts(*lines: str) -> list[tuple[object, ...]]:
    """(update, global_iter, epoch, iter, lr) of each record."""
    return read("\n".join(lines) + "\n")["progress"].sort("line").select(COUNTS).rows()


def values(found: Read) -> dict[str, float]:
    return dict(found["metrics"].select("name", "value").rows())


def sample(name: str) -> bytes:
    return (SAMPLES / "deepspeed" / f"{name}.log").read_bytes()


# ── counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_lines_of_a_step() -> None:
    """Two records: the step line has updates and rate, the timer's line both and the iterations."""
    assert counts(STEP.format(10), TIMER.format("00", 0, 80, 10)) == [
        (10, None, None, None, 1e-05),
        (10, 80, None, None, 1e-05),
    ]


def test_values_and_their_units() -> None:
    """Samples a second over all ranks; GB are GiB, the highest is the record's memory."""
    found = read(STEP.format(10) + "\n" + TIMER.format("00", 0, 80, 10) + "\n")
    assert found["progress"]["memory_mib"].to_list() == [None, pytest.approx(20.13 * 1024)]
    assert values(found) == {
        "skipped_updates": 0,
        "samples_per_s_mean": 61.23,
        "samples_per_s": 60.1,
        "memory_allocated_mib": pytest.approx(5.2 * 1024),
    }
    assert found.formats == {0: {"deepspeed"}}
    assert found["issues"].is_empty()


def test_a_timer_alone() -> None:
    """Without a step line the updates are those of the timer."""
    assert counts(TIMER.format("00", 0, 80, 10)) == [(10, 80, None, None, None)]


def test_a_resumed_process_counts_on() -> None:
    """The timer counts from 0 again, the step line does not: what stands beside it says which update it is."""
    assert counts(STEP.format(1010), TIMER.format("00", 0, 80, 10))[1] == (1010, 8080, None, None, 1e-05)


def test_another_moment_says_nothing() -> None:
    """Resumed at update 1,005: step lines at 1,010 and 1,020, the timer's between them."""
    assert counts(STEP.format(1010), TIMER.format("09", 0, 80, 10))[1] == (None, None, None, None, None)


def test_a_slow_line_of_the_same_count() -> None:
    """The timer waits for the GPU; where both say the same number they are of one moment, however late."""
    assert counts(STEP.format(10), TIMER.format("09", 0, 80, 10))[1] == (10, 80, None, None, 1e-05)


def test_an_engine_that_is_told_of_epochs() -> None:
    """Micro-steps begin anew, A is that of the lines before; without one the iterations of the run are unknown."""
    first, second = TIMER.format("00", 0, 900, 450), TIMER.format("08", 1, 26, 490)
    assert counts(first, second)[1] == (490, 980, 2, 26, None)
    assert counts(second) == [(490, None, 2, 26, None)]


def test_lines_up_to_0_7() -> None:
    """Two numbers: epoch and micro-steps, more often than step lines where windows are longer than one iteration."""
    assert counts(OLD_TIMER.format(10), OLD_STEP.format(10), OLD_TIMER.format(20)) == [
        (None, 10, None, None, None),
        (10, None, None, None, 1e-06),
        (10, 20, None, None, 1e-06),
    ]


def test_the_pipeline_engine() -> None:
    """Updates, a loss, other losses; its seconds are those of an update."""
    found = read(PIPELINE)
    assert counts(PIPELINE) == [(20, None, None, None, None)]
    assert values(found) == {"loss": 2.1234, "aux": 0.5, "s_per_update": 1.234, "samples_per_s": 25.932}
    assert found["progress"]["s_per_iter"].to_list() == [None]


@pytest.mark.parametrize("host", ["worker-0: ", "192.168.205.202: ", "0: "])
def test_the_launcher_s_host_may_stand_in_front(host: str) -> None:
    """Pdsh and srun label each line."""
    assert counts(host + STEP.format(10), host + PIPELINE) == [
        (10, None, None, None, 1e-05),
        (20, None, None, None, None),
    ]


def test_a_line_behind_a_bar() -> None:
    """The logger writes to stdout, behind the open bar of stderr."""
    found = read("  8%|8         | 1999/24128 [1:52:09<20:27:23,  3.33s/it]" + STEP.format(2000) + "\n")
    assert found["progress"].sort("piece").select("format", "piece").rows() == [("tqdm", 0), ("deepspeed", 1)]


@pytest.mark.parametrize(
    "line",
    [
        "step=10, skipped=0, lr=[1e-05], mom=[(0.9, 0.95)]",
        "RunningAvgSamplesPerSec=149.4, CurrSamplesPerSec=161.9, MemAllocated=22.4GB, MaxMemAllocated=29.0GB",
        f"The engine prints {PIPELINE}",
        "steps: 20 loss: 2.1234",
        "[2024-01-01 10:00:00,125] [INFO] [timer.py:260:stop] epoch=0/micro_step=80/global_step=10, vm %: 5, swap %: 0",
        "[2024-01-01 10:00:00,125] [INFO] [logging.py:96:log_dist] [Rank 0] time (ms) | fwd: 3865.91 | step: 888.45",
    ],
)
def test_other_lines_are_no_records(line: str) -> None:
    """Quotations, cut lines, and what the engine says besides."""
    assert read(line)["progress"].is_empty()


def test_messages_are_no_clock() -> None:
    """Stamps of the engine's set-up alone would be taken for the end of a log that trains on without it."""
    found = read("[2025-03-17 10:08:56,584] [INFO] [logging.py:129:log_dist] [Rank 0] Creating ZeRO Offload\n")
    assert found.formats == {}
    assert found["clocks"].is_empty()
    assert found.ledger["lines_known"].to_list() == [1]


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["accumulation", "killed_and_resumed", "epoch_count", "pipeline"])
def test_every_line_of_a_sample_is_a_record(name: str) -> None:
    """Counted in the bytes, by the crudest means."""
    data = sample(name)
    lines = len(re.findall(rb"step=[0-9]+, skipped|SamplesPerSec=[0-9.]+, Mem|^steps: ", data, re.MULTILINE))
    assert read(data)["progress"].height == lines


def test_what_the_engine_states() -> None:
    """The configuration is read once, by `stated`."""
    facts = read(sample("accumulation"))["facts"].filter(pl.col("source") == "config")
    named = facts.filter(pl.col("name").is_in(["batch_size", "grad_accum", "world_size", "total_batch_size"]))
    assert named.sort("name").select("name", "value").rows() == [
        ("batch_size", "4"),
        ("grad_accum", "4"),
        ("total_batch_size", "16"),
        ("world_size", "1"),
    ]


def test_two_dots_are_dots() -> None:
    """A long name leaves room for two of them; where the user's configuration has no such line it is all there is."""
    found = read("[2024-01-01 10:00:00,123] [INFO] [config.py:964:print]   gradient_accumulation_steps .. 4\n")
    assert found["facts"].select("name", "value", "source").rows() == [("grad_accum", "4", "config")]


def test_a_process_that_begins_behind_another() -> None:
    """`step=0` behind lines that counted is a start; the first one of a log is its begin."""
    found = read(sample("killed_and_resumed"))["events"].sort("line")
    assert found.select("kind", "line").rows() == [("checkpoint", 157), ("start", 178)]


def test_what_stood_before_may_stand_in_another_piece() -> None:
    """Pieces of a large log give the tables of the whole, wherever they end between two lines of a step."""
    data = sample("epoch_count")
    whole = read(data)
    for line in (b"epoch=0/micro_step=40/", b"epoch=1/micro_step=15/", b"epoch=2/micro_step=90/"):
        border = data.rindex(b"\n", 0, data.index(line)) + 1
        assert_same_in_pieces(whole, read_cut(data, border))
