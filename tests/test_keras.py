"""What the Keras lines say and what they do not: counts of epochs and samples, whose bar it is, which time is which."""

from pathlib import Path

import polars as pl
import pytest
from reading import SAMPLES, Read, assert_same, read, read_cut

FITTED = (
    "Epoch 1/2\n 1/10 {cells} 9s 1s/step - loss: 0.9000\r"
    "10/10 {cells} 0s 1s/step - loss: 0.8000\r"
    "10/10 {cells} 11s 1s/step - loss: 0.8000 - val_loss: 0.7000\n"
)
CELLS = "━" * 20


def keras3(text: str) -> Read:
    return read(text.replace("{cells}", CELLS))


def column(found: Read, name: str, table: str = "progress") -> list[object]:
    return found[table].sort("line", "redraw", "piece", maintain_order=True)[name].to_list()


def facts(found: Read, name: str) -> list[str]:
    return found["facts"].filter(pl.col("name") == name).sort("line")["value"].to_list()


def sample(name: str) -> Read:
    return read((SAMPLES / "keras" / f"{name}.log").read_bytes())


# ── epochs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_epoch_line_holds_for_the_bars_behind_it() -> None:
    """Epoch, planned epochs and the iteration since the start of training come from the epoch line and the counter."""
    found = keras3(FITTED + FITTED.replace("Epoch 1/2", "Epoch 2/2"))
    assert column(found, "epoch") == [1, 1, 1, 2, 2, 2]
    assert column(found, "global_iter") == [1, 10, 10, 11, 20, 20]
    assert set(column(found, "epochs_planned")) == {2}
    assert facts(found, "epochs_planned") == ["2"]


def test_an_epoch_line_alone_is_no_keras() -> None:
    """Other frameworks print `Epoch 1/5` too: without a bar it gives no row, no format and no fact."""
    found = read("Epoch 1/5\nloss is 0.5\nEpoch 2/5\n")
    assert found["progress"].is_empty()
    assert found["facts"].is_empty()
    assert found.formats == {}
    assert found.ledger["lines_known"].to_list() == [2]


@pytest.mark.parametrize("border", [0, 10, 40])
def test_an_epoch_line_holds_over_a_border(border: int) -> None:
    """The epoch line may stand in an earlier piece of a large log than its bar."""
    data = ("x" * border + "\n" + FITTED + FITTED.replace("1/2", "2/2")).replace("{cells}", CELLS).encode()
    cuts = [at + 1 for at, byte in enumerate(data) if byte in b"\n\r" and at + 1 < len(data)]
    for cut in cuts:
        assert_same(read(data), read_cut(data, cut))


def test_a_second_bar_behind_an_epoch_line_is_another_loop() -> None:
    """evaluate() behind fit() is no part of the last epoch: no epoch, no phase, and its loss is no training loss."""
    found = keras3(FITTED + " 1/4 {cells} 1s 9ms/step - loss: 0.1000\r4/4 {cells} 0s 9ms/step - loss: 0.2000\n")
    assert column(found, "epoch") == [1, 1, 1, None, None]
    assert column(found, "phase") == ["train", "train", "train", None, None]
    losses = found["metrics"].filter((pl.col("name") == "loss") & (pl.col("phase") == "train"))
    assert losses["value"].to_list() == [0.9, 0.8, 0.8]


def test_a_border_within_an_evaluation_leaves_it_one() -> None:
    """What kind of loop a bar belongs to is remembered over borders, also over several of them."""
    text = FITTED + "\r".join(f" {n}/10 {{cells}} 1s 9ms/step - loss: 0.{n}000" for n in (1, 2, 3, 4)) + "\n"
    data = (text + FITTED.replace("1/2", "2/2")).replace("{cells}", CELLS).encode()
    cuts = [at + 1 for at, byte in enumerate(data) if byte in b"\n\r" and at + 1 < len(data)]
    for cut in cuts:
        assert_same(read(data), read_cut(data, cut))
    assert_same(read(data), read_cut(data, *cuts))


def test_each_line_of_verbose_2_is_a_loop() -> None:
    """evaluate(verbose=2) behind the line of the last epoch has as many steps and is told from it all the same."""
    found = read("Epoch 2/2\n10/10 - 1s - loss: 0.5000\n10/10 - 0s - loss: 0.3000\n")
    assert column(found, "epoch") == [2, None]


def test_a_closing_line_behind_a_callback_stays_in_its_epoch() -> None:
    """ModelCheckpoint prints between the last redraws of a bar."""
    cut = FITTED.replace("\r10/10 {cells} 11s", "\n\nEpoch 1: saving model to a.keras\n\r10/10 {cells} 11s")
    assert cut != FITTED
    assert column(keras3(cut), "epoch") == [1, 1, 1]


def test_a_fit_without_an_epoch_line_trains() -> None:
    """Keras prints no epoch line for a single epoch: the bar trains, in no epoch that is known."""
    found = keras3(FITTED.removeprefix("Epoch 1/2\n"))
    assert set(column(found, "phase")) == {"train"}
    assert set(column(found, "epoch")) == {None}
    assert set(column(found, "global_iter")) == {None}


def test_repeated_fits_begin_at_epoch_1_again() -> None:
    """Ten schedules of four mini-epochs are ten times epochs 1 to 4, each with its own learning rate."""
    closing = sample("cycles")["progress"].filter(pl.col("lr").is_not_null()).sort("line")
    assert closing["epoch"].to_list() == [1, 2, 3, 4] * 10
    assert closing["lr"].to_list()[:4] == [2.5e-4, 5e-4, 7.5e-4, 1e-3]
    assert set(closing["iter"]) == {12}


def test_a_scheduled_rate_holds_for_its_epoch() -> None:
    """The rate that LearningRateScheduler announces is the rate of that epoch's rows, and of no other."""
    text = (
        "Epoch 1: LearningRateScheduler setting learning rate to 0.25.\n"
        + FITTED
        + FITTED.replace("Epoch 1/", "Epoch 2/")
    )
    assert column(keras3(text), "lr") == [0.25, 0.25, 0.25, None, None, None]


# ── what is counted ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_keras_1_counts_samples() -> None:
    """The bar's first redraw is the first batch; its total, 6,429, is the sample count."""
    found = sample("keras_1.2.2")
    assert set(facts(found, "num_samples")) == {"6429"}
    assert set(facts(found, "batch_size")) == {"32"}
    assert set(facts(found, "counter")) == {"samples"}
    assert set(column(found, "iters_per_epoch")) == {6429}
    assert max(column(found, "iter")) == 6429


def test_announced_samples_prove_the_counter() -> None:
    """`Train on N samples` with a bar of N counts samples, whatever the version."""
    found = sample("keras_2.3.1")
    assert facts(found, "num_samples") == ["1000"]
    assert facts(found, "val_samples") == ["250"]
    assert facts(found, "counter") == ["samples"] * 3
    assert facts(found, "batch_size") == ["32"] * 3


def test_steps_are_not_taken_for_samples() -> None:
    """A counter that begins at 8 may be `steps_per_execution=8`: nothing is said of samples."""
    text = (
        "Epoch 1/3\n 8/320 [>.............................] - ETA: {} - loss: 0.5\r"
        "320/320 [==============================] - 9s 9ms/step - loss: 0.4\n"
    )
    for left in ("59s", "1:30"):
        assert facts(read(text.format(left)), "num_samples") == []
    assert facts(read(text.format("310s")), "num_samples") == ["320"]
    steps = read("Train for 320 steps, validate for 10 steps\n" + text.format("9s"))
    assert facts(steps, "iters_per_epoch") == ["320"]
    assert facts(steps, "val_iters") == ["10"]
    assert facts(steps, "num_samples") == []


def test_samples_of_an_evaluation_are_not_the_training_set() -> None:
    """evaluate() of tf.keras 2.0 counts samples of the test set: no `num_samples`."""
    closed = "{0}/{0} [==============================] - 3s 50us/sample - loss: 0.2\n"
    found = read("Epoch 1/1\n" + closed.format(60000) + closed.format(10000))
    assert facts(found, "num_samples") == ["60000"]


def test_a_bar_without_metrics_is_predict_or_a_download() -> None:
    """predict() shows no metrics; neither does a download, which counts bytes and has no phase."""
    found = keras3(
        "Downloading data from https://example.org/mnist.npz\n 8192/11490434 {cells} 1:02 5us/step\r"
        "11490434/11490434 {cells} 3s 0us/step\n1/5 {cells} 2s 600ms/step\r5/5 {cells} 3s 600ms/step\n"
    )
    assert column(found, "phase") == [None, None, "predict", "predict"]
    assert column(found, "bar") == ["download", "download", None, None]


def test_an_unknown_total_is_null() -> None:
    """A generator without a length counts against nothing until its first epoch ends."""
    found = read(
        "Epoch 1/2\n      4/Unknown - 1s 300ms/step - loss: 0.3646\n"
        "4/4 [==============================] - 1s 300ms/step - loss: 0.3197\n"
    )
    assert column(found, "iters_per_epoch") == [None, 4]
    assert column(found, "iter") == [4, 4]
    assert column(found, "epoch") == [1, 1]


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_time_of_keras_3_is_what_is_left_until_the_bar_closes() -> None:
    """Up to the redraw before the closing one the time is what is left; then it is what has passed."""
    found = keras3(FITTED)
    assert column(found, "eta_s") == [9.0, 0.0, None]
    assert column(found, "elapsed_s") == [None, None, 11.0]
    assert column(found, "s_per_iter") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "left", "per"),
    [
        ("1/5 [=====>........................] - ETA: 4:26:40 - loss: 0.7000", 16000.0, None),
        ("1/5 [=====>........................] - ETA: 16000s - loss: 0.7000", 16000.0, None),
        (f"1/5 {CELLS} 1:05 69us/step - loss: 0.7000", 65.0, 69e-6),
    ],
)
def test_times_are_seconds(text: str, left: float, per: float | None) -> None:
    """`H:MM:SS`, `M:SS`, plain seconds, s, ms and us are seconds in the tables."""
    found = read(text)
    assert column(found, "eta_s") == [left]
    assert column(found, "s_per_iter") == [per]


def test_a_step_that_was_never_timed_is_null() -> None:
    """`0s/step` is printed where no second step was: unknown, and no zero."""
    assert column(read("10/10 - 0s - 0s/step - loss: nan"), "s_per_iter") == [None]


# ── values, events, text around ──────────────────────────────────────────────────────────────────────────────────────


def test_values_are_read_to_the_last_digit() -> None:
    """Scientific, negative, NaN; `val_` is the phase and leaves the name."""
    found = read("83s - loss: 2.1318e-10 - mae: -1.2345e-01 - acc: nan - val_loss: 1.0766e-10\n")
    rows = found["metrics"].select("name", "phase", "value").rows()
    assert rows[:2] == [("loss", "train", 2.1318e-10), ("mae", "train", -1.2345e-01)]
    assert rows[2][2] != rows[2][2]
    assert rows[3] == ("loss", "val", 1.0766e-10)


@pytest.mark.parametrize(
    ("glued", "value"),
    [
        ("Building and compiling model ...", 0.5325),
        ("/path/epoch_iterator.py:164: UserWarning: x", 0.5325),
        ("2019-02-19 17:46:12.492615: I tensorflow/core", 0.5325),
        ("    WARNING:tensorflow:late", 0.5325),
        ("123", 0.5325123),
    ],
)
def test_text_behind_a_value_is_not_the_value(glued: str, value: float) -> None:
    """A bar writes no line end: what is printed next stands behind the last digit."""
    found = read(f"1/5 [=====>........................] - ETA: 4s - loss: 0.5325{glued}")
    assert column(found, "value", "metrics") == [value]


def test_callbacks_are_events() -> None:
    """Best and saved models, the stop, restored weights and new rates stand in `events` with the epochs done."""
    kinds = sample("verbose_2")["events"].sort("line", "kind")
    count = dict(kinds["kind"].value_counts().rows())
    assert count == {"checkpoint": 7, "checkpoint_saved": 7, "early_stop": 1, "restore": 1, "lr_change": 3}
    assert kinds.filter(pl.col("kind") == "early_stop")["epoch"].to_list() == [7]
    assert kinds.filter(pl.col("kind") == "lr_change")["epoch"].to_list() == [5, 6, 7]


def test_a_closing_line_may_be_false() -> None:
    """`10/10` behind a NaN in batch 0, `5/5` after two of five steps: the events say what the counter does not."""
    events = sample("broken_off")["events"].sort("line")
    assert events["kind"].to_list() == ["data_ran_out", "nan_loss", "nan_loss"]


def test_a_generator_of_unknown_length_ends_without_an_event() -> None:
    """Its warning comes at the end of every such epoch, glued to the bar."""
    glued = "      4/Unknown 0s 21ms/step - loss: 0.7123/a/epoch_iterator.py:164: UserWarning: "
    glued += "Your input ran out of data; interrupting training."
    assert read(glued)["events"].is_empty()
    assert read("Your input ran out of data; interrupting training.")["events"]["kind"].to_list() == ["data_ran_out"]


def test_the_csv_counts_epochs_from_0() -> None:
    """CSVLogger's first column is 0-based; `NA` is no value; a second fit() begins again."""
    found = sample("history")
    assert column(found, "epoch") == [1, 2, 3, 4, 1, 2, 3, 4]
    assert column(found, "lr")[:2] == [0.5, 0.25]
    assert found["metrics"].filter(pl.col("phase") == "val").height == 8
    assert found["metrics"].filter((pl.col("phase") == "train") & (pl.col("name") == "loss")).height == 8


@pytest.mark.parametrize(
    "text",
    [
        "Epoch 3/10 - loss: 0.32 - acc: 0.91 - time: 12.3s",
        " [======================================>]  Step: 1s194ms | Tot: 2s | Loss: 0.5 | Acc: 1.0 (1/2)",
        "[>>>>>>>>>>>>>>>>>>>] 10/10, 5.1 task/s, elapsed: 2s, ETA:     0s",
        "10/10 [====]",
        "10/10 - 5s",
        "      1/300      2.61G     0.9837     3.1047     12        640: 100%|██████████| 4/4 [00:01<00:00,  3.2it/s]",
        "epoch,time,train/box_loss,metrics/mAP50(B)\n1,3.2,0.9,0.1",
        "epoch,step,train_loss\n0,1,0.5",
        "The paper trains for 10 epochs: Epoch 10/10 took 5s - loss: was low",
    ],
)
def test_others_lines_are_not_keras(text: str) -> None:
    """Bars, prints and tables of other tools give no row of this format."""
    assert "keras" not in read(text).formats.get(0, set())


def test_every_sample_is_read_without_an_issue() -> None:
    """Real output has no line that nearly fits."""
    for file in sorted(Path(SAMPLES / "keras").iterdir()):
        assert read(file.read_bytes())["issues"].is_empty(), file.name
