"""Make sample_logs/mmengine by running the real mmengine and xtuner on a tiny model, with a simulated clock.

Real: every line is printed by mmengine's own Runner, loops, hooks, log processor and logger; the losses, gradients,
optimizer updates, checkpoints, resume and validation are those of a small network that really trains. `sa2va_vessel*`
runs xtuner's own TrainLoop, LengthGroupedSampler, DatasetInfoHook and ThroughputHook; `sa2va_vessel_4ranks` is four
processes over gloo.

Simulated: the clock (`time.time`, `time.sleep`), which moves only when this script, or a library's own sleep, moves it;
in the `sa2va_vessel*` cases also the machine's answers about CUDA (four RTX 3090, peak memory). Paths of the temporary
folder are replaced by /home/user. xtuner's package `__init__` files are not run, for they import transformers and
peft; its modules are loaded from the installed package as they are. The tokenizer is a list of words.

Run it where these are installed (xtuner alone, without its dependencies):

    pip install torch mmengine numpy
    pip install --no-deps --ignore-requires-python xtuner==0.1.23
    python sample_logs/make_mmengine.py [case …]

The samples were made with Python 3.11, torch 2.13.0 (CPU), mmengine 0.10.7 and xtuner 0.1.23.
"""

import argparse
import datetime
import importlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, FUNCTIONS, METRICS, MODELS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

HERE = Path(__file__).resolve().parent
NEUTRAL_HOME = "/home/user"
IMAGE = -200  # the id that xtuner's DatasetInfoHook prints as <image>
SPECIAL_WORDS = ["<pad>", "<|im_start|>user", "<|im_start|>assistant", "<|im_end|>", "\n"]
QUESTION = ["please", "segment", "the", "vessels", "in", "this", "image"]
ANSWERS = ["it", "shows", "a", "large", "small", "red", "white", "tanker", "tug", "and", "near", "quay", ",", "."]
WORDS = [*SPECIAL_WORDS, *QUESTION, "[SEG]", *ANSWERS]


class Clock:
    """Seconds since 1970 that pass only when told to."""

    def __init__(self, start: str) -> None:
        """Start at a local time such as `2025-11-25 05:13:00`; the local zone of a sample is UTC."""
        self.now = datetime.datetime.fromisoformat(start + "+00:00").timestamp()

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def install(self) -> None:
        """Let every user of the module `time` (logging, mmengine, torch) see this clock."""
        os.environ["TZ"] = "UTC"
        time.tzset()
        time.time = self.time
        time.sleep = self.sleep


@dataclass(frozen=True)
class Pace:
    """How long the simulated machine needs for what; an iteration loads a batch and then computes."""

    iterations: int
    compute_s: float
    jitter_s: float
    load_sample_s: float
    load_model_s: float = 0.0
    index_data_s: float = 0.0
    val_batch_s: float = 0.0
    evaluate_s: float = 0.0
    save_s: float = 0.0
    killed_in: int | None = None

    def each_compute_s(self) -> Iterator[float]:
        """Yield the seconds that each iteration computes; their mean is `compute_s` exactly."""
        rng = random.Random(1)
        offsets = [rng.gauss(0.0, self.jitter_s) for _ in range(self.iterations)]
        mean = sum(offsets) / len(offsets)
        return iter([self.compute_s + offset - mean for offset in offsets])


class Machine:
    """The simulated computer that the tiny model believes it runs on."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self.clock, self.pace = clock, pace
        self.compute_s = pace.each_compute_s()
        self.iterations = 0
        self.peak_bytes = 0

    def load_sample(self) -> None:
        self.clock.sleep(self.pace.load_sample_s)

    def train_iteration(self, tokens: int = 0) -> None:
        if self.iterations == self.pace.killed_in:
            os.kill(os.getpid(), signal.SIGKILL)
        self.iterations += 1
        self.clock.sleep(next(self.compute_s))
        self.peak_bytes = max(self.peak_bytes, (12_300 + 9 * tokens) * 2**20)

    def slow_saving(self) -> None:
        """Let each `torch.save` take its time."""
        save = torch.save

        def save_slowly(*args: Any, **kwargs: Any) -> None:
            save(*args, **kwargs)
            self.clock.sleep(self.pace.save_s)

        torch.save = save_slowly

    def show_gpus(self, name: str, count: int) -> None:
        """Answer mmengine's questions about CUDA; the tensors stay on the CPU."""
        env = importlib.import_module("mmengine.utils.dl_utils.collect_env")
        env.is_cuda_available = lambda: True
        env._get_cuda_home = lambda: None
        importlib.import_module("mmengine.runner.log_processor").is_cuda_available = lambda: True
        torch.cuda.device_count = lambda: count
        torch.cuda.get_device_name = lambda _device=None: name
        torch.cuda.set_device = lambda _device: None
        torch.cuda.max_memory_allocated = lambda **_: self.peak_bytes
        torch.cuda.reset_peak_memory_stats = lambda: setattr(self, "peak_bytes", 0)


MACHINE: Machine


# ---- the tiny model and its data -------------------------------------------------------------------------------------


def vessel_picture(index: int) -> tuple[Tensor, Tensor]:
    """Return a 16 × 16 picture of a bright bar in noise, shape [1, 16, 16], and its mask of the same shape."""
    rng = torch.Generator().manual_seed(index)
    row, column, length = (int(torch.randint(1, 11, (), generator=rng)) for _ in range(3))
    mask = torch.zeros(1, 16, 16)
    mask[:, row : row + 3, column : column + length + 2] = 1.0
    return mask + 0.5 * torch.randn(1, 16, 16, generator=rng), mask


@DATASETS.register_module()
class VesselPictures(Dataset):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        MACHINE.load_sample()
        picture, mask = vessel_picture(index)
        return {"inputs": picture, "masks": mask}


def word_ids(*words: str) -> list[int]:
    return [WORDS.index(word) for word in words]


@DATASETS.register_module()
class VesselConversations(VesselPictures):
    """Pictures with a question and an answer, as token ids of different lengths."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        rng = random.Random(7)
        self.ids = []
        for _ in range(size):
            answer = rng.choices(ANSWERS, k=rng.randrange(12, 160))
            before = word_ids("<|im_start|>user", "\n")
            after = word_ids(
                *QUESTION, "<|im_end|>", "\n", "<|im_start|>assistant", "\n", *answer, "[SEG]", "<|im_end|>"
            )
            self.ids.append([*before, IMAGE, *after])
        self.modality_length = [len(ids) + 256 * rng.randrange(1, 4) for ids in self.ids]
        MACHINE.clock.sleep(MACHINE.pace.index_data_s)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.ids[index], "tokens": self.modality_length[index], **super().__getitem__(index)}


@FUNCTIONS.register_module()
def collate_conversations(samples: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [torch.tensor(sample["input_ids"]) for sample in samples]
    return {
        "input_ids": nn.utils.rnn.pad_sequence(ids, batch_first=True),
        "tokens": sum(sample["tokens"] for sample in samples),
        "inputs": torch.stack([sample["inputs"] for sample in samples]),
        "masks": torch.stack([sample["masks"] for sample in samples]),
    }


def mask_losses(logits: Tensor, masks: Tensor) -> dict[str, Tensor]:
    shown = logits.sigmoid()
    dice = 1 - (2 * (shown * masks).sum() + 1) / (shown.sum() + masks.sum() + 1)
    return {"loss_mask": functional.binary_cross_entropy_with_logits(logits, masks), "loss_dice": 0.5 * dice}


@MODELS.register_module()
class VesselNet(BaseModel):
    """Two convolutions that find the bar."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
        MACHINE.clock.sleep(MACHINE.pace.load_model_s)

    def forward(self, inputs: Tensor, masks: Tensor, mode: str = "tensor") -> Any:
        logits = self.net(inputs)
        if mode == "predict":
            MACHINE.clock.sleep(MACHINE.pace.val_batch_s)
            return [{"right": float(right)} for right in ((logits > 0) == (masks > 0)).float().mean(dim=(1, 2, 3))]
        MACHINE.train_iteration()
        return mask_losses(logits, masks)


@MODELS.register_module()
class VesselTalker(VesselNet):
    """The two convolutions and a model of the next word."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Sequential(nn.Embedding(len(WORDS), 16), nn.Linear(16, len(WORDS)))

    def forward(self, input_ids: Tensor, tokens: int, inputs: Tensor, masks: Tensor, mode: str = "tensor") -> Any:
        assert mode == "loss"
        ids = input_ids.clamp(min=0)
        llm_loss = 0.1 * functional.cross_entropy(self.words(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        MACHINE.train_iteration(tokens)
        return {**mask_losses(self.net(inputs), masks), "llm_loss": llm_loss}


@MODELS.register_module()
class LineFit(BaseModel):
    """One linear layer on the picture: convex, so that too high a rate diverges until the numbers overflow."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(256, 256)

    def forward(self, inputs: Tensor, masks: Tensor, mode: str = "tensor") -> dict[str, Tensor]:
        assert mode == "loss"
        MACHINE.train_iteration()
        return {"loss": (self.line(inputs.flatten(1)) - masks.flatten(1)).square().mean()}


@METRICS.register_module()
class PixelAccuracy(BaseMetric):
    def process(self, data_batch: Any, data_samples: Any) -> None:  # noqa: ARG002 (mmengine's signature)
        self.results.extend(sample["right"] for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        MACHINE.clock.sleep(MACHINE.pace.evaluate_s)
        return {"acc": sum(results) / len(results), "pictures": len(results)}


class WordTokenizer:
    """A tokenizer as far as xtuner's DatasetInfoHook needs one."""

    @staticmethod
    def decode(ids: list[int]) -> str:
        return " ".join(WORDS[i] for i in ids).replace(" \n ", "\n").replace(" \n", "\n")


# ---- xtuner, without the packages that a language model would need ---------------------------------------------------


def import_xtuner() -> None:
    """Load the modules of the installed xtuner that the config names, without running the package's `__init__`."""
    packages = "engine", "engine.hooks", "dataset", "dataset.samplers", "utils", "parallel", "parallel.sequence"
    for name in ("", *(f".{package}" for package in packages)):
        spec = importlib.util.find_spec(f"xtuner{name}")
        assert spec is not None, "xtuner is not installed; see the top of this file"
        package = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = package
        if name:
            parent, _, child = spec.name.rpartition(".")
            setattr(sys.modules[parent], child, package)
    what_the_inits_would_import = [
        ("utils", "constants", "DEFAULT_IMAGE_TOKEN"),
        ("utils", "constants", "IMAGE_TOKEN_INDEX"),
        ("parallel.sequence", "setup_distributed", "get_sequence_parallel_world_size"),
        ("dataset.samplers", "length_grouped", "LengthGroupedSampler"),
        ("engine.hooks", "dataset_info_hook", "DatasetInfoHook"),
        ("engine.hooks", "throughput_hook", "ThroughputHook"),
    ]
    for package, module, name in what_the_inits_would_import:
        loaded = importlib.import_module(f"xtuner.{package}.{module}")
        setattr(sys.modules[f"xtuner.{package}"], name, getattr(loaded, name))
    importlib.import_module("xtuner.engine.runner")
    importlib.import_module("xtuner.registry").BUILDER.register_module(module=WordTokenizer)


# ---- the cases -------------------------------------------------------------------------------------------------------

BY_EPOCH = """
default_scope = 'mmengine'
work_dir = './work_dirs/by_epoch'
model = dict(type='VesselNet')
train_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dict(type='VesselPictures', size=107),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'))
val_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dict(type='VesselPictures', size=45),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'))
val_evaluator = dict(type='PixelAccuracy')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.2, momentum=0.9), clip_grad=dict(max_norm=5.0))
param_scheduler = dict(type='MultiStepLR', milestones=[3, 4], gamma=0.1, by_epoch=True)
train_cfg = dict(by_epoch=True, max_epochs=5, val_interval=1)
val_cfg = dict()
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='acc'))
randomness = dict(seed=42)
"""

BY_ITER = """
default_scope = 'mmengine'
work_dir = './work_dirs/by_iter'
model = dict(type='VesselNet')
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='VesselPictures', size=96),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'))
val_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='VesselPictures', size=24),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'))
val_evaluator = dict(type='PixelAccuracy')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.05), accumulative_counts=8)
param_scheduler = dict(type='PolyLR', power=0.9, eta_min=0.0001, begin=0, end=160, by_epoch=False)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=160, val_interval=50)
val_cfg = dict(type='ValLoop')
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', interval=30, by_epoch=False))
randomness = dict(seed=7)
resume = RESUME
"""

NAN_LOSS = """
default_scope = 'mmengine'
work_dir = './work_dirs/nan_loss'
model = dict(type='LineFit')
train_dataloader = dict(
    batch_size=8, num_workers=0, dataset=dict(type='VesselPictures', size=320),
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=150.0))
param_scheduler = dict(type='LinearLR', start_factor=0.01, begin=0, end=80, by_epoch=False)
train_cfg = dict(by_epoch=True, max_epochs=4)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10), checkpoint=dict(type='CheckpointHook', interval=1))
randomness = dict(seed=3)
"""

SA2VA = """
from mmengine.hooks import (CheckpointHook, DistSamplerSeedHook, IterTimerHook,
                            LoggerHook, ParamSchedulerHook)
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from torch.optim import AdamW

from xtuner.dataset.samplers import LengthGroupedSampler
from xtuner.engine.hooks import DatasetInfoHook, ThroughputHook
from xtuner.engine.runner import TrainLoop

work_dir = './work_dirs/sa2va_vessel'

# Scheduler & Optimizer
batch_size = 1  # per_device
accumulative_counts = 8
dataloader_num_workers = 0
max_epochs = 3
optim_type = AdamW
lr = 4e-3
betas = (0.9, 0.999)
weight_decay = 0.05
max_norm = 1  # grad clip
warmup_ratio = 0.05

# Save
save_steps = 500
save_total_limit = 2

model = dict(type='VesselTalker')

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=dataloader_num_workers,
    dataset=dict(type='VesselConversations', size=1220),
    sampler=dict(
        type=LengthGroupedSampler,
        length_property='modality_length',
        per_device_batch_size=batch_size * accumulative_counts),
    collate_fn=dict(type='collate_conversations'))

optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=optim_type, lr=lr, betas=betas, weight_decay=weight_decay),
    clip_grad=dict(max_norm=max_norm, error_if_nonfinite=False),
    accumulative_counts=accumulative_counts)

param_scheduler = [
    dict(
        type=LinearLR,
        start_factor=1e-5,
        by_epoch=True,
        begin=0,
        end=warmup_ratio * max_epochs,
        convert_to_iter_based=True),
    dict(
        type=CosineAnnealingLR,
        eta_min=0.0,
        by_epoch=True,
        begin=warmup_ratio * max_epochs,
        end=max_epochs,
        convert_to_iter_based=True)
]

train_cfg = dict(type=TrainLoop, max_epochs=max_epochs)

custom_hooks = [
    dict(type=DatasetInfoHook, tokenizer=dict(type='WordTokenizer')),
    dict(
        type=ThroughputHook,
        use_activation_checkpointing=True,
        hidden_size=2048,
        num_layers=24,
        vocab_size=92553,
        mlp_ratio=4.0,
        is_casual=True),
]

default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=LoggerHook, log_metric_by_epoch=False, interval=10),
    param_scheduler=dict(type=ParamSchedulerHook),
    checkpoint=dict(
        type=CheckpointHook,
        by_epoch=False,
        interval=save_steps,
        max_keep_ckpts=save_total_limit),
    sampler_seed=dict(type=DistSamplerSeedHook))

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='BACKEND'))

visualizer = None
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=1024, deterministic=False)
log_processor = dict(by_epoch=False)
"""

# A model that is not on a GPU must not be given device ids.
SA2VA_4_RANKS = SA2VA.replace("BACKEND", "gloo") + (
    "launcher = 'pytorch'\nmodel_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None)\n"
)

BY_ITER_PACE = Pace(
    iterations=160, compute_s=0.83, jitter_s=0.05, load_sample_s=0.01, load_model_s=6.0, val_batch_s=0.12,
    evaluate_s=0.8, save_s=1.5,
)  # fmt: skip
# 05:13:00 to 21:41:00 are 59,280 s: 3,672 × 16 s, 335 s of start-up, 7 × 27 s of checkpoints before the last line, and
# 2 × 2 s that mmengine sleeps between epochs.
SA2VA_PACE = Pace(
    iterations=3672, compute_s=15.96, jitter_s=0.3, load_sample_s=0.04, load_model_s=278.0, index_data_s=57.0,
    save_s=27.0,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One start of a training program: its config, when it starts, its machine, and what to keep of its output."""

    config: str
    start: str
    pace: Pace
    keep: str
    config_name: str
    ranks: int = 1
    gpus: int = 0
    keep_vis_data: bool = False
    keep_console: bool = False


CASES = {
    "by_epoch": [
        Case(
            BY_EPOCH,
            "2025-11-24 10:02:17",
            Pace(135, 0.404, 0.02, 0.004, load_model_s=3.0, val_batch_s=0.15, evaluate_s=0.6, save_s=0.9),
            keep="by_epoch",
            config_name="vessel_net",
            keep_vis_data=True,
            keep_console=True,
        )
    ],
    "by_iter_resume": [
        Case(
            BY_ITER.replace("RESUME", "False"),
            "2025-11-24 14:20:05",
            replace(BY_ITER_PACE, killed_in=74),
            keep="by_iter_resume",
            config_name="vessel_net_160",
        ),
        Case(
            BY_ITER.replace("RESUME", "True"),
            "2025-11-24 16:41:30",
            BY_ITER_PACE,
            keep="by_iter_resume",
            config_name="vessel_net_160",
        ),
    ],
    "nan_loss": [
        Case(
            NAN_LOSS,
            "2025-11-24 18:00:00",
            Pace(160, 0.284, 0.01, 0.002, load_model_s=1.0, save_s=0.5),
            keep="nan_loss",
            config_name="line_fit",
            keep_vis_data=True,
        )
    ],
    "sa2va_vessel": [
        Case(
            SA2VA.replace("BACKEND", "nccl"),
            "2025-11-25 05:13:00",
            SA2VA_PACE,
            keep="sa2va_vessel",
            config_name="sa2va_vessel",
            gpus=4,
            keep_vis_data=True,
        )
    ],
    "sa2va_vessel_4ranks": [
        Case(
            SA2VA_4_RANKS,
            "2025-11-26 08:00:00",
            replace(SA2VA_PACE, iterations=936),
            keep="sa2va_vessel_4ranks",
            config_name="sa2va_vessel",
            ranks=4,
            gpus=4,
        )
    ],
}


def train(case: Case) -> None:
    """Be one process of a case; the current folder is where its work_dirs go."""
    global MACHINE
    torch.set_num_threads(1)
    clock = Clock(case.start)
    MACHINE = Machine(clock, case.pace)
    config_file = Path(f"rank{os.environ['RANK']}", f"{case.config_name}.py")
    config_file.parent.mkdir(exist_ok=True)
    config_file.write_text(case.config)
    if "xtuner" in case.config:
        import_xtuner()
    clock.install()
    MACHINE.slow_saving()
    if case.gpus:
        MACHINE.show_gpus("NVIDIA GeForce RTX 3090", case.gpus)
    Runner.from_cfg(Config.fromfile(config_file)).train()


def start(name: str, number: int, case: Case, folder: Path) -> None:
    """Run a case in processes of its own; console output of rank 0 goes to `console.log`."""
    command = [sys.executable, str(Path(__file__).resolve()), "--be", name, str(number)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = []
    for rank in range(case.ranks):
        # mmengine 0.10.7 loads its own checkpoints with torch's former default.
        env = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "RANK": str(rank), "LOCAL_RANK": str(rank)}
        env |= {"WORLD_SIZE": str(case.ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        output = (folder / ("console.log" if rank == 0 else f"console_rank{rank}.log")).open("wb")
        ranks.append(subprocess.Popen(command, cwd=folder, env=env, stdout=output))
    expected = 0 if case.pace.killed_in is None else -signal.SIGKILL
    for process in ranks:
        if process.wait() != expected:
            raise SystemExit(f"{name}: a process ended with {process.returncode}, {expected} expected")


def keep(case: Case, folder: Path) -> None:
    """Copy what a case printed into the samples, with the temporary folder's path replaced."""

    def copy(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes().replace(str(folder.parent).encode(), NEUTRAL_HOME.encode()))

    target = HERE / "mmengine" / case.keep
    for work_dir in (folder / "work_dirs").iterdir():
        for log in work_dir.glob("*/*.log"):
            copy(log, target / log.relative_to(work_dir))
        if case.keep_vis_data:
            for log in work_dir.glob("*/vis_data/*.json"):
                copy(log, target / log.relative_to(work_dir))
    if case.keep_console:
        copy(folder / "console.log", target.with_name(f"{case.keep}_console.log"))


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("cases", nargs="*", metavar="case", help=f"all if none is given: {', '.join(CASES)}")
    arguments.add_argument("--be", nargs=2, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.be:
        name, number = given.be
        train(CASES[name][int(number)])
        return
    for name in given.cases or CASES:
        shutil.rmtree(HERE / "mmengine" / name, ignore_errors=True)
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home).resolve() / "vessel"
            folder.mkdir()
            for number, case in enumerate(CASES[name]):
                start(name, number, case, folder)
                keep(case, folder)
        print(f"{name}: done")


if __name__ == "__main__":
    main()
