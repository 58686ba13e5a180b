"""Make sample_logs/tqdm by running the real tqdm in small programs, with a simulated clock.

Real: every byte is written by tqdm (bars, redraws, cursor movements, its rates and averages) or by the program's own
`print`; the programs are processes of their own whose stdout and stderr go to one file, or to a pseudo-terminal of 100
columns. The losses are those of a straight line that is really fitted.

Simulated: the clock (`time` as tqdm knows it), which moves only when a program says so; tqdm's monitor thread, which
would look at the real clock, is off.

    pip install tqdm
    python sample_logs/make_tqdm.py [case …]

The samples were made with Python 3.11 and tqdm 4.70.1 on Linux.
"""

import argparse
import fcntl
import os
import pty
import random
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import tqdm.std
from tqdm import tqdm as bar

HERE = Path(__file__).resolve().parent
TERMINAL_COLUMNS = 100


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_763_978_400.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


def jittered(mean_s: float, deviation_s: float, count: int, seed: int) -> list[float]:
    """Return `count` durations whose mean is `mean_s` exactly; seconds."""
    rng = random.Random(seed)
    offsets = [rng.gauss(0.0, deviation_s) for _ in range(count)]
    shift = mean_s - sum(offsets) / count
    return [offset + shift for offset in offsets]


class Line:
    """y = a x + b, fitted by gradient descent to noisy points of y = 3 x + 1."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.a, self.b = 0.0, 0.0

    def step(self, lr: float, batch: int = 32) -> float:
        """Take one step on a fresh batch and return the batch's mean squared error before it."""
        points = [(x, 3 * x + 1 + self.rng.gauss(0, 0.3)) for x in (self.rng.uniform(-1, 1) for _ in range(batch))]
        errors = [(self.a * x + self.b - y, x) for x, y in points]
        self.a -= lr * sum(2 * error * x for error, x in errors) / batch
        self.b -= lr * sum(2 * error for error, _ in errors) / batch
        return sum(error * error for error, _ in errors) / batch


# ---- the programs ----------------------------------------------------------------------------------------------------


def nested() -> None:
    """Bars within bars: named in unnamed, unnamed in named; the inner ones vanish when they are done."""
    for _ in bar(range(3), desc="Epochs"):
        for seconds in bar(jittered(0.25, 0.02, 12, seed=1), leave=False):
            CLOCK.sleep(seconds)
        for _ in bar(range(5), desc="val", leave=False):
            CLOCK.sleep(0.11)
    for fold in bar(range(2)):
        for _ in bar(range(8), desc=f"fold {fold}", leave=False):
            CLOCK.sleep(1.6)
    for _ in bar(range(2), desc="seeds"):
        for _ in bar(range(3), desc="layers"):
            CLOCK.sleep(0.4)


def redirected() -> None:
    """A training loop as many people write it: postfix, prints while a bar is open, other kinds of bars around it."""
    lines = bar(iter(range(2500)), desc="reading captions.jsonl", unit=" lines", mininterval=0.5)
    for _ in lines:
        CLOCK.sleep(0.0016)
    weights = bar(total=2_998_272, desc="weights.bin", unit="B", unit_scale=True, unit_divisor=1024)
    for start in range(0, 2_998_272, 65_536):
        CLOCK.sleep(0.041)
        weights.update(min(65_536, 2_998_272 - start))
    weights.close()
    print("1200 samples, batch size 32", flush=True)
    model, lr = Line(seed=5), 0.1
    for epoch in range(1, 5):
        steps = bar(jittered(0.31, 0.03, 38, seed=epoch), desc=f"Epoch {epoch}/4")
        for number, seconds in enumerate(steps, start=1):
            CLOCK.sleep(seconds)
            steps.set_postfix(loss=model.step(lr), lr=lr)
            if number == 20:
                print(f"checkpoint written: epoch {epoch} step {number}", flush=True)
        tqdm.std.tqdm.write(f"epoch {epoch} done, a = {model.a:.3f}, b = {model.b:.3f}", file=sys.stdout)
        sys.stdout.flush()
        lr /= 10 if epoch == 3 else 1
    tokens = bar(total=12_288, desc="tokens", unit="tok", unit_scale=True)
    for _ in range(24):
        CLOCK.sleep(0.2)
        tokens.update(512)
        if tokens.n == 6144:
            tokens.write("half of the tokens", file=sys.stdout)
            sys.stdout.flush()
    tokens.close()


def terminal() -> None:
    """The same loop on a terminal: bars as wide as the screen, long postfixes cut at its edge."""
    print("1200 samples, batch size 32")
    model, lr = Line(seed=6), 0.05
    for epoch in range(1, 4):
        steps = bar(jittered(0.31, 0.03, 38, seed=epoch), desc=f"Epoch {epoch}/3")
        for seconds in steps:
            CLOCK.sleep(seconds)
            loss = model.step(lr)
            if epoch < 3:
                steps.set_postfix(loss=loss, lr=lr)
            else:
                steps.set_postfix(
                    loss=loss, lr=lr, slope=model.a, intercept=model.b, saved="/home/user/runs/line/last.pt"
                )
        steps.write(f"epoch {epoch} done, a = {model.a:.3f}, b = {model.b:.3f}")
    for _ in bar(range(2), desc="folds"):
        for _ in bar(range(5), leave=False):
            CLOCK.sleep(0.8)
    for _ in bar(iter(range(300)), desc="scoring"):
        CLOCK.sleep(0.05)


def meld_b32() -> None:
    """One bar for each of three epochs of 1,000 iterations, and nothing else."""
    for epoch, seconds in enumerate((0.63095, 0.6304, 0.6301)):
        for duration in bar(jittered(seconds, 0.02, 1000, seed=epoch), desc="Iteration", mininterval=10):
            CLOCK.sleep(duration)


def resumed() -> None:
    """A bar that starts at 400 of 1,000 and runs for more than a day."""
    durations = iter(jittered(160.0, 5.0, 600, seed=9))
    for _ in bar(range(400, 1000), desc="train", initial=400, total=1000, mininterval=1800):
        CLOCK.sleep(next(durations))


CASES = {"nested": nested, "redirected": redirected, "terminal": terminal, "meld_b32": meld_b32, "resumed": resumed}
ON_A_TERMINAL = {"terminal"}


# ---- running them ----------------------------------------------------------------------------------------------------


def output_of_a_terminal(command: list[str]) -> bytes:
    """Run a command with a pseudo-terminal as its only output and return what the terminal received."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, TERMINAL_COLUMNS, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    received = b"".join(until_closed(ours))
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{command} ended with {process.returncode}:\n{received.decode()}")
    return received


def until_closed(terminal_end: int) -> Iterator[bytes]:
    """Yield what arrives at a pseudo-terminal; Linux reports its closing as an input/output error."""
    while True:
        try:
            piece = os.read(terminal_end, 65_536)
        except OSError:
            return
        if not piece:
            return
        yield piece


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("cases", nargs="*", metavar="case", help=f"all if none is given: {', '.join(CASES)}")
    arguments.add_argument("--be", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.be:
        tqdm.std.time = CLOCK.time
        tqdm.std.tqdm.monitor_interval = 0
        CASES[given.be]()
        return
    (HERE / "tqdm").mkdir(exist_ok=True)
    for name in given.cases or CASES:
        command = [sys.executable, str(Path(__file__).resolve()), "--be", name]
        log = HERE / "tqdm" / f"{name}.log"
        if name in ON_A_TERMINAL:
            log.write_bytes(output_of_a_terminal(command))
        else:
            with log.open("wb") as output:
                subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True)
        print(f"{name}: done")


if __name__ == "__main__":
    main()
