"""mmcv up to 1.7: what counts within the epoch and what over the run, in text and JSON; what a header states."""

import polars as pl
import pytest
from reading import SAMPLES, Read, assert_same_in_pieces, read, read_cut

HEAD = "2022-01-01 10:00:00,123 - mmdet - INFO - "
TAIL = "lr: 1.978e-03, eta: 1 day, 4:17:55, time: 1.159, data_time: 0.055, memory: 3697, loss_cls: 0.5123, loss: 1.3050"
PLACE = ("phase", "epoch", "iter", "iters_per_epoch", "global_iter", "iters_planned")
BY_EPOCH = "by_epoch/20220314_090000.log"
KILLED, RESUMED = "by_iter_resume/20220315_142005.log", "by_iter_resume/20220315_164130.log"


def sample(name: str) -> Read:
    return read((SAMPLES / "mmcv" / name).read_bytes())


def places(found: Read) -> list[tuple[object, ...]]:
    return found["progress"].sort("line").select(PLACE).rows()


def metrics(found: Read) -> dict[str, float]:
    return dict(found["metrics"].select("name", "value").rows())


def stated(found: Read, name: str) -> list[tuple[str, str]]:
    """The distinct values of a fact, with where they come from, whichever parser read them."""
    mine = found["facts"].filter(pl.col("name") == name).sort("line").select("value", "source")
    return mine.unique(maintain_order=True).rows()


def events(found: Read, *columns: str) -> list[tuple[object, ...]]:
    return found["events"].sort("line").select("kind", *columns).rows()


# ── counters ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("counter", "place"),
    [
        (f"Epoch [2][50/7330]\t{TAIL}", ("train", 2, 50, 7330, 7380, None)),
        (f"Iter [50/80000]\t{TAIL}", ("train", None, None, None, 50, 80000)),
        ("Epoch(val) [2][5000]\tbbox_mAP: 0.3740", ("val", 2, 5000, 5000, None, None)),
        ("Iter(val) [500]\tmIoU: 0.4521", ("val", None, 500, 500, None, None)),
    ],
)
def test_text_counters(counter: str, place: tuple[object, ...]) -> None:
    """By epoch the counter is within the epoch, by iteration it is global; a val line is a whole validation."""
    assert places(read(HEAD + counter)) == [place]


def test_text_values() -> None:
    """Times, memory, rate and remaining time are columns; the rest are metrics, a list of numbers is a fact."""
    row = read(f"{HEAD}Epoch [1][50/7330]\t{TAIL}")["progress"].row(0, named=True)
    assert (row["s_per_iter"], row["data_s_per_iter"], row["memory_mib"], row["lr"]) == (1.159, 0.055, 3697, 1.978e-3)
    assert row["eta_s"] == 86400 + 4 * 3600 + 17 * 60 + 55
    found = read(
        f"{HEAD}Epoch(val) [1][5000]\tbbox_mAP: 0.3740, bbox_mAP_copypaste: 0.3740 -1.0000 0.4040, bbox_mAP_l: nan"
    )
    assert set(metrics(found)) == {"bbox_mAP", "bbox_mAP_l"}
    assert stated(found, "bbox_mAP_copypaste") == [("0.3740 -1.0000 0.4040", "log")]


def test_several_optimizers() -> None:
    """Rates of several optimizers are metrics with a name each, in text and JSON; none of them is the learning rate."""
    text = f"{HEAD}Iter [100/300]\tlr_generator: 1.000e-04 lr_discriminator: 2.000e-04, loss: 0.0300"
    copy = (
        '{"mode": "train", "epoch": 1, "iter": 100, "lr": {"generator": 0.0001, "discriminator": 0.0002}, "loss": 0.03}'
    )
    for line in (text, copy):
        found = read(line)
        assert metrics(found) == {"lr_generator": 1e-4, "lr_discriminator": 2e-4, "loss": 0.03}
        assert found["progress"]["lr"].to_list() == [None]


# ── the JSON copy ────────────────────────────────────────────────────────────────────────────────────────────────────

TRAIN = '{"mode": "train", "epoch": 2, "iter": 110, "lr": 0.01, "loss": 0.5, "time": 0.4}\n'
VAL = '{"mode": "val", "epoch": 2, "iter": 10, "lr": 0.01, "mIoU": 0.5}\n'


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (r"runner = dict(type='EpochBasedRunner', max_epochs=4)\n", (2, 110, None)),
        (r"runner = dict(type='IterBasedRunner', max_iters=160)\n", (2, None, 110)),
        (r"total_epochs = 12\n", (2, 110, None)),
        (r"workflow = []\ntotal_iters = 80000\n", (2, None, 110)),
        (None, (2, 110, None)),
    ],
)
def test_the_configuration_tells_what_is_counted(config: str | None, place: tuple[int | None, ...]) -> None:
    """`iter` is global where the first line names a runner by iteration, over the border of a piece too."""
    meta = "" if config is None else f'{{"env_info": "MMCV: 1.7.1", "config": "{config}", "seed": 0}}\n'
    whole = read(meta + TRAIN + VAL)
    assert whole["progress"].sort("line").select("epoch", "iter", "global_iter").rows() == [place, (2, 10, None)]
    if meta:
        assert_same_in_pieces(whole, read_cut((meta + TRAIN + VAL).encode(), len(meta)))


@pytest.mark.parametrize("name", [BY_EPOCH, KILLED, RESUMED])
def test_text_and_copy_agree(name: str) -> None:
    """Both copies of a run have the same lines with the same losses, epochs or iterations, up to rounding."""
    text, copy = sample(name), sample(f"{name}.json")
    key = ["phase", "epoch", "iter"] if name == BY_EPOCH else ["phase", "global_iter"]
    one, two = (t["metrics"].filter(pl.col("name") == "loss").sort("line") for t in (text, copy))
    assert one.height > 5
    assert one.select(key).rows() == two.select(key).rows()
    assert ((one["value"] - two["value"]).abs() < 1e-4).all()
    facts = [{name: stated(t, name) for name in ("batch_size", "gpus_visible", "seed")} for t in (text, copy)]
    assert facts[0]["batch_size"] == facts[1]["batch_size"]
    assert facts[0]["gpus_visible"] == facts[1]["gpus_visible"] == [("2", "log")]


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_header_states() -> None:
    """Batch size, epochs, ranks, GPUs, seed and accumulation come from the lines above the training."""
    by_epoch, by_iteration = sample(BY_EPOCH), sample(RESUMED)
    assert stated(by_epoch, "batch_size") == [("4", "config")]
    assert {value for value, _ in stated(by_epoch, "epochs_planned")} == {"4"}
    assert stated(by_epoch, "world_size") == [("1", "log")]
    assert stated(by_epoch, "gpus_visible") == [("2", "log")]
    assert stated(by_epoch, "gpu_name") == [("NVIDIA TITAN V", "log")]
    assert stated(by_epoch, "framework_version") == [("1.7.2", "log")]
    assert stated(by_epoch, "host") == [("node1", "log")]
    assert stated(by_iteration, "grad_accum") == [("8", "config")]
    assert {value for value, _ in stated(by_iteration, "iters_planned")} == {"160"}


@pytest.mark.parametrize(
    ("devices", "ranks"),
    [("range(0, 8)", ["8"]), ("[0, 1, 2]", ["3"]), ("range(0, 1)", []), ("[3]", [])],
)
def test_several_devices_are_ranks(devices: str, ranks: list[str]) -> None:
    """`gpu_ids` with several devices is the number of ranks; a single one is not, old scripts leave it at that."""
    found = read(f"{HEAD}Distributed training: True\n{HEAD}Config:\ngpu_ids = {devices}\nseed = 0\n{HEAD}x\n")
    assert [value for value, _ in stated(found, "world_size")] == ranks
    assert stated(found, "gpu_ids") == [(devices, "config")]


def test_every_line_is_known() -> None:
    """No line of the samples is left without an explanation."""
    for name in (BY_EPOCH, KILLED, RESUMED, f"{BY_EPOCH}.json", f"{RESUMED}.json"):
        assert sample(name).ledger["lines_unknown"].to_list() == [0], name


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_checkpoints_and_best() -> None:
    """A process start, a checkpoint an epoch, and each new best with its epoch."""
    found = events(sample(BY_EPOCH), "epoch")
    assert found[0] == ("start", None)
    assert [epoch for kind, epoch in found if kind == "checkpoint"] == [1, 2, 3, 4]
    assert [epoch for kind, epoch in found if kind == "best"] == [1, 2, 4]


def test_resume_as_it_is_printed() -> None:
    """By iteration the checkpoint of iteration 60 is resumed as 59, and 60 is printed again."""
    found = sample(RESUMED)
    assert [row for row in events(found, "epoch", "global_iter") if row[0] == "resume"] == [("resume", 2, 59)]
    assert found["progress"]["global_iter"][0] == 60
    assert [row for row in events(sample(KILLED), "global_iter") if row[0] == "checkpoint"][-1] == ("checkpoint", 60)


def test_a_start_without_an_environment() -> None:
    """Where a script prints no environment the runner's first line is the start; it is no second one beside it."""
    runner = f"{HEAD}Start running, host: me@node1, work_dir: /tmp/w\n"
    assert [kind for (kind,) in events(read(runner))] == ["start"]
    environment = f"{HEAD}Environment info:\n{'-' * 60}\nsys.platform: linux\n{'-' * 60}\n"
    assert events(read(environment + runner), "line") == [("start", 1)]


def test_a_loss_that_is_no_number() -> None:
    """nan is kept as a value and is an event."""
    found = read(f"{HEAD}Epoch [1][50/60]\tlr: 1.0e-03, loss: nan\n")
    assert events(found, "epoch", "global_iter") == [("nan_loss", 1, 50)]
    assert found["metrics"]["value"].is_nan().to_list() == [True]
