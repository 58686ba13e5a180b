"""Make sample_logs/pytorch by running training loops that print for themselves, in the shapes of well-known tutorials.

Real: a small network that torch trains on points drawn from a fixed seed; the batches are those of torch's DataLoader,
`drop_last` on and off; losses and accuracies are what comes out. The programs are processes of their own whose output
goes to a file. Simulated: the clock of `batch_*` (`time.time` as logging knows it), and the memory that they print.

    pip install torch==2.13.0
    python sample_logs/make_pytorch.py [case …]

The samples were made with Python 3.11 and torch 2.13.0 (CPU).
"""

import argparse
import datetime
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

HERE = Path(__file__).resolve().parent
Batch = tuple[Tensor, Tensor]


class Clock:
    """Seconds since 1970 that pass only when told to; the local zone of a sample is UTC."""

    def __init__(self, start: str) -> None:
        self.now = datetime.datetime.fromisoformat(start + "+00:00").timestamp()

    def install(self) -> None:
        os.environ["TZ"] = "UTC"
        time.tzset()
        time.time = lambda: self.now
        time.time_ns = lambda: int(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def points(count: int, seed: int) -> TensorDataset:
    """Points of the plane; the class is the side of a circle they lie on."""
    drawn = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(drawn, (drawn.norm(dim=1) > 1.1).long())


class Learner:
    """A network, its optimizer, and what a loop does with a batch."""

    def __init__(self, lr: float = 0.05) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.network = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=lr)

    def step(self, batch: Batch) -> float:
        inputs, labels = batch
        loss = cross_entropy(self.network(inputs), labels)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def judge(self, batches: DataLoader[Batch]) -> tuple[float, int, int]:
        """Mean loss over the samples, samples classified rightly, samples."""
        total, right, count = 0.0, 0, 0
        with torch.no_grad():
            for inputs, labels in batches:
                scores = self.network(inputs)
                total += cross_entropy(scores, labels, reduction="sum").item()
                right += int((scores.argmax(dim=1) == labels).sum())
                count += len(labels)
        return total / count, right, count


def shuffled(data: TensorDataset, batch_size: int, *, drop_last: bool = False) -> DataLoader[Batch]:
    generator = torch.Generator().manual_seed(0)
    return DataLoader(data, batch_size=batch_size, shuffle=True, drop_last=drop_last, generator=generator)


# ---- the programs ----------------------------------------------------------------------------------------------------


def epoch_batch_step(*, drop_last: bool) -> None:
    """Five epochs over 10,000 samples in batches of 32, a line every 50 batches."""
    epochs, learner = 5, Learner()
    batches = shuffled(points(10_000, seed=1), 32, drop_last=drop_last)
    step, steps = 0, len(batches) * epochs
    for epoch in range(1, epochs + 1):
        for number, batch in enumerate(batches, start=1):
            loss = learner.step(batch)
            step += 1
            if number % 50 == 0:
                place = f"Epoch [{epoch}/{epochs}], Batch [{number}/{len(batches)}], Step [{step}/{steps}]"
                print(f"{place}, Loss: {loss:.4f}")


def batch_sizes(batch_size: int, s_per_batch: float, memory_mb: float) -> None:
    """Two epochs over 1,250 samples and 156 to validate with, logged with time stamps."""
    clock = Clock("2025-12-01 09:00:00")
    clock.install()
    logging.basicConfig(format="%(asctime)s - %(levelname)s - %(message)s", level=logging.INFO, stream=sys.stdout)
    epochs, learner = 2, Learner()
    batches, held_out = shuffled(points(1250, seed=1), batch_size), DataLoader(points(156, seed=2), batch_size)
    logging.info("batch_size: %d", batch_size)
    logging.info("Training batches: %d", len(batches))
    logging.info("Validation batches: %d", len(held_out))
    for epoch in range(1, epochs + 1):
        for number, batch in enumerate(batches, start=1):
            clock.sleep(s_per_batch)
            loss = learner.step(batch)
            if number % 10 == 0:
                logging.info("Epoch: %d | Batch: %d/%d | loss=%.4f", epoch, number, len(batches), loss)
        loss, right, count = learner.judge(held_out)
        clock.sleep(s_per_batch / 3 * len(held_out))
        logging.info("Epoch %d/%d - val_loss: %.4f - val_acc: %.4f", epoch, epochs, loss, right / count)
    logging.info("GPU memory: %.2f MB", memory_mb)


def digits() -> None:
    """Two epochs over 6,000 samples in batches of 64: samples in the bracket, a percentage, a test set behind each."""
    learner = Learner()
    data = points(6000, seed=1)
    batches, held_out = shuffled(data, 64), DataLoader(points(1000, seed=2), batch_size=1000)
    for epoch in range(1, 3):
        for number, batch in enumerate(batches):
            loss = learner.step(batch)
            if number % 31 == 0:
                samples, share = number * len(batch[0]), 100.0 * number / len(batches)
                print(f"Train Epoch: {epoch} [{samples}/{len(data)} ({share:.0f}%)]\tLoss: {loss:.6f}")
        mean, right, count = learner.judge(held_out)
        print(f"\nTest set: Average loss: {mean:.4f}, Accuracy: {right}/{count} ({100.0 * right / count:.0f}%)\n")


def samples_behind() -> None:
    """Three epochs with a heading each: the loss first, the samples done in a bracket behind it."""
    learner = Learner()
    data = points(6000, seed=1)
    batches, held_out = shuffled(data, 64), DataLoader(points(1000, seed=2), batch_size=64)
    for epoch in range(3):
        print(f"Epoch {epoch + 1}\n-------------------------------")
        for number, batch in enumerate(batches):
            loss = learner.step(batch)
            if number % 25 == 0:
                print(f"loss: {loss:>7f}  [{(number + 1) * len(batch[0]):>5d}/{len(data):>5d}]")
        mean, right, count = learner.judge(held_out)
        print(f"Test Error: \n Accuracy: {100 * right / count:>0.1f}%, Avg loss: {mean:>8f} \n")
    print("Done!")


def every_2000() -> None:
    """Two epochs of 12,500 batches of 4, the mean loss of every 2,000 in a line that begins with epoch and batch."""
    learner = Learner(lr=0.001)
    batches = shuffled(points(50_000, seed=1), 4)
    for epoch in range(2):
        running = 0.0
        for number, batch in enumerate(batches):
            running += learner.step(batch)
            if number % 2000 == 1999:
                print(f"[{epoch + 1}, {number + 1:5d}] loss: {running / 2000:.3f}")
                running = 0.0
    print("Finished Training")


def epochs_only() -> None:
    """Eight epochs, one line each, with what was learnt and what was held out; epoch 6 and later at a rate too high."""
    learner = Learner(lr=0.1)
    batches, held_out = shuffled(points(640, seed=1), 16), DataLoader(points(160, seed=2), batch_size=16)
    for epoch in range(1, 9):
        if epoch == 6:
            learner.optimizer.param_groups[0]["lr"] = 1e38
        losses = [learner.step(batch) for batch in batches]
        mean, right, count = learner.judge(held_out)
        held = f"Val. Loss: {mean:.3f} | Val. Acc: {right / count * 100:.2f}%"
        print(f"Epoch: {epoch:02} | Train Loss: {sum(losses) / len(losses):.3f} | {held}")


def dropping() -> None:
    epoch_batch_step(drop_last=True)


def keeping() -> None:
    epoch_batch_step(drop_last=False)


def batch_1() -> None:
    batch_sizes(1, 0.2, 2560)


def batch_4() -> None:
    batch_sizes(4, 0.32, 6144)


def batch_8() -> None:
    batch_sizes(8, 0.4, 12288)


def batch_16() -> None:
    batch_sizes(16, 1.6 / 3, 24064)


CASES = {
    "epoch_batch_step_dropping": dropping,
    "epoch_batch_step_keeping": keeping,
    "batch_1": batch_1,
    "batch_4": batch_4,
    "batch_8": batch_8,
    "batch_16": batch_16,
    "digits": digits,
    "samples_behind": samples_behind,
    "every_2000": every_2000,
    "epochs_only": epochs_only,
}


# ---- running them ----------------------------------------------------------------------------------------------------


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("cases", nargs="*", metavar="case", help=f"all if none is given: {', '.join(CASES)}")
    arguments.add_argument("--be", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.be:
        CASES[given.be]()
        return
    (HERE / "pytorch").mkdir(exist_ok=True)
    for name in given.cases or CASES:
        command = [sys.executable, str(Path(__file__).resolve()), "--be", name]
        with (HERE / "pytorch" / f"{name}.log").open("wb") as output:
            subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True)
        print(f"{name}: done")


if __name__ == "__main__":
    main()
