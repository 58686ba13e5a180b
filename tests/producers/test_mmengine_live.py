"""mmengine itself, where it is installed (with torch): what its Runner prints is read as what was done."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import trainqc

RUNNER = """
import sys
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner


@DATASETS.register_module()
class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return {samples}

    def __getitem__(self, index):
        return dict(x=torch.tensor([float(index)]))


@MODELS.register_module()
class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode="tensor"):
        return dict(loss=self.line(x).square().mean())


Runner.from_cfg(Config(dict(
    model=dict(type="Line"),
    work_dir=sys.argv[1],
    train_dataloader=dict(
        batch_size={batch}, num_workers=0, dataset=dict(type="Numbers"),
        sampler=dict(type="DefaultSampler", shuffle=True), collate_fn=dict(type="default_collate"),
    ),
    optim_wrapper=dict(optimizer=dict(type="SGD", lr=1e-4), accumulative_counts={accumulation}),
    train_cfg=dict({train_cfg}),
    log_processor=dict(by_epoch={by_epoch}),
    default_hooks=dict(
        logger=dict(type="LoggerHook", interval={interval}, log_metric_by_epoch={by_epoch}),
        checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=True),
    ),
    default_scope="mmengine",
))).train()
"""


def interpreter() -> str:
    """The Python that has mmengine: this one."""
    if not all(importlib.util.find_spec(name) for name in ("mmengine", "torch")):
        pytest.skip("mmengine and torch are not installed here")
    return sys.executable


def read_run(tmp_path: Path, **values: object) -> Path:
    work = tmp_path / "work_dirs" / "toy"
    work.mkdir(parents=True)
    command = [interpreter(), "-c", RUNNER.format(**values), str(work)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr[-2000:]
    trainqc.run(tmp_path / "work_dirs", out=tmp_path / "out")
    return tmp_path / "out"


def text_records(out: Path) -> pl.DataFrame:
    """Training records of the text log, without its JSON copies."""
    logs = trainqc.scan(out, "logs").filter(pl.col("path").str.ends_with(".log")).select("log_id")
    return trainqc.scan(out, "progress").filter(phase="train").join(logs, on="log_id", how="semi").collect()


def test_by_epoch(tmp_path: Path) -> None:
    """2 epochs × 7 iterations, each printed: 14 records, 14 done, 2 checkpoints, and 7 updates of 2 each."""
    out = read_run(
        tmp_path,
        samples=28,
        batch=4,
        accumulation=2,
        train_cfg="by_epoch=True, max_epochs=2",
        by_epoch=True,
        interval=1,
    )
    rows = text_records(out).sort("line")
    assert rows.select("epoch", "iter").rows() == [(epoch, step) for epoch in (1, 2) for step in range(1, 8)]
    assert rows["iters_per_epoch"].unique().to_list() == [7]
    assert rows["global_iter"].to_list() == list(range(1, 15))
    run = trainqc.read(out, "runs").row(0, named=True)
    wanted = {"state": "finished", "iters_per_epoch": 7, "iters_done": 14, "epochs_done": 2.0, "batch_size": 4}
    assert {name: run[name] for name in wanted} == wanted
    assert (run["grad_accum"], run["updates_done"], run["world_size"]) == (2, 7, 1)
    assert trainqc.read(out, "runs").height == 1
    assert trainqc.scan(out, "events").filter(kind="checkpoint").collect().height == 2
    losses = trainqc.scan(out, "metrics").filter(name="loss", phase="train")
    assert losses.join(rows.lazy(), on=["log_id", "line"], how="semi").collect().height == 14
    assert trainqc.read(out, "issues").is_empty()


def test_by_iteration(tmp_path: Path) -> None:
    """20 iterations planned, every fifth printed: four records at 5, 10, 15 and 20 of 20, and the run is finished."""
    cfg = "type='IterBasedTrainLoop', max_iters=20"
    out = read_run(tmp_path, samples=16, batch=2, accumulation=1, train_cfg=cfg, by_epoch=False, interval=5)
    rows = text_records(out).sort("line")
    assert rows["global_iter"].to_list() == [5, 10, 15, 20]
    assert rows["iters_planned"].unique().to_list() == [20]
    run = trainqc.read(out, "runs").row(0, named=True)
    assert (run["state"], run["iters_done"], run["iters_planned"]) == ("finished", 20, 20)
