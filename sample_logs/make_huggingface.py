"""Make sample_logs/huggingface by running the real Trainer of transformers on a tiny model, with a simulated clock.

Real: every byte is written by transformers and its tqdm; losses, gradients, accumulation, validation, checkpoints,
resume and early stopping are those of a small network that really trains. The programs are processes of their own
whose stdout and stderr go to one file.

Simulated: the clock (`time.time`), which moves in the model's forward pass alone; tqdm's monitor thread, which would
look at the real clock, is off. Paths of the temporary folder are replaced by /home/user.

    pip install torch==2.13.0 transformers==5.23.0 accelerate==1.15.0 numpy     (cases of transformers 5)
    pip install torch==2.13.0 transformers==4.46.3 accelerate==1.1.1 numpy      (cases of transformers 4)
    python sample_logs/make_huggingface.py [case …]

Cases that the installed transformers cannot make are left out. The samples were made with Python 3.11 and tqdm 4.70.1.
"""

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NEUTRAL_HOME = "/home/user"
COLUMNS = 4


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
TRAIN_S, EVAL_S = 0.4, 0.1

# ---- the programs ----------------------------------------------------------------------------------------------------


def trainer(samples: int, *, stop_at: int | None = None, patience: int | None = None, **settings: Any) -> Any:
    """A Trainer for `samples` points of a noisy plane; it is killed behind update `stop_at`."""
    import torch
    from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

    set_seed(1)
    points = torch.randn(samples + 50, COLUMNS)
    plane = points @ torch.arange(1.0, COLUMNS + 1) + 0.3 * torch.randn(samples + 50)
    rows = [{"x": x, "labels": y} for x, y in zip(points, plane, strict=True)]

    class Plane(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(COLUMNS, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            CLOCK.work(TRAIN_S if self.training else EVAL_S)
            found = self.line(x).squeeze(-1)
            return {"loss": torch.nn.functional.mse_loss(found, labels), "logits": found}

    class Killed(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if state.global_step == stop_at:
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    arguments = TrainingArguments(
        output_dir="out", report_to=[], seed=1, use_cpu=True, max_grad_norm=1.0, **{"learning_rate": 0.1, **settings}
    )
    stopping = [EarlyStoppingCallback(patience)] if patience else []
    return Trainer(
        Plane(), arguments, train_dataset=rows[:samples], eval_dataset=rows[samples:], callbacks=[Killed(), *stopping]
    )


def informed() -> None:
    """Transformers' own messages, which it keeps to itself by default."""
    from transformers.utils import logging as messages

    messages.set_verbosity_info()


PLAN = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 4,
    "num_train_epochs": 3,
    "logging_steps": 5,
    "save_steps": 20,
}


def epochs() -> None:
    """Three epochs of 105 batches, each validated; header and checkpoints are printed."""
    informed()
    trainer(420, eval_strategy="epoch", **PLAN).train()


def killed() -> None:
    """The same plan, killed behind update 47; the last checkpoint is that of update 40."""
    informed()
    trainer(420, stop_at=47, **PLAN).train()


def resumed() -> None:
    """The next process goes on from checkpoint 40, in the same file."""
    informed()
    trainer(420, **PLAN).train(resume_from_checkpoint=True)


def max_steps() -> None:
    """Sixty updates within an epoch, at the default verbosity: no header says what the bar counts."""
    plan = {**PLAN, "max_steps": 60, "save_strategy": "no"}
    del plan["num_train_epochs"], plan["save_steps"]
    trainer(2500, **plan).train()


def early_stop() -> None:
    """A learning rate that is too high: validation gets worse, and the training ends with the best model loaded."""
    informed()
    plan = {**PLAN, "num_train_epochs": 30, "learning_rate": 0.6, "lr_scheduler_type": "constant"}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    trainer(120, patience=3, eval_strategy="epoch", **{**plan, "save_strategy": "epoch"}, **best).train()


def no_bar() -> None:
    """`disable_tqdm=True`: the dicts alone, and the closing table of the example scripts."""
    training = trainer(420, eval_strategy="epoch", disable_tqdm=True, **PLAN)
    done = training.train()
    training.log_metrics("train", done.metrics)


def explicit() -> None:
    """Transformers 4: bare numbers, its logger's explicit format with stamps."""
    from transformers.utils import logging as messages

    logging.Formatter.converter = time.gmtime
    messages.enable_explicit_format()
    informed()
    trainer(420, eval_strategy="epoch", **PLAN).train()


CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "epochs": ("5.", ("epochs",)),
    "killed_and_resumed": ("5.", ("killed", "resumed")),
    "max_steps": ("5.", ("max_steps",)),
    "early_stop": ("5.", ("early_stop",)),
    "no_bar": ("5.", ("no_bar",)),
    "transformers_4.46.3": ("4.46.3", ("explicit",)),
}
"""Log → the transformers that makes it, and the programs that write into it, one behind the other."""


# ---- running them ----------------------------------------------------------------------------------------------------


def run(program: str) -> None:
    """Run a program of this file in this process, under the simulated clock."""
    time.time = CLOCK.time
    CLOCK.now += 3600 if program == "resumed" else 0
    import tqdm

    tqdm.tqdm.monitor_interval = 0
    globals()[program]()


def make(case: str) -> None:
    """Write the log of a case."""
    with tempfile.TemporaryDirectory() as work:
        log = Path(work) / "log"
        with log.open("wb") as out:
            for program in CASES[case][1]:
                subprocess.run(
                    [sys.executable, "-u", __file__, "--program", program],
                    cwd=work,
                    env={**os.environ, "TZ": "UTC", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"},
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    check=program != "killed",
                )
        folder = HERE / "huggingface"
        folder.mkdir(exist_ok=True)
        packages = str(Path(sys.prefix).resolve()).encode()
        text = log.read_bytes().replace(os.path.realpath(work).encode(), NEUTRAL_HOME.encode())
        (folder / f"{case}.log").write_bytes(text.replace(packages, f"{NEUTRAL_HOME}/venv".encode()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASES, []])
    parser.add_argument("--program")
    chosen = parser.parse_args()
    if chosen.program:
        run(chosen.program)
        return
    import transformers

    for case in chosen.case or [c for c, (version, _) in CASES.items() if transformers.__version__.startswith(version)]:
        make(case)
        print(case)


if __name__ == "__main__":
    main()
