"""Gradient accumulation as the producers do it over a grid, on one model of one weight; prints what was counted.

    python updates.py mmengine|accelerate|lightning|huggingface|deepspeed|keras

One JSON list on stdout: I, A, E, T (iterations that were run), U (updates that were applied), per_epoch (the same, by
the epoch in which they were applied), planned (updates, where the producer plans them), told (the updates by the
producer's own counter), moved (what the updates did to the weight, as a number of updates, where every micro-batch has
gradient 1 and the mean over a window is taken), N and B (samples and batch, where the producer makes the loader).
"""

import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

ITERS = (1, 3, 5, 8, 9, 16)
WINDOWS = (1, 2, 3, 8, 10)
EPOCHS = (1, 2, 3)
GRID = tuple(itertools.product(ITERS, WINDOWS, EPOCHS))
FEW = (*((i, a, e) for i, a, e in GRID if e != 2 and a in (1, 3, 8) and i in (3, 8, 9)), (16, 10, 2), (5, 8, 2))
BATCH = 2


def counting_sgd() -> Any:
    import torch

    class Counting(torch.optim.SGD):
        """SGD that knows how often it was stepped."""

        updates = 0

        def step(self, closure: Any = None) -> Any:
            self.updates += 1
            return super().step(closure)

    return Counting


def ones(iters: int) -> Any:
    import torch

    return torch.utils.data.DataLoader(torch.ones(iters * BATCH, 1), batch_size=BATCH)


def row(i: int, a: int, e: int, per_epoch: list[int], **more: Any) -> dict[str, Any]:
    return {"I": i, "A": a, "E": e, "T": i * e, "U": sum(per_epoch), "per_epoch": per_epoch, **more}


def by_mmengine() -> Iterator[dict[str, Any]]:
    import torch
    from mmengine.optim import OptimWrapper

    for i, a, e in GRID:
        weight = torch.nn.Parameter(torch.zeros(()))
        optimizer = counting_sgd()([weight], lr=1.0)
        wrapper = OptimWrapper(optimizer, accumulative_counts=a)
        wrapper.initialize_count_status(torch.nn.Linear(1, 1), 0, i * e)
        per_epoch = []
        for _ in range(e):
            before = optimizer.updates
            for _ in range(i):
                wrapper.update_params(weight * 1.0)
            per_epoch.append(optimizer.updates - before)
        yield row(i, a, e, per_epoch, moved=-weight.item())


def by_accelerate() -> Iterator[dict[str, Any]]:
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    for i, a, e in GRID:
        GradientState._reset_state()
        AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=a)
        model = torch.nn.Linear(1, 1)
        counting = counting_sgd()(model.parameters(), lr=0.01)
        model, optimizer, loader = accelerator.prepare(model, counting, ones(i))
        per_epoch = []
        for _ in range(e):
            before = counting.updates
            for x in loader:
                with accelerator.accumulate(model):
                    accelerator.backward(model(x).sum())
                    optimizer.step()
                    optimizer.zero_grad()
            per_epoch.append(counting.updates - before)
        yield row(i, a, e, per_epoch)


def by_lightning() -> Iterator[dict[str, Any]]:
    import lightning
    import torch

    class Line(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(1, 1)
            self.counting = counting_sgd()(self.parameters(), lr=0.01)
            self.after: list[int] = []
            self.batches = 0

        def training_step(self, batch: Any, index: int) -> Any:
            self.batches += 1
            return self.line(batch).sum()

        def configure_optimizers(self) -> Any:
            return self.counting

        def on_train_epoch_end(self) -> None:
            self.after.append(self.counting.updates)

    for i, a, e in FEW:
        model = Line()
        trainer = lightning.Trainer(
            max_epochs=e, accumulate_grad_batches=a, accelerator="cpu", devices=1, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(model, ones(i))
        per_epoch = [after - before for before, after in zip([0, *model.after], model.after, strict=False)]
        yield {**row(i, a, e, per_epoch, told=trainer.global_step), "T": model.batches}


def by_huggingface() -> Iterator[dict[str, Any]]:
    """The first case has 1,221 samples by four; `per_epoch` counts I iterations that were run as an epoch."""
    import torch
    import transformers

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(1, 1)
            self.batches = 0

        def forward(self, x: Any) -> dict[str, Any]:
            self.batches += 1
            return {"loss": self.line(x).mean()}

    def train(samples: int, batch: int, a: int, e: int) -> tuple[Any, Any, list[int]]:
        model = Line()
        counting = counting_sgd()(model.parameters(), lr=0.01)
        at: list[int] = []
        counting.register_step_post_hook(lambda *_: at.append(model.batches))
        arguments = transformers.TrainingArguments(
            output_dir=tempfile.gettempdir(), num_train_epochs=e, per_device_train_batch_size=batch,
            gradient_accumulation_steps=a, use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no",
            disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        trainer = transformers.Trainer(
            model,
            arguments,
            train_dataset=[{"x": torch.ones(1)}] * samples,
            optimizers=(counting, torch.optim.lr_scheduler.LambdaLR(counting, lambda _: 1.0)),
        )
        trainer.train()
        return trainer, model, at

    for samples, batch, a, e in ((1221, 4, 8, 3), *((i * BATCH, BATCH, a, e) for i, a, e in FEW)):
        trainer, model, at = train(samples, batch, a, e)
        i = -(-samples // batch)
        per_epoch = [sum((last - 1) // i == epoch for last in at) for epoch in range(e)]
        state = trainer.state
        more = {"planned": state.max_steps, "told": state.global_step, "ended": state.epoch}
        yield {**row(i, a, e, per_epoch, **more), "T": model.batches, "N": samples, "B": batch}


def by_deepspeed() -> Iterator[dict[str, Any]]:
    import deepspeed
    import torch

    for i, a, e in FEW:
        model = torch.nn.Linear(1, 1)
        counting = counting_sgd()(model.parameters(), lr=0.01)
        config = {"train_micro_batch_size_per_gpu": BATCH, "gradient_accumulation_steps": a, "steps_per_print": 10**9}
        engine, *_ = deepspeed.initialize(model=model, optimizer=counting, config=config)
        per_epoch = []
        for _ in range(e):
            before = counting.updates
            for x in ones(i):
                engine.backward(engine(x).sum())
                engine.step()
            per_epoch.append(counting.updates - before)
        yield {**row(i, a, e, per_epoch, told=engine.global_steps), "T": engine.micro_steps}


def by_keras() -> Iterator[dict[str, Any]]:
    """Also 1,000 samples by 32, whose last batch of an epoch is a partial one."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras
    import numpy as np

    class Weight(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.weight = self.add_weight(shape=(), initializer="zeros")

        def call(self, x: Any) -> Any:
            return x * 0 + self.weight

    class Steps(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.batches, self.after = 0, []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batches += 1

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.after.append(int(self.model.optimizer.iterations))

    grid = [(i * BATCH, BATCH, a, e) for i, a, e in FEW if a > 1]
    for samples, batch, a, e in (*grid, (1000, 32, 5, 2), (1000, 32, 40, 1), (1000, 32, 40, 2)):
        model = keras.Sequential([keras.Input((1,)), Weight()])
        optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=a)
        model.compile(optimizer=optimizer, loss=lambda _, y: keras.ops.mean(y, axis=-1))
        steps = Steps()
        data = np.ones((samples, 1), "float32")
        model.fit(data, data, batch_size=batch, epochs=e, verbose=0, callbacks=[steps])
        per_epoch = [after - before for before, after in zip([0, *steps.after], steps.after, strict=False)]
        moved = -float(np.asarray(model.layers[0].weight))
        yield {**row(-(-samples // batch), a, e, per_epoch, moved=moved), "T": steps.batches, "N": samples, "B": batch}


if __name__ == "__main__":
    if sys.argv[1] not in ("keras", "mmengine"):
        import torch

        torch.set_num_threads(1)
    count = {
        "mmengine": by_mmengine, "accelerate": by_accelerate, "lightning": by_lightning, "keras": by_keras,
        "huggingface": by_huggingface, "deepspeed": by_deepspeed,
    }[sys.argv[1]]  # fmt: skip
    out = os.dup(1)
    os.dup2(2, 1)  # what the producers print is not for this pipe
    with os.fdopen(out, "w") as file:
        json.dump(list(count()), file)
