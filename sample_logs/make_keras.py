"""Make sample_logs/keras by running the real Keras on tiny models, with a simulated clock.

Keras 3 (`terminal`, `cycles`, `verbose_2`, `history`, `broken_off`, `schedules`, `early_stop`, `new_models`): real are
every byte (Keras' own `fit`, `evaluate`, `predict` and callbacks on the JAX backend, and the programs' own `print`),
losses, weights and learning rates. The programs are processes of their own whose stdout and stderr go to one file, or
to a pseudo-terminal of 100 columns.

Keras 1 and 2 (`keras_1.2.2` …): their frameworks are gone, so the class `Progbar` of each release runs alone, cut out
of the release's own `utils/generic_utils.py`; the loop around it and the lines that are not the bar's (`Train on`,
`Epoch`, the words of ModelCheckpoint) are written here, in the words of that release. Losses are those of a straight
line that is really fitted; the mean of an epoch is the bar's own.

Simulated: the clock, as Keras' progress bars know it. It moves by a drawn time with each batch, by a fixed time with
each validation. The temporary folder's path became /home/user.

    pip install keras jax numpy
    pip download keras==2.15.0 --no-deps     # and 2.3.1, 2.0.8, 1.2.2; each unpacked into a folder OLD/<version>
    python sample_logs/make_keras.py [--old OLD] [case …]

The samples were made with Python 3.11, Keras 3.15.1, JAX 0.10.2 (CPU), NumPy 2.4.6 on Linux.
"""

import argparse
import ast
import collections
import fcntl
import os
import pty
import random
import re
import struct
import subprocess
import sys
import tempfile
import termios
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TERMINAL_COLUMNS = 100
HOME = "/home/user"


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_763_978_400.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()
DRAWN = random.Random(7)


# ---- Keras 3 ---------------------------------------------------------------------------------------------------------


def keras3(seed: int) -> types.SimpleNamespace:
    """Keras with its clock simulated, a model of 41 weights, and a callback that lets time pass."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    import numpy as np
    from keras.src.utils import progbar

    progbar.time = types.SimpleNamespace(time=CLOCK.time)
    keras.utils.set_random_seed(seed)

    class Paced(keras.callbacks.Callback):
        def __init__(self, batch_s: float, val_s: float = 0.0, compile_s: float = 0.0) -> None:
            super().__init__()
            self.batch_s, self.val_s, self.first_s = batch_s, val_s, compile_s

        def on_train_batch_end(self, *_: object, **__: object) -> None:
            CLOCK.sleep(self.first_s + self.batch_s * DRAWN.uniform(0.9, 1.1))
            self.first_s = 0.0

        def on_predict_batch_end(self, *_: object, **__: object) -> None:
            CLOCK.sleep(self.batch_s * DRAWN.uniform(0.9, 1.1))

        def on_test_end(self, *_: object, **__: object) -> None:
            CLOCK.sleep(self.val_s)

    def data(samples: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed + samples)
        x = rng.normal(size=(samples, 8)).astype("float32")
        return x, (x @ rng.normal(size=8) + rng.normal(scale=0.5, size=samples) > 0).astype("float32")

    def model(rate: float) -> Any:
        layers = [
            keras.Input((8,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
        made = keras.Sequential(layers)
        made.compile(optimizer=keras.optimizers.SGD(rate), loss="binary_crossentropy", metrics=["accuracy"])
        return made

    return types.SimpleNamespace(keras=keras, np=np, Paced=Paced, data=data, model=model)


def cycles() -> None:
    """Ten learning schedules of four mini-epochs each: `Epoch 1/4` ten times, the rate warms up and later decays."""
    k = keras3(3)
    x, y = k.data(380)
    model = k.model(0.0001)
    for cycle in range(10):
        print(f"Learning schedule {cycle + 1}/10")
        top = 0.001 * 0.95 ** max(0, cycle - 3)

        def rate(epoch: int, _: float, top: float = top) -> float:
            return top * (epoch + 1) / 4

        paced = k.Paced(0.4, compile_s=6.0 if cycle == 0 else 0.0)
        model.fit(x, y, batch_size=32, epochs=4, callbacks=[paced, k.keras.callbacks.LearningRateScheduler(rate)])


def terminal() -> None:
    """On a terminal: validation, checkpoints of the best epoch, a rate that falls on a plateau, then predict()."""
    k = keras3(5)
    x, y = k.data(1000)
    calls = k.keras.callbacks
    with tempfile.TemporaryDirectory() as folder:
        saved = calls.ModelCheckpoint(f"{folder}/best.keras", save_best_only=True, verbose=1)
        reduced = calls.ReduceLROnPlateau(patience=1, min_delta=0.02, factor=0.5, verbose=1)
        paced = k.Paced(0.11, val_s=1.5, compile_s=3.0)
        k_model = k.model(0.3)
        k_model.fit(x, y, epochs=5, validation_data=k.data(260), callbacks=[saved, reduced, paced])
        k_model.predict(x[:320], callbacks=[k.Paced(0.02)])


def verbose_2() -> None:
    """One line an epoch: early stopping with the best weights restored, evaluate(), and a rate by schedule."""
    k = keras3(11)
    x, y = k.data(500)
    calls = k.keras.callbacks
    with tempfile.TemporaryDirectory() as folder:
        stopping = calls.EarlyStopping(patience=2, min_delta=0.01, restore_best_weights=True, verbose=1)
        saved = calls.ModelCheckpoint(folder + "/epoch_{epoch:02d}.keras", verbose=1)
        model = k.model(1.0)
        paced = k.Paced(0.25, val_s=2.0)
        model.fit(x, y, epochs=30, validation_split=0.2, callbacks=[stopping, saved, paced], verbose=2)
        model.evaluate(*k.data(260), verbose=2)
        schedule = calls.LearningRateScheduler(lambda epoch, _: 0.1 * 0.5**epoch, verbose=1)
        model.fit(x, y, epochs=8, initial_epoch=5, callbacks=[schedule, k.Paced(0.25)], verbose=2)


def history() -> None:
    """CSVLogger's file: validation in every second epoch only, then a second fit() that appends."""
    k = keras3(13)
    x, y = k.data(200)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "training.log"
        model = k.model(0.5)
        for append in (False, True):
            logger = k.keras.callbacks.CSVLogger(str(file), append=append)
            rate = k.keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.5 / (epoch + 1))
            options = {"validation_data": k.data(64), "validation_freq": [1, 3]}
            model.fit(x, y, epochs=4, callbacks=[rate, logger], verbose=0, **options)
        print(file.read_text(), end="")


def schedules() -> None:
    """Epochs within epochs: 200 schedules of 10 mini-epochs of 288 batches. Five stages of 40 schedules share a rate
    and a weight of the loss; within a schedule the rate warms up to its tenfold, and would decay from mini-epoch 11 on.
    Sixteen steps are compiled into one (`steps_per_execution`): the counter still counts batches."""
    k = keras3(19)
    told = argparse.Namespace(
        num_epochs=200, epochs=10, batch_size=4, steps_per_epoch=288, warmup_epochs=10, decay=0.95, decay_start_epoch=10
    )
    print(told)
    x, y = k.data(1152)
    validation = k.data(40)
    model = k.model(0.0001)
    stages = list(zip((1e-4, 3e-5, 1e-5, 3e-6, 1e-6), (1.0, 2.0, 4.0, 8.0, 16.0), strict=True))
    for schedule in range(told.num_epochs):
        lowest, weight = stages[schedule // 40]
        if schedule % 40 == 0:
            optimizer = k.keras.optimizers.SGD(lowest, momentum=0.9)
            model.compile(optimizer, loss="binary_crossentropy", loss_weights=[weight], steps_per_execution=16)
        print(f"Learning schedule {schedule + 1}/{told.num_epochs}")

        def rate(epoch: int, _: float, lowest: float = lowest) -> float:
            if epoch < told.warmup_epochs:
                return lowest + 9 * lowest * epoch / (told.warmup_epochs - 1)
            return 10 * lowest * told.decay ** (epoch - told.decay_start_epoch + 1)

        calls = [k.Paced(0.1 * 16, val_s=1.5), k.keras.callbacks.LearningRateScheduler(rate, verbose=1)]
        options = {"batch_size": 4, "epochs": told.epochs, "validation_data": validation, "validation_batch_size": 20}
        model.fit(x, y, callbacks=calls, verbose=2, **options)


def early_stop() -> None:
    """Sixty samples learned by heart: validation gets worse, training is stopped and the best weights restored."""
    k = keras3(23)
    x, y = k.data(60)
    stopping = k.keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True, verbose=1)
    paced = k.Paced(0.2, val_s=0.5, compile_s=4.0)
    k.model(1.0).fit(x, y, batch_size=10, epochs=100, validation_data=k.data(90), callbacks=[stopping, paced])


def new_models() -> None:
    """Cross-validation: fit() five times with the same plan, each time on a model that is built anew."""
    k = keras3(29)
    x, y = k.data(400)
    for fold in range(5):
        print(f"Fold {fold + 1}/5")
        held = k.np.arange(400) % 5 == fold
        model = k.model(0.3)
        paced = k.Paced(0.3, val_s=0.8, compile_s=3.0)
        model.fit(x[~held], y[~held], epochs=6, validation_data=(x[held], y[held]), callbacks=[paced], verbose=2)


def broken_off() -> None:
    """What a closing line hides: a NaN after one batch, a generator that runs dry; one of unknown length."""
    k = keras3(17)
    x, y = k.data(320)

    def batches(count: int) -> Iterator[tuple[Any, Any]]:
        for at in range(count):
            yield x[32 * at : 32 * at + 32], y[32 * at : 32 * at + 32]

    k.model(0.1).fit(batches(10), epochs=1, callbacks=[k.Paced(0.3, compile_s=2.0)])
    k.model(0.1).fit(batches(7), epochs=2, steps_per_epoch=5, callbacks=[k.Paced(0.3)])
    stop = k.keras.callbacks.TerminateOnNaN()
    k.model(0.1).fit(x * k.np.nan, y, epochs=3, callbacks=[stop, k.Paced(0.3)])


# ---- Keras 1 and 2 ---------------------------------------------------------------------------------------------------


def old_progbar(old: Path, version: str) -> Callable[..., Any]:
    """The class Progbar of an unpacked release, and nothing else of it."""
    import numpy as np

    source = next(
        file for file in sorted((old / version).rglob("generic_utils.py")) if "class Progbar" in file.read_text()
    )
    tree = ast.parse(source.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Progbar"]
    tree.body[0].decorator_list = []  # the decorator only gives it a public name
    printing = types.SimpleNamespace(print_msg=lambda text, line_break=True: sys.stdout.write(text + "\n" * line_break))
    known = {"np": np, "sys": sys, "os": os, "re": re, "collections": collections, "time": CLOCK, "io_utils": printing}
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
        exec(compile(tree, str(source), "exec"), known)
    return known["Progbar"]


class Line:
    """y = a x + b, fitted by gradient descent to noisy points of y = 3 x + 1."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.a, self.b = 0.0, 0.0

    def loss(self, batch: int, lr: float = 0.0) -> float:
        """The mean squared error of a fresh batch, before a step of this rate on it."""
        points = [(x, 3 * x + 1 + self.rng.gauss(0, 0.3)) for x in (self.rng.uniform(-1, 1) for _ in range(batch))]
        errors = [(self.a * x + self.b - y, x) for x, y in points]
        self.a -= lr * sum(2 * error * x for error, x in errors) / batch
        self.b -= lr * sum(2 * error for error, _ in errors) / batch
        return sum(error * error for error, _ in errors) / batch


def by_samples(
    old: Path, version: str, *, samples: int, epochs: int, batch_s: float, announced: bool, verbose: int = 1
) -> None:
    """`fit` on arrays as up to 2.3: the counter counts samples; the last batch is smaller."""
    progbar, line = old_progbar(old, version), Line(23)
    if announced:
        print(f"Train on {samples} samples, validate on {samples // 4} samples")
    for epoch in range(epochs):
        print(f"Epoch {epoch + 1}/{epochs}")
        bar = progbar(samples, verbose=verbose)
        for end in range(32, samples + 32, 32):
            CLOCK.sleep(batch_s * DRAWN.uniform(0.9, 1.1) + (4.0 if (epoch, end) == (0, 32) else 0.0))
            if end < samples:
                bar.update(end, [("loss", line.loss(32, 0.05))])
        last = [("loss", line.loss(samples % 32 or 32, 0.05)), ("val_loss", line.loss(samples // 4))]
        CLOCK.sleep(1.0)
        bar.update(samples, last, **({"force": True} if version < "2.1" else {}))


def by_steps(old: Path, version: str, *, samples: int, epochs: int, batch_s: float) -> None:
    """`fit` of tf.keras from 2.2 on: the counter counts batches, the closing redraw comes behind the validation."""
    progbar, line = old_progbar(old, version), Line(29)
    steps = -(-samples // 32)
    for epoch in range(epochs):
        print(f"Epoch {epoch + 1}/{epochs}")
        bar = progbar(steps, stateful_metrics=["loss", "val_loss", "lr"], unit_name="step")
        seen: list[float] = []
        for step in range(1, steps + 1):
            CLOCK.sleep(batch_s * DRAWN.uniform(0.9, 1.1) + (5.0 if (epoch, step) == (0, 1) else 0.0))
            seen.append(line.loss(32, 0.05))
            bar.update(step, [("loss", sum(seen) / len(seen))], finalize=False)
        CLOCK.sleep(2.0)
        valued = line.loss(samples // 4)
        print(f"\nEpoch {epoch + 1}: saving model to {HOME}/epoch_{epoch + 1:02d}.h5")
        bar.update(steps, [("loss", sum(seen) / len(seen)), ("val_loss", valued), ("lr", 0.05)], finalize=True)


def keras_122(old: Path) -> None:
    by_samples(old, "1.2.2", samples=6429, epochs=3, batch_s=0.06, announced=False)


def keras_208(old: Path) -> None:
    by_samples(old, "2.0.8", samples=2000, epochs=4, batch_s=0.5, announced=True, verbose=2)


def keras_231(old: Path) -> None:
    by_samples(old, "2.3.1", samples=1000, epochs=3, batch_s=0.4, announced=True)


def keras_2150(old: Path) -> None:
    by_steps(old, "2.15.0", samples=1220, epochs=3, batch_s=0.35)


NEW: dict[str, Callable[[], None]] = {
    "cycles": cycles,
    "terminal": terminal,
    "verbose_2": verbose_2,
    "history": history,
    "broken_off": broken_off,
    "schedules": schedules,
    "early_stop": early_stop,
    "new_models": new_models,
}
OLD: dict[str, Callable[[Path], None]] = {
    "keras_1.2.2": keras_122,
    "keras_2.0.8": keras_208,
    "keras_2.3.1": keras_231,
    "keras_2.15.0": keras_2150,
}
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


def at_home(output: bytes) -> bytes:
    """The output without the paths of the machine that made it."""
    output = re.sub(rb"/[^\s]*/(lib/python[0-9.]+/site-packages)", rf"{HOME}/venv/\1".encode(), output)
    return re.sub(re.escape(tempfile.gettempdir()).encode() + rb"/tmp\w+", f"{HOME}/run".encode(), output)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("cases", nargs="*", metavar="case", help=f"all if none is given: {', '.join([*NEW, *OLD])}")
    arguments.add_argument(
        "--old", type=Path, help="folder with the unpacked releases of Keras 1 and 2, one folder each"
    )
    arguments.add_argument("--be", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.be in NEW:
        NEW[given.be]()
        return
    if given.be in OLD:
        OLD[given.be](given.old)
        return
    (HERE / "keras").mkdir(exist_ok=True)
    for name in given.cases or [*NEW, *(OLD if given.old else [])]:
        command = [sys.executable, "-W", "always::UserWarning", str(Path(__file__).resolve()), "--be", name]
        command += ["--old", str(given.old.resolve())] if given.old else []
        if name in ON_A_TERMINAL:
            output = output_of_a_terminal(command)
        else:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            output = done.stdout
            if done.returncode:
                raise SystemExit(f"{name} ended with {done.returncode}:\n{output.decode()}")
        (HERE / "keras" / f"{name}.log").write_bytes(at_home(output))
        print(f"{name}: done")


if __name__ == "__main__":
    main()
