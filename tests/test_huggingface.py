"""What the Trainer's dict lines say: which epoch, which phase, what is no record of it, and what happened besides."""

import re

import polars as pl
import pytest
from reading import SAMPLES, Read, read, read_cut

LINE = "{'loss': 0.69, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 0.36}"
QUOTED = "{'loss': '0.69', 'grad_norm': '1.2', 'learning_rate': '5e-05', 'epoch': '0.36'}"
BAR = "  0%|          | 1/100 [00:01<01:39,  1.00s/it]"


def values(found: Read) -> dict[tuple[str, str], float]:
    rows = found["metrics"].filter(pl.col("format") == "huggingface").select("phase", "name", "value").rows()
    return {(phase, name): value for phase, name, value in rows}


def stated(found: Read) -> dict[str, str]:
    return dict(found["facts"].select("name", "value").rows())


def happened(found: Read) -> list[tuple[str, str]]:
    return found["events"].sort("line").select("kind", "message").rows()


def sample(name: str) -> Read:
    return read((SAMPLES / "huggingface" / f"{name}.log").read_bytes())


# ── dict lines ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", [LINE, QUOTED])
def test_a_line_is_a_record_without_a_counter(line: str) -> None:
    """Bare numbers (4.x) and quoted ones (5.x) are the same record: lr and epoch are columns, the rest are metrics."""
    found = read(line)
    row = found["progress"].row(0, named=True)
    told = {name: value for name, value in row.items() if value is not None and name not in ("log_id", "line", "piece")}
    assert told == {"redraw": 0, "format": "huggingface", "phase": "train", "epoch": 1, "lr": 5e-05}
    assert values(found) == {("train", "loss"): 0.69, ("train", "grad_norm"): 1.2, ("train", "epoch"): 0.36}
    assert found["issues"].is_empty()


@pytest.mark.parametrize(
    ("fraction", "epoch"), [("0.0", 1), ("0.36", 1), ("1.0", 1), ("'1.026'", 2), ("2", 2), ("24.96", 25), ("nan", None)]
)
def test_the_epoch_is_the_one_in_which_the_fraction_lies(fraction: str, epoch: int | None) -> None:
    """1-based, as a person counts; an epoch's end belongs to it."""
    found = read(LINE.replace("0.36", fraction))
    assert found["progress"]["epoch"].to_list() == [epoch]


def test_nan_and_inf_are_values() -> None:
    """Bare or quoted; the first odd loss of a log is an event."""
    found = read(LINE.replace("0.69", "nan") + "\n" + QUOTED.replace("'0.69'", "'inf'") + "\n")
    assert [str(v) for v in found["metrics"].filter(pl.col("name") == "loss")["value"]] == ["nan", "inf"]
    assert happened(found) == [("nan_loss", "loss is NaN")]


def test_a_line_behind_a_bar_is_a_piece_of_its_own() -> None:
    """`print` puts the dict behind the open bar; the bar stays a tqdm record."""
    found = read(BAR + LINE + "\n")
    assert found["progress"].sort("piece").select("format", "piece").rows() == [("tqdm", 0), ("huggingface", 1)]


def test_more_values_of_other_trainers() -> None:
    """What TRL's trainers add arrives under its printed name."""
    found = read("{'loss': 0.0, 'learning_rate': 1e-06, 'rewards/correct': 0.4, 'kl': 0.25, 'epoch': 0.21}")
    assert values(found)["train", "rewards/correct"] == 0.4
    assert values(found)["train", "kl"] == 0.25


def test_evaluations_and_predictions_have_their_phase() -> None:
    """`eval_` is a validation, `test_` a test; data sets keep their names; before training there is no epoch."""
    found = read(
        "{'eval_loss': 0.38, 'eval_runtime': 0.5, 'epoch': 1.0}\n"
        "{'eval_mnli_loss': '0.4', 'eval_mnli_runtime': '0.5', 'epoch': '1.5'}\n"
        "{'eval_loss': 0.38, 'eval_runtime': 0.5}\n"
        "{'test_loss': 0.37, 'test_runtime': 0.5}\n"
    )
    assert found["progress"].select("phase", "epoch").rows() == [("val", 1), ("val", 2), ("val", None), ("test", None)]
    assert values(found)["val", "mnli_loss"] == 0.4
    assert values(found)["test", "loss"] == 0.37


def test_the_closing_summary_is_no_record() -> None:
    """Its numbers are facts; the printed table of the same is known."""
    found = read(
        "{'train_runtime': 127.2, 'train_samples_per_second': 9.9, 'train_steps_per_second': 0.6, 'train_loss': 31.0, "
        "'epoch': 2.97}\n***** train metrics *****\n  epoch      =   2.97\n  train_loss =   31.0\n"
    )
    assert found["progress"].is_empty()
    assert stated(found) == {
        "train_runtime_s": "127.2",
        "train_samples_per_second": "9.9",
        "train_steps_per_second": "0.6",
        "train_loss": "31.0",
        "epochs_trained": "2.97",
    }
    assert found.ledger.row(0, named=True)["lines_known"] == 3


@pytest.mark.parametrize(
    "line",
    [
        "{'loss': 0.69, 'epoch': 3}",  # a loop of one's own
        "{'loss': 0.69, 'learning_rate': 5e-05}",
        "print({'loss': 0.69, 'learning_rate': 5e-05, 'epoch': 0.36})",
        f"The Trainer prints lines like {LINE} behind its bar.",
        f"    {LINE},",
        "training_args = {'loss': 'mse', 'learning_rate': 5e-05, 'epoch': 3, 'model': {'depth': 4}}",
        "{'eval_loss': 'mse'}",
        "{'eval_loss': 0.3}",
        "{'train_loss': 0.3, 'epoch': 3}",
    ],
)
def test_other_dicts_are_no_records(line: str) -> None:
    """Code, prose, configurations, and the prints of loops that are no Trainer."""
    assert "huggingface" not in read(line).formats.get(0, set())


# ── what happens around them ─────────────────────────────────────────────────────────────────────────────────────────


def test_resume_lines_of_4_and_5() -> None:
    """One resume a process, whichever lines tell of it."""
    four = (
        "  Continuing training from checkpoint, will skip to saved global_step\n  Continuing training from epoch 2\n"
        "  Continuing training from global step 80\n"
        "  Will skip the first 2 epochs then the first 16 batches in the first epoch.\n"
    )
    assert happened(read(four)) == [("resume", "resumed at update 80")]
    five = (
        "[transformers] Loading model from out/checkpoint-80.\n"
        "[transformers]   Resuming training from checkpoint with epoch 2 and global step 80\n"
        "[transformers]   Fast-forwarding the dataloader past 2 epochs and 16 batches to resume from here.\n"
    )
    assert happened(read(five)) == [("resume", "resumed at update 80")]
    assert read(five)["events"]["epoch"].to_list() == [2]


def test_a_plan_in_updates_is_said() -> None:
    """With `max_steps` the header's epochs follow from it; 5.x prints an epoch's updates."""
    found = read(
        "[transformers] max_steps is given, it will override any value given in num_train_epochs\n"
        "[transformers] ***** Running training *****\n[transformers]   Num update steps per epoch = 157\n" + QUOTED
    )
    assert stated(found) == {"planned_in": "updates", "updates_per_epoch": "157"}


def test_a_warning_of_each_rank_is_one_resume() -> None:
    """torch quotes the Trainer's line that loads the random state, once a rank."""
    warned = "/venv/transformers/trainer.py:3119: FutureWarning: …\n  checkpoint_rng_state = torch.load(rng_file)\n"
    assert [kind for kind, _ in happened(read(warned * 2))] == ["resume"]
    assert [kind for kind, _ in happened(read(warned * 2 + "x\n" * 200 + warned))] == ["resume", "resume"]


def test_stamps_of_the_logger_are_the_clock() -> None:
    """transformers' explicit format: the header stays readable, and lines have their time."""
    found = sample("transformers_4.46.3")
    assert found["clocks"].height
    assert str(found["clocks"]["logged_at"].min()) == "2026-02-17 10:00:00"
    assert stated(found)["updates_planned"] == "78"
    assert stated(found)["world_size"] == "1"


def test_what_the_samples_did() -> None:
    """Checkpoints, best model and end of the run that stopped early."""
    found = happened(sample("early_stop"))
    assert [kind for kind, _ in found].count("checkpoint") == 11
    assert found[-1] == ("restore", "best model loaded from out/checkpoint-64, its score is 0.09281203150749207")
    assert ("completed", "training ended at epoch 11.0") in found


@pytest.mark.parametrize("name", ["epochs", "killed_and_resumed", "max_steps", "early_stop", "no_bar"])
def test_every_dict_of_a_sample_is_a_record(name: str) -> None:
    """Counted in the bytes, by the crudest means."""
    data = (SAMPLES / "huggingface" / f"{name}.log").read_bytes()
    rows = read(data)["progress"].filter(pl.col("format") == "huggingface")
    assert rows.filter(pl.col("phase") == "train").height == len(re.findall(rb"\{'loss': ", data))
    assert rows.filter(pl.col("phase") == "val").height == len(re.findall(rb"\{'eval_loss': ", data))


def test_a_resume_line_may_stand_in_another_piece() -> None:
    """Pieces of a large log give the events of the whole."""
    data = (SAMPLES / "huggingface" / "killed_and_resumed.log").read_bytes()
    at = data.index(b"Resuming")
    border = data.rindex(b"\n", 0, at) + 1
    assert happened(read_cut(data, border)) == happened(read(data))
