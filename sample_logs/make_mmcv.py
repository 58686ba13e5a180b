"""Make sample_logs/mmcv by running the real runners of mmcv 1.7 on a tiny model, with a simulated clock.

Real: every line from `Start running` on is printed by mmcv's own EpochBasedRunner, IterBasedRunner, hooks and logger;
losses, gradients, accumulation, validation, checkpoints and resume are those of a small network that really trains.
The lines above it (`Environment info:`, `Distributed training:`, `Config:`, `Set random seed`) are printed by this
script in the form of mmdet's training script, from mmcv's `collect_env` and `Config.pretty_text`.

Simulated: the clock (`time.time`, `time.sleep`), and the machine's answers about CUDA (two TITAN V of which one is
used, peak memory). Paths of the temporary folder are replaced by /home/user.

mmcv 1.7 builds without its operators:

    pip install torch==2.15.0 torchvision==0.29.2 numpy 'setuptools<80' wheel
    pip install addict 'yapf==0.40.1' pyyaml packaging pillow opencv-python-headless
    MMCV_WITH_OPS=0 pip install --no-build-isolation --no-deps mmcv==1.7.2
    python sample_logs/make_mmcv.py [case …]

The samples were made with Python 3.11, torch 2.15.0 (on the CPU) and mmcv 1.7.2.
"""

import argparse
import datetime
import getpass
import importlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from mmcv import Config  # noqa: E402
from mmcv.engine import single_gpu_test  # noqa: E402
from mmcv.runner import EvalHook, build_runner  # noqa: E402
from mmcv.utils import collect_env, get_logger  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

HERE = Path(__file__).resolve().parent
NEUTRAL_HOME = "/home/user"
RULE = "-" * 60 + "\n"

COMMON = """
data = dict(
    samples_per_gpu={batch}, workers_per_gpu=0,
    train=dict(type='Points', length={train}), val=dict(type='Points', length={val}))
optimizer = dict(type='SGD', lr=0.05, momentum=0.9)
log_config = dict(interval=10, hooks=[dict(type='TextLoggerHook', by_epoch={by_epoch})])
load_from = None
resume_from = {resume!r}
seed = 0
gpu_ids = range(0, 1)
"""
BY_EPOCH = (
    COMMON.format(batch=4, train=150, val=45, by_epoch=True, resume=None)
    + """
optimizer_config = dict(grad_clip=dict(max_norm=10))
lr_config = dict(policy='step', step=[3], warmup='linear', warmup_iters=20, warmup_ratio=0.01)
runner = dict(type='EpochBasedRunner', max_epochs=4)
checkpoint_config = dict(interval=1)
evaluation = dict(interval=1, save_best='accuracy', rule='greater')
"""
)
BY_ITERATION = """
optimizer_config = dict(type='GradientCumulativeOptimizerHook', cumulative_iters=8)
lr_config = dict(policy='poly', power=0.9, min_lr=1e-4, by_epoch=False)
runner = dict(type='IterBasedRunner', max_iters=160)
checkpoint_config = dict(interval=30, by_epoch=False)
evaluation = dict(interval=50, by_epoch=False)
"""


class Clock:
    """Seconds since 1970 that pass only when told to."""

    def __init__(self, start: str) -> None:
        """Start at a local time such as `2022-03-14 09:00:00`; the local zone of a sample is UTC."""
        self.now = datetime.datetime.fromisoformat(start + "+00:00").timestamp()

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def install(self) -> None:
        """Let every user of the module `time` (logging, mmcv, torch) see this clock."""
        os.environ["TZ"] = "UTC"
        time.tzset()
        time.time = self.time
        time.sleep = self.sleep


def show_gpus(name: str, count: int, peak_mib: int) -> None:
    """Answer mmcv's questions about CUDA; the tensors stay on the CPU."""
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: count
    torch.cuda.get_device_name = lambda _device=None: name
    torch.cuda.max_memory_allocated = lambda device=None: peak_mib * 2**20  # noqa: ARG005
    importlib.import_module("mmcv.utils.parrots_wrapper")._get_cuda_home = lambda: None


class Points(Dataset[dict[str, Tensor]]):
    """Points of the plane; the class is the side of a circle they lie on."""

    def __init__(self, length: int, seed: int) -> None:
        drawn = torch.Generator().manual_seed(seed)
        self.points = torch.randn(length, 2, generator=drawn)
        self.labels = (self.points.norm(dim=1) > 1.1).long()

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"points": self.points[index], "labels": self.labels[index]}

    def evaluate(self, results: list[Tensor], logger: object = None, **_: object) -> dict[str, float]:
        """mmcv's EvalHook calls this with the predictions of all samples."""
        assert logger is not None
        right = (torch.stack(results).argmax(dim=1) == self.labels).float().mean().item()
        return {"accuracy": right}


class Network(nn.Module):
    """A small classifier with the methods that mmcv's runners call."""

    def __init__(self, clock: Clock, killed_in: int | None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
        self.clock, self.killed_in, self.iterations = clock, killed_in, 0
        self.pace = random.Random(1)

    def train_step(self, batch: dict[str, Tensor], _optimizer: object, **_: object) -> dict[str, Any]:
        self.iterations += 1
        if self.iterations == self.killed_in:
            os.kill(os.getpid(), signal.SIGKILL)
        self.clock.sleep(0.45 + self.pace.gauss(0, 0.02))
        loss = nn.functional.cross_entropy(self.layers(batch["points"]), batch["labels"])
        return {"loss": loss, "log_vars": {"loss": loss.item()}, "num_samples": len(batch["labels"])}

    def forward(self, points: Tensor, labels: Tensor, return_loss: bool, rescale: bool = False) -> list[Tensor]:
        assert not return_loss
        assert len(points) == len(labels)
        assert rescale in (True, False)
        self.clock.sleep(0.2)
        return list(self.layers(points))


class Loaded(DataLoader[dict[str, Tensor]]):
    """A loader whose batches take 30 ms to arrive."""

    clock: Clock

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            self.clock.sleep(0.03)
            yield batch


def train(clock: Clock, config: Config, work_dir: Path, killed_in: int | None) -> None:
    """What mmdet's training script does, with mmcv's parts."""
    clock.install()
    show_gpus("NVIDIA TITAN V", count=2, peak_mib=3697)
    getpass.getuser = lambda: "user"
    sys.modules["mmcv.runner.utils"].getuser = lambda: "user"
    sys.modules["mmcv.runner.utils"].gethostname = lambda: "node1"
    work_dir.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(clock.time()))
    logger = get_logger("mmdet", work_dir / f"{stamp}.log")
    environment = "\n".join(f"{name}: {value}" for name, value in collect_env().items())
    logger.info("Environment info:\n" + RULE + environment + "\n" + RULE)
    logger.info("Distributed training: False")
    clock.sleep(1.2)
    logger.info(f"Config:\n{config.pretty_text}")
    logger.info("Set random seed to 0, deterministic: False")
    torch.manual_seed(0)
    meta = {"env_info": environment, "config": config.pretty_text, "seed": 0, "exp_name": "points_mlp.py"}

    model = Network(clock, killed_in)
    batch, sets = config.data.samples_per_gpu, config.data
    shuffled = torch.Generator().manual_seed(0)
    loader = Loaded(Points(sets.train.length, 1), batch_size=batch, shuffle=True, generator=shuffled)
    loader.clock = clock
    optimizer = torch.optim.SGD(model.parameters(), lr=config.optimizer.lr, momentum=config.optimizer.momentum)
    parts = {"model": model, "optimizer": optimizer, "work_dir": str(work_dir), "logger": logger, "meta": meta}
    runner = build_runner(config.runner, default_args=parts)
    runner.timestamp = stamp
    runner.register_training_hooks(
        config.lr_config, config.optimizer_config, config.checkpoint_config, config.log_config
    )
    held_out = DataLoader(Points(sets.val.length, 2), batch_size=batch)
    runner.register_hook(
        EvalHook(held_out, test_fn=single_gpu_test, **{"by_epoch": True, **config.evaluation}), priority="LOW"
    )
    if config.resume_from:
        runner.resume(config.resume_from, map_location="cpu")
    runner.run([loader], [("train", 1)])


# ---- the programs ----------------------------------------------------------------------------------------------------


def by_epoch(work_dir: Path) -> None:
    train(Clock("2022-03-14 09:00:00"), Config.fromstring(BY_EPOCH, ".py"), work_dir, killed_in=None)


def by_iter_killed(work_dir: Path) -> None:
    text = COMMON.format(batch=2, train=96, val=20, by_epoch=False, resume=None) + BY_ITERATION
    train(Clock("2022-03-15 14:20:05"), Config.fromstring(text, ".py"), work_dir, killed_in=75)


def by_iter_resumed(work_dir: Path) -> None:
    last = str(work_dir / "iter_60.pth")
    text = COMMON.format(batch=2, train=96, val=20, by_epoch=False, resume=last) + BY_ITERATION
    train(Clock("2022-03-15 16:41:30"), Config.fromstring(text, ".py"), work_dir, killed_in=None)


PROGRAMS = {"by_epoch": by_epoch, "by_iter_killed": by_iter_killed, "by_iter_resumed": by_iter_resumed}
CASES = {"by_epoch": ("by_epoch",), "by_iter_resume": ("by_iter_killed", "by_iter_resumed")}


# ---- running them ----------------------------------------------------------------------------------------------------


def neutral(text: str, home: Path) -> str:
    return text.replace(str(home), NEUTRAL_HOME).replace(socket.gethostname(), "node1")


def make(case: str) -> None:
    """Run a case's programs one after the other in one work directory and keep the logs."""
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder) / "work_dirs" / case
        for program in CASES[case]:
            command = [sys.executable, str(Path(__file__).resolve()), "--be", program, "--work-dir", str(work_dir)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode not in (0, -signal.SIGKILL):
                raise SystemExit(f"{program} ended with {done.returncode}:\n{done.stderr}")
        kept = HERE / "mmcv" / case
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for log in sorted(work_dir.glob("*.log*")):
            (kept / log.name).write_text(neutral(log.read_text("utf-8"), Path(folder)), "utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("cases", nargs="*", metavar="case", help=f"all if none is given: {', '.join(CASES)}")
    arguments.add_argument("--be", help=argparse.SUPPRESS)
    arguments.add_argument("--work-dir", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.be:
        PROGRAMS[given.be](given.work_dir)
        return
    for case in given.cases or CASES:
        make(case)
        print(f"{case}: done")


if __name__ == "__main__":
    main()
