"""Make sample_logs/deepspeed by running the real DeepSpeed on a tiny model on the CPU, with a simulated clock.

Real: every byte is written by DeepSpeed; losses, gradients, accumulation, checkpoints and resume are those of a small
network that really trains, in one process over gloo. The programs are processes of their own whose stdout goes to one
file; stderr (warnings of torch) is left out.

Simulated: the clock (`time.time`), which moves in the model's forward pass alone. Memory is what the CPU's accelerator
says: what the process holds of the machine's. Paths of the temporary folder are replaced by /home/user, addresses of
objects by one address.

    pip install torch==2.14.1 deepspeed==0.19.8 ninja numpy
    python sample_logs/make_deepspeed.py [case …]

DeepSpeed 0.19.8 keeps the engine's lines to itself (its logger's level is WARNING): the programs ask for INFO, which
was the default up to 0.16. The first run compiles DeepSpeed's communication kernel, which takes some minutes. The
samples were made with Python 3.11.
"""

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NEUTRAL_HOME = "/home/user"
COLUMNS, SAMPLES, BATCH = 4, 420, 4
TRAIN_S = 0.4


class Clock:
    """Seconds that pass only when told to: 2026-02-17 10:00:00 UTC at the begin."""

    def __init__(self, start: float = 1_771_322_400.0) -> None:
        self.now = start
        self.rng = random.Random(0)

    def time(self) -> float:
        return self.now

    def work(self, mean_s: float) -> None:
        self.now += mean_s * self.rng.uniform(0.9, 1.1)


CLOCK = Clock()

# ---- the programs ----------------------------------------------------------------------------------------------------


def data() -> list[Any]:
    """Points of a noisy plane."""
    import torch

    torch.manual_seed(1)
    points = torch.randn(SAMPLES, COLUMNS)
    plane = points @ torch.arange(1.0, COLUMNS + 1) + 0.3 * torch.randn(SAMPLES)
    return list(zip(points.split(BATCH), plane.unsqueeze(1).split(BATCH), strict=True))


def layer() -> Any:
    """A linear layer whose forward pass takes time."""
    import torch

    class Line(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            CLOCK.work(TRAIN_S)
            return super().forward(x)

    torch.manual_seed(1)
    return Line(COLUMNS, 1)


def config(accumulation: int) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": BATCH,
        "gradient_accumulation_steps": accumulation,
        "steps_per_print": 10,
        "optimizer": {"type": "Adam", "params": {"lr": 0.05, "torch_adam": True}},
        "scheduler": {"type": "WarmupDecayLR", "params": {"warmup_num_steps": 10, "total_num_steps": 80}},
        "zero_optimization": {"stage": 0},
    }


def engine(accumulation: int) -> Any:
    import deepspeed

    model = layer()
    return deepspeed.initialize(
        model=model, model_parameters=model.parameters(), config=config(accumulation), dist_init_required=True
    )[0]


def passes(epochs: int) -> Iterator[tuple[int, Any]]:
    """Each micro-batch with its place in the epoch, from 1."""
    batches = data()
    for _ in range(epochs):
        yield from enumerate(batches, 1)


def trained(model: Any, x: Any, y: Any) -> None:
    import torch

    model.backward(torch.nn.functional.mse_loss(model(x), y))
    model.step()


def whole() -> None:
    """Three epochs of 105 micro-batches, accumulation 4: windows go on over the end of an epoch; 78 updates."""
    model = engine(4)
    for _, (x, y) in passes(3):
        trained(model, x, y)
    model.save_checkpoint("out")


def killed() -> None:
    """The same, killed behind update 47; the only checkpoint is that of update 40."""
    model = engine(4)
    for _, (x, y) in passes(3):
        trained(model, x, y)
        if model.global_steps == 40 and model.is_gradient_accumulation_boundary():
            model.save_checkpoint("out")
        if model.global_steps == 47:
            os.kill(os.getpid(), signal.SIGKILL)


def resumed() -> None:
    """The next process goes on from update 40, in the same file; the timer counts from 0 again."""
    model = engine(4)
    model.load_checkpoint("out")
    for number, (_, (x, y)) in enumerate(passes(3), 1):
        if number > 40 * 4:
            trained(model, x, y)


def turns() -> None:
    """Each epoch's end is told to the timer, as DeepSpeed-Chat's scripts do: micro-steps start from 0 again."""
    model = engine(2)
    for number, (x, y) in passes(3):
        trained(model, x, y)
        if number == SAMPLES // BATCH:
            model.tput_timer.update_epoch_count()


def stages() -> None:
    """The pipeline engine with one stage: `train_batch` takes four micro-batches, and prints with `print`."""
    import deepspeed
    import torch

    deepspeed.init_distributed("gloo")
    pipe = deepspeed.pipe.PipelineModule([layer()], num_stages=1, loss_fn=torch.nn.functional.mse_loss)
    model = deepspeed.initialize(model=pipe, model_parameters=pipe.parameters(), config=config(4))[0]
    batches = (batch for _, batch in passes(3))
    for _ in range(78):
        model.train_batch(batches)


CASES: dict[str, tuple[str, ...]] = {
    "accumulation": ("whole",),
    "killed_and_resumed": ("killed", "resumed"),
    "epoch_count": ("turns",),
    "pipeline": ("stages",),
}
"""Log → the programs that write into it, one behind the other."""

# ---- running them ----------------------------------------------------------------------------------------------------


def run(program: str) -> None:
    """Run a program of this file in this process, under the simulated clock."""
    import deepspeed

    deepspeed.utils.logger.setLevel("INFO")
    for handler in deepspeed.utils.logger.handlers:
        handler.setLevel("INFO")
    CLOCK.now += 3600 if program == "resumed" else 0
    time.time = CLOCK.time
    globals()[program]()
    sys.stdout.flush()
    with contextlib.suppress(RuntimeError):
        deepspeed.comm.destroy_process_group()


def make(case: str) -> None:
    """Write the log of a case."""
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29517"}
    with tempfile.TemporaryDirectory() as work:
        log = Path(work) / "log"
        with log.open("wb") as out:
            for program in CASES[case]:
                subprocess.run(
                    [sys.executable, "-u", __file__, "--program", program],
                    cwd=work,
                    env={**os.environ, **alone, "DS_ACCELERATOR": "cpu", "TZ": "UTC", "CUDA_VISIBLE_DEVICES": ""},
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    check=program != "killed",
                )
        folder = HERE / "deepspeed"
        folder.mkdir(exist_ok=True)
        packages = str(Path(sys.prefix).resolve()).encode()
        text = re.sub(rb"0x[0-9a-f]{6,}", b"0x7f0000000000", log.read_bytes())
        text = text.replace(os.path.realpath(work).encode(), NEUTRAL_HOME.encode())
        (folder / f"{case}.log").write_bytes(text.replace(packages, f"{NEUTRAL_HOME}/venv".encode()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASES, []])
    parser.add_argument("--program")
    chosen = parser.parse_args()
    if chosen.program:
        run(chosen.program)
        return
    for case in chosen.case or CASES:
        make(case)
        print(case)


if __name__ == "__main__":
    main()
