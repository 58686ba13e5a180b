"""The transformers that is installed prints what the parser knows: a run is read and compared with its own history."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import trainqc

PROGRAM = """
import json, sys
import torch
from transformers import Trainer, TrainingArguments, set_seed
set_seed(1)
points = torch.randn(110, 3)
rows = [{"x": x, "labels": x.sum()} for x in points]


class Plane(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(3, 1)

    def forward(self, x, labels):
        found = self.line(x).squeeze(-1)
        return {"loss": torch.nn.functional.mse_loss(found, labels), "logits": found}


plan = dict(per_device_train_batch_size=4, gradient_accumulation_steps=2, num_train_epochs=2, logging_steps=2)
trainer = Trainer(
    Plane(),
    TrainingArguments("out", report_to=[], use_cpu=True, save_strategy="no", eval_strategy="epoch", **plan),
    train_dataset=rows[:100],
    eval_dataset=rows[100:],
)
trainer.train()
json.dump([trainer.state.max_steps, trainer.state.log_history], open(sys.argv[1], "w"))
"""


def test_the_trainer_prints_what_the_parser_reads(tmp_path: Path) -> None:
    """Losses, validation losses and updates are those of the Trainer's own history; an epoch has 25 iterations."""
    if not all(importlib.util.find_spec(name) for name in ("transformers", "torch", "accelerate")):
        pytest.skip("transformers, accelerate and torch are not installed here")
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / "train.log").open("wb") as log:
        command = [sys.executable, "-u", "-c", PROGRAM, str(tmp_path / "history.json")]
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 0, (logs / "train.log").read_text("utf-8")[-2000:]
    total, history = json.loads((tmp_path / "history.json").read_text())
    out = tmp_path / "out"
    trainqc.run(logs, out=out)
    values = trainqc.scan(out, "metrics").filter(pl.col("name") == "loss").sort("line", "redraw").collect()
    for phase, name in (("train", "loss"), ("val", "eval_loss")):
        wanted = [row[name] for row in history if name in row]
        found = values.filter(pl.col("phase") == phase)["value"].to_list()
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    run = trainqc.scan(out, "runs").collect().row(0, named=True)
    assert (run["format"], run["updates_done"], run["updates_planned"]) == ("huggingface", total, total)
    claim = trainqc.scan(out, "claims").filter(pl.col("name") == "updates_per_epoch").collect().row(0, named=True)
    assert claim["low"] <= 12.5 <= claim["high"]
