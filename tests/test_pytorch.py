"""Plain prints: which counter is which, which phase a value is of, and what is no record at all."""

import polars as pl
import pytest
from reading import SAMPLES, Read, assert_same_in_pieces, read, read_cut

SEED_002 = """\
Epoch [1/5], Batch [300/312], Step [300/1560], Loss: 0.7051
Epoch [2/5], Batch [50/312], Step [362/1560], Loss: 0.6932
Epoch [2/5], Batch [100/312], Step [412/1560], Loss: 0.7037
...
"""
PLACE = ("epoch", "epochs_planned", "iter", "iters_per_epoch", "global_iter", "iters_planned")


def place(line: str) -> dict[str, int]:
    """The counters of the one record that a line gives."""
    row = read(line)["progress"].row(0, named=True)
    assert row["format"] == "pytorch"
    return {name: row[name] for name in PLACE if row[name] is not None}


def values(found: Read) -> list[tuple[str, str, float]]:
    return found["metrics"].sort("line", maintain_order=True).select("phase", "name", "value").rows()


def stated(found: Read, name: str) -> list[str]:
    return found["facts"].filter(pl.col("name") == name)["value"].to_list()


def sample(name: str) -> Read:
    return read((SAMPLES / "pytorch" / f"{name}.log").read_bytes())


# ── counters ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_batches_within_the_epoch_and_steps_over_all() -> None:
    """Epoch, Batch and Step of the tutorial's line are the epoch, the iteration in it and the one of the whole run."""
    found = read(SEED_002)["progress"]
    assert found.select(PLACE).rows() == [
        (1, 5, 300, 312, 300, 1560),
        (2, 5, 50, 312, 362, 1560),
        (2, 5, 100, 312, 412, 1560),
    ]
    assert found["phase"].to_list() == ["train"] * 3


@pytest.mark.parametrize(
    "line",
    [
        "Step [362/1560], Epoch [2/5], Batch [50/312], Loss: 0.7",
        "Loss: 0.7 - step: 362/1560 - batch: 50/312 - epoch: 2/5",
        "[Epoch 2/5] [Batch 50/312] [Step 362/1560] [loss: 0.7]",
        "epoch 2 of 5 | iter 50 of 312 | step 362 of 1560 | loss=0.7",
        "EPOCH 2/5, ITERATION 50/312, GLOBAL STEP 362/1560, LOSS 0.7",
    ],
)
def test_order_and_brackets_do_not_matter(line: str) -> None:
    """The same counters in other orders, brackets, cases and with `of` for the slash are the same place."""
    assert place(line) == dict(zip(PLACE, (2, 5, 50, 312, 362, 1560), strict=True))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "Epoch [2/5], Step [100/600], Loss: 0.2",
            {"epoch": 2, "epochs_planned": 5, "iter": 100, "iters_per_epoch": 600},
        ),
        ("Epoch 1, Step 100, Loss 0.5", {"epoch": 1, "iter": 100}),
        ("Epoch 7, Global Step 900, Loss: 0.4", {"epoch": 7, "global_iter": 900}),
        ("Iter 100/2000, loss = 0.5", {"global_iter": 100, "iters_planned": 2000}),
        ("step 250: train loss 2.44, val loss 2.45", {"global_iter": 250}),
        ("Batch 50/312, Loss: 0.5", {"iter": 50, "iters_per_epoch": 312}),
        ("epoch 0 loss 0.12", {"epoch": 0}),
        ("[1,  2000] loss: 2.213", {"epoch": 1, "iter": 2000}),
        ("Epoch: 2/10 [50/312] loss: 0.7", {"epoch": 2, "epochs_planned": 10, "iter": 50, "iters_per_epoch": 312}),
    ],
)
def test_a_lone_counter(line: str, expected: dict[str, int]) -> None:
    """Beside an epoch a lone counter is within it; else an iteration is global and a batch is not; the rest is null."""
    assert place(line) == expected


def test_a_header_gives_the_epoch_of_the_lines_below() -> None:
    """`Epoch 2` on a line of its own is no record; lines below it without an epoch have this one, over borders too."""
    log = b"Epoch 1\n---\nloss: 2.3  [   64/60000]\nEpoch 2\n---\nBatch 3/9, loss: 2.2\nloss: 2.1  [ 6464/60000]\n"
    whole = read(log)
    assert whole["progress"]["epoch"].to_list() == [1, 2, 2]
    for cut in range(1, len(log)):
        if log[cut - 1 : cut] == b"\n":
            assert_same_in_pieces(whole, read_cut(log, cut))


# ── samples in brackets ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_percentage_makes_the_bracket_samples() -> None:
    """`[640/60000 (1%)]` counts samples of the epoch before this batch: no iteration, and the total is the data set."""
    found = read("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.301234\nTrain Epoch: 1 [1280/60000 (2%)]\tLoss: 2.2\n")
    assert found["progress"].select("epoch", "samples_seen", "iter", "iters_per_epoch").rows() == [
        (1, 640, None, None),
        (1, 1280, None, None),
    ]
    assert stated(found, "num_samples") == ["60000"]


def test_a_test_set_is_of_the_epoch_above() -> None:
    """Its accuracy is the fraction of right answers, its size no number of training samples."""
    found = sample("digits")
    tests = found["progress"].filter(pl.col("phase") == "test")
    assert tests["epoch"].to_list() == [1, 2]
    assert ("test", "accuracy", 0.885) in values(found)
    assert stated(found, "num_samples") == ["6000"]
    assert stated(found, "test_samples") == ["1000"]


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Epoch 5: train loss 0.3, val loss 0.4", [("train", "loss", 0.3), ("val", "loss", 0.4)]),
        (
            "Epoch: 05 | Train Loss: 0.4 | Val. Loss: 0.3 | Val. Acc: 82.01%",
            [("train", "loss", 0.4), ("val", "loss", 0.3), ("val", "acc", 82.01)],
        ),
        ("Epoch 2/10, valid_loss=0.5, test acc: 0.8", [("val", "loss", 0.5), ("test", "acc", 0.8)]),
        ("Val Epoch: 3, loss: 0.5", [("val", "loss", 0.5)]),
        ("Epoch 3, Average Loss: 0.5", [("train", "loss", 0.5)]),
        ("Epoch 3, Loss: 0.4, Average Loss: 0.5", [("train", "loss", 0.4), ("train", "average_loss", 0.5)]),
        ("Epoch 3 loss: -1.5e-3", [("train", "loss", -0.0015)]),
        ("Epoch 3/10 - loss: 0.3211 - time: 12.3s", [("train", "loss", 0.3211), ("train", "time", 12.3)]),
        ("Epoch 3 | loss: 0.3 | time: 1:02", [("train", "loss", 0.3), ("train", "time", 62.0)]),
        ("[Epoch 1/9] [D loss: 0.5] [G loss: 1.2]", [("train", "d_loss", 0.5), ("train", "g_loss", 1.2)]),
    ],
)
def test_names_and_phases(line: str, expected: list[tuple[str, str, float]]) -> None:
    """A word for a phase in front of a name is the phase; else a value is of its line's phase, by default train."""
    assert values(read(line)) == expected


def test_a_line_of_validation_alone_is_one() -> None:
    """A line all of whose values are a validation's is no training record."""
    assert read("Epoch 2/2 - val_loss: 0.16 - val_acc: 0.93")["progress"]["phase"].to_list() == ["val"]


def test_rates_and_durations_have_columns() -> None:
    """A learning rate, a remaining and an elapsed time are columns; a rate is no metric beside."""
    found = read("Epoch 3, LR: 1e-4, ETA: 1 day, 2:03:04, elapsed: 61, loss: 0.2")
    assert found["progress"].select("lr", "eta_s", "elapsed_s").rows() == [(1e-4, 93784.0, 61.0)]
    assert values(found) == [("train", "loss", 0.2)]


def test_the_first_loss_that_is_no_number_is_an_event() -> None:
    """nan of the training is an event, once; nan of a validation is not."""
    found = sample("epochs_only")["events"]
    assert found.select("kind", "line", "epoch").rows() == [("nan_loss", 6, 6)]
    assert read("Epoch 1: train loss 0.3, val loss nan")["events"].is_empty()


# ── what stands in front ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prefix", "stamp", "rank"),
    [
        ("2026-02-17 10:00:00,123 - INFO - ", "2026-02-17 10:00:00.123000", None),
        ("2026-02-17 10:00:00,123 - root - INFO - ", "2026-02-17 10:00:00.123000", None),
        ("2026-02-17 10:00:00.123 | INFO     | __main__:train:88 - ", "2026-02-17 10:00:00.123000", None),
        ("[2026-02-17 10:00:00] ", "2026-02-17 10:00:00", None),
        ("INFO:root:", None, None),
        ("[INFO] ", None, None),
        ("3: ", None, 3),
        ("[rank3]: ", None, 3),
        ("0: [2026-02-17 10:00:00] ", "2026-02-17 10:00:00", 0),
    ],
)
def test_a_logger_may_stand_in_front(prefix: str, stamp: str | None, rank: int | None) -> None:
    """Loggers' prefixes are no obstacle; their stamp and a rank are columns."""
    row = read(f"{prefix}Epoch [2/5], Batch [50/312], Loss: 0.7")["progress"].row(0, named=True)
    assert (row["epoch"], row["iter"], row["rank"]) == (2, 50, rank)
    assert (None if row["logged_at"] is None else str(row["logged_at"])) == stamp


# ── what is no record ────────────────────────────────────────────────────────────────────────────────────────────────

PROSE = """\
after Epoch 5 the loss: was low, see README
In epoch 3 the model reached a loss of 0.3
Epoch 5 was the best one, loss: 0.3
Epoch 3 the validation loss 0.3
Step 1: install the package, accuracy: high
Step 3: error: 5
Epoch 12 epochs of loss 0.3
loss: 0.3
accuracy = 0.9
"""
OTHERS = """\
Epoch: [3][  11/5005]\tTime  0.300 ( 0.300)\tData  0.010 ( 0.010)\tLoss 6.2727e-01 (1.8943e+00)\tAcc@1   1.20 (  1.20)
Epoch: [0]  [  10/312]  eta: 0:05:12  lr: 0.1  img/s: 31.2  loss: 6.9078 (6.9100)  time: 1.0023  data: 0.5012
Epoch: [0] Total time: 0:05:10 (0.9936 s / it)
Epoch[0] - Iter: [0/13]\tTime 0.5 (0.5)\tData 0.2 (0.2)\tLoss 2.3 (2.3)
Train: 12 [  50/1251 (  4%)]  Loss: 3.21 (3.50)  Time: 0.410s, 2497.56/s  (0.440s, 2327.27/s)  LR: 1.200e-04
Train: [0/20][0/395]\teta 0:10:00 lr 0.000008\ttime 1.2 (1.2)\tloss 4.0 (4.0)
| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 13.44 | loss  7.60 | ppl  2008.20
2026-11-20 16:58:27 | INFO | train_inner | epoch 001:    100 / 312 loss=0.131, ppl=22.3, wps=31213.4, wpb=4096
2026-11-20 16:58:27 | INFO | train | epoch 001 | loss 9.2 | nll_loss 8.1 | ppl 274.4 | num_updates 312 | wall 130
 iteration     1000/  500000 | elapsed time per iteration (ms): 512.3 | learning rate: 1.500E-04 | lm loss: 6.5E+00 |
[2026-02-17 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[9.7e-06], mom=[(0.9, 0.95)]
steps: 20 loss: 2.1234 iter time (s): 1.234 samples/sec: 25.932
[titan] 2026-02-17 10:00:00,123 - root - INFO - step: 10  loss:  7.12345  memory: 45.20GiB(47.61%)  tps: 8,123
[XTuner][2026-08-21 16:02:20][INFO] Epoch 1 Step 10/936 data_time: 0.0123 lr: 2.0e-05 time: 1.2345 loss: 0.4
[07/01 09:15:00] ppdet.engine INFO: Epoch: [0] [0/134] learning_rate: 0.000000 loss: 2.1 eta: 1:00:00
step    1/18865 | loss 11.00 (+nanz)| norm 15.0 (+nanz)| lr 1e-6 | 5000 ms | 47% bf16 MFU | 96000 tok/s
Epoch 1: val_loss improved from inf to 0.65040, saving model to x.keras
Epoch 00005: ReduceLROnPlateau reducing learning rate to 0.0001.
Epoch 0, global step 0: 'valid_loss' was not in top 1
"""


@pytest.mark.parametrize("line", PROSE.splitlines())
def test_prose_is_no_record(line: str) -> None:
    """A sentence with an epoch and a loss gives nothing; neither do a counter or a value alone."""
    assert read(line)["progress"].is_empty()


@pytest.mark.parametrize("line", OTHERS.splitlines())
def test_lines_of_other_formats_are_left_alone(line: str) -> None:
    """What frameworks print is not taken for somebody's own print, whether or not their format is known."""
    assert "pytorch" not in read(line).formats.get(0, set())


def test_a_quoted_line_is_one_record() -> None:
    """A text that quotes a line of a log gives that record, and nothing for what it says about it."""
    text = "The log of epoch 1 shows\n\n    Epoch [1/5], Batch [50/312], Loss: 0.7\n\nso Batch 50 had a loss of 0.7.\n"
    assert read(text)["progress"]["line"].to_list() == [3]


def test_specific_formats_win() -> None:
    """A line that a format claims is not asked for again."""
    line = (
        "2022-01-01 10:00:00,123 - mmdet - INFO - Epoch [1][50/7330]\tlr: 1.9e-03, eta: 4:17:55, time: 1.159, loss: 1.3"
    )
    assert read(line).formats == {0: {"mmcv"}}


# ── the samples ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "batches"), [("dropping", 312), ("keeping", 313)])
def test_the_last_batch_is_dropped_or_not(name: str, batches: int) -> None:
    """10,000 samples in batches of 32: the log that drops the last one counts to 312, the other to 313."""
    rows = sample(f"epoch_batch_step_{name}")["progress"]
    assert rows.height == 30
    assert set(rows["iters_per_epoch"]) == {batches}
    assert set(rows["iters_planned"]) == {5 * batches}
    assert rows["global_iter"].to_list() == [(e - 1) * batches + b for e, b in rows.select("epoch", "iter").rows()]


@pytest.mark.parametrize(("batch_size", "batches"), [(1, 1250), (4, 313), (8, 157), (16, 79)])
def test_batch_sizes_side_by_side(batch_size: int, batches: int) -> None:
    """1,250 samples at four batch sizes: ceil(1250 / B) batches, a line every tenth, a validation behind each epoch."""
    rows = sample(f"batch_{batch_size}")["progress"]
    train = rows.filter(pl.col("phase") == "train")
    assert set(train["iters_per_epoch"]) == {batches}
    assert train.height == 2 * (batches // 10)
    assert rows.filter(pl.col("phase") == "val")["epoch"].to_list() == [1, 2]
    assert rows["logged_at"].null_count() == 0


@pytest.mark.parametrize(
    "line",
    ["Epoch 99999999999999999999/5, loss 0.1", "Epoch 5000000000/6000000000 loss: 0.1", "[9999999999, 1] loss: 1.0"],
)
def test_counters_beyond_any_epoch_are_null(line: str) -> None:
    """A number that no epoch has is null; nothing is raised and the line's value stays."""
    found = read(line)
    assert found["progress"].select("epoch", "epochs_planned").rows()[0][0] is None
    assert len(values(found)) == 1


def test_sizes_are_said_once_over_borders() -> None:
    """The size of a data set, on each line of every epoch, is a fact once a log, also of a log read in pieces."""
    epoch = (
        "Train Epoch: {0} [0/60000 (0%)]\tLoss: 2.3\nTrain Epoch: {0} [640/60000 (1%)]\tLoss: 2.2\n"
        "Test set: Average loss: 0.0512, Accuracy: 9834/10000 (98%)\n"
    )
    data = (epoch.format(1) + epoch.format(2)).encode()
    cuts = [at + 1 for at, byte in enumerate(data) if byte in b"\n" and at + 1 < len(data)]
    whole, pieces = read(data), read_cut(data, *cuts)
    assert whole["facts"].select("name", "value").rows() == [("num_samples", "60000"), ("test_samples", "10000")]
    assert_same_in_pieces(whole, pieces)


PHASES = """\
Epoch 0/1
----------
train Loss: 0.4774 Acc: 0.7664
val Loss: 0.2384 Acc: 0.9085

Epoch 1/1
----------
train Loss: 0.3774 Acc: 0.8664
val Loss: 0.1384 Acc: 0.9285

Best val Acc: 0.928500
"""


def test_phases_below_the_header_of_their_epoch() -> None:
    """`train Loss: …` and `val Loss: …` belong to the `Epoch 0/1` above them, also over the borders of a large log."""
    found = read(PHASES)
    rows = found["progress"].sort("line").select("line", "phase", "epoch", "epochs_planned").rows()
    assert rows == [(3, "train", 0, 1), (4, "val", 0, 1), (8, "train", 1, 1), (9, "val", 1, 1)]
    losses = found["metrics"].filter(pl.col("name") == "loss").sort("line").select("phase", "value").rows()
    assert losses == [("train", 0.4774), ("val", 0.2384), ("train", 0.3774), ("val", 0.1384)]
    data = PHASES.encode()
    cuts = [at + 1 for at, byte in enumerate(data) if byte in b"\n" and at + 1 < len(data)]
    assert_same_in_pieces(found, read_cut(data, *cuts))


def test_a_phase_without_a_header_is_no_record() -> None:
    """`Test loss: …` behind another format's bar, under an epoch line that is not its own, is nobody's record."""
    found = read("Epoch 12/12\n100/100 - 1s - loss: 0.5000\nTest loss: 0.05 accuracy: 0.98\ntrain loss: 0.1 acc: 0.9\n")
    assert found["progress"]["format"].to_list() == ["keras"]
    assert read("val loss: 0.2 acc: 0.9\n")["progress"].is_empty()


def test_short_counters_with_a_total() -> None:
    """`i=9/530` counts; `i=9` alone may be anything."""
    found = read("epoch=0 i=9/530 total_loss=14.73172 vocoder_loss=14.03338\n")
    assert found["progress"].select("epoch", "iter", "iters_per_epoch").rows() == [(0, 9, 530)]
    assert found["metrics"].sort("name").select("name", "value").rows() == [
        ("total_loss", 14.73172),
        ("vocoder_loss", 14.03338),
    ]
    assert read("i=9 loss=0.5\n")["progress"].is_empty()
