"""The Keras that is installed prints what the parser knows: a run is read and compared with its history."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from trainqc.parsers.keras import PARSER
from trainqc.pipeline import match
from trainqc.pipeline.chunks import Chunk
from trainqc.pipeline.detect import Formats
from trainqc.pipeline.lines import split

os.environ.setdefault("KERAS_BACKEND", "jax")  # keras imports TensorFlow otherwise
pytest.importorskip("jax")
pytest.importorskip("keras")

PROGRAM = """
import json, sys
import keras, numpy as np
keras.utils.set_random_seed(1)
x, y = np.random.rand(100, 4).astype("float32"), np.random.rand(100).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
history = model.fit(x, y, batch_size=8, epochs=3, validation_split=0.2, verbose=int(sys.argv[1]))
model.evaluate(x, y, batch_size=8, verbose=int(sys.argv[1]))
model.predict(x, batch_size=8, verbose=int(sys.argv[1]))
print(json.dumps({name: [float(v) for v in values] for name, values in history.history.items()}), file=sys.stderr)
"""


@pytest.mark.parametrize("verbose", [1, 2])
def test_keras_prints_what_the_parser_reads(verbose: int, tmp_path: Path) -> None:
    """Three epochs of ten steps, an evaluation and a prediction are found with the losses of Keras' own history."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(verbose)],
        capture_output=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=tmp_path,
        check=True,
        timeout=300,
    )
    history = pl.read_json(done.stderr.strip().splitlines()[-1]).explode(pl.all())
    using = Formats({PARSER.name: PARSER})
    claims = match.claim(split([Chunk(0, done.stdout, first=True, last=True)]), using)
    anchors = pl.DataFrame(
        {"log": [0], "modified_at": [None]}, schema={"log": pl.UInt32, "modified_at": pl.Datetime("us", "UTC")}
    )
    settled = match.settle(claims, using, match.State(), anchors)
    progress = settled.tables["progress"].sort("line", "redraw")
    closing = progress.filter((pl.col("phase") == "train") & (pl.col("iter") == pl.col("iters_per_epoch")))
    assert closing["epoch"].unique().sort().to_list() == [1, 2, 3]
    assert closing["global_iter"].max() == 30
    assert progress.filter(pl.col("phase").is_null())["iters_per_epoch"].unique().to_list() == [13]
    assert progress.filter(pl.col("phase") == "predict")["iters_per_epoch"].unique().to_list() == [13]
    last = settled.tables["metrics"].sort("line", "redraw").group_by("epoch", "phase", "name").agg(pl.last("value"))
    for phase, name in (("train", "loss"), ("val", "val_loss")):
        printed = last.filter((pl.col("phase") == phase) & pl.col("epoch").is_not_null()).sort("epoch")["value"]
        assert printed.to_list() == pytest.approx(history[name].to_list(), abs=6e-5)
    assert settled.issues.is_empty()
    assert settled.ledger["lines_unknown"].to_list() == [0]
