"""Two processes in one gloo group: what mmengine, accelerate, Lightning and transformers do where ranks are real.

    python -m torch.distributed.run --nproc-per-node 2 ranks.py FOLDER mmengine accelerate lightning huggingface

Each rank writes FOLDER/RANK.json: a row for each N and producer with I (batches of an epoch, on this rank), seen (the
samples of an epoch, on this rank), and U (updates of E epochs at A) where it trains.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from updates import counting_sgd

B, A, E = 4, 8, 3
SAMPLES = (1221, 65, 64)


def flat(batches: list[list[float]]) -> list[float]:
    return [number for batch in batches for number in batch]


def numbers(samples: int) -> Any:
    return torch.arange(samples, dtype=torch.float32).unsqueeze(1)


def by_mmengine(samples: int) -> dict[str, Any]:
    from mmengine.dataset import DefaultSampler

    data = numbers(samples)
    loader = DataLoader(data, batch_size=B, sampler=DefaultSampler(data))
    seen = [batch.flatten().tolist() for batch in loader]
    return {"I": len(seen), "seen": flat(seen)}


def by_accelerate(samples: int) -> dict[str, Any]:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=A)
    model = torch.nn.Linear(1, 1)
    counting = counting_sgd()(model.parameters(), lr=0.0)
    model, optimizer, loader = accelerator.prepare(model, counting, DataLoader(numbers(samples), batch_size=B))
    for _ in range(E):
        seen = []
        for x in loader:
            seen.append(x.flatten().tolist())
            with accelerator.accumulate(model):
                accelerator.backward(model(x).sum())
                optimizer.step()
                optimizer.zero_grad()
    return {"I": len(seen), "seen": flat(seen), "U": counting.updates}


def by_lightning(samples: int) -> dict[str, Any]:
    import lightning

    class Line(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(1, 1)
            self.counting = counting_sgd()(self.parameters(), lr=0.0)
            self.seen: list[list[float]] = []

        def training_step(self, batch: Any, index: int) -> Any:
            self.seen = [*(self.seen if index else []), batch.flatten().tolist()]
            return self.line(batch).sum()

        def configure_optimizers(self) -> Any:
            return self.counting

    model = Line()
    lightning.Trainer(
        max_epochs=E, accumulate_grad_batches=A, accelerator="cpu", devices=2, strategy="ddp", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ).fit(model, DataLoader(numbers(samples), batch_size=B))  # fmt: skip
    return {"I": len(model.seen), "seen": flat(model.seen), "U": model.counting.updates}


def by_huggingface(samples: int) -> dict[str, Any]:
    import transformers

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(1, 1)
            self.seen: list[list[float]] = []

        def forward(self, x: Any) -> dict[str, Any]:
            self.seen.append(x.flatten().tolist())
            return {"loss": self.line(x).mean()}

    model = Line()
    counting = counting_sgd()(model.parameters(), lr=0.0)
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(), num_train_epochs=E, per_device_train_batch_size=B, use_cpu=True,
        gradient_accumulation_steps=A, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        remove_unused_columns=False, ddp_backend="gloo",
    )  # fmt: skip
    trainer = transformers.Trainer(
        model,
        arguments,
        train_dataset=[{"x": x} for x in numbers(samples)],
        optimizers=(counting, torch.optim.lr_scheduler.LambdaLR(counting, lambda _: 1.0)),
    )
    trainer.train()
    batches = len(model.seen) // E
    return {"I": batches, "seen": flat(model.seen[:batches]), "U": counting.updates, "planned": trainer.state.max_steps}


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    count = {
        "mmengine": by_mmengine, "accelerate": by_accelerate, "lightning": by_lightning,
        "huggingface": by_huggingface,
    }  # fmt: skip
    rows = [{"who": who, "N": n, **count[who](n)} for who in sys.argv[2:] for n in SAMPLES]
    (Path(sys.argv[1]) / f"{os.environ['RANK']}.json").write_text(json.dumps(rows), "utf-8")
    torch.distributed.destroy_process_group()
