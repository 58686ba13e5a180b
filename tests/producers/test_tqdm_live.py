"""tqdm itself, as it is installed here: what it prints is read as what was done."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import trainqc

pytest.importorskip("tqdm")

LOOP = """
import sys, time
from tqdm import tqdm
for epoch in range(1, 4):
    bar = tqdm(range({n}), desc=f"Epoch {{epoch}}/3", miniters=1, mininterval=0, file=sys.stderr, ncols={ncols})
    for step in bar:
        time.sleep(0.001)
        bar.set_postfix(loss=f"{{1 / (step + 1):.4f}}")
"""


def progress_of(tmp_path: Path, script: str) -> Path:
    log = tmp_path / "logs" / "train.log"
    log.parent.mkdir()
    with log.open("wb") as file:
        subprocess.run([sys.executable, "-c", script], stdout=file, stderr=file, check=True, timeout=120)
    trainqc.run(log.parent, out=tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("ncols", ["None", "100"])
def test_every_bar_and_its_last_state(tmp_path: Path, ncols: str) -> None:
    """Three bars of 37: three bars end at 37 of 37, each n between is seen, and the last loss is that of step 37."""
    out = progress_of(tmp_path, LOOP.format(n=37, ncols=ncols))
    rows = trainqc.read(out, "progress")
    assert rows["format"].unique().to_list() == ["tqdm"]
    assert rows["iters_per_epoch"].unique().to_list() == [37]
    ended = rows.group_by("bar").agg(pl.max("iter"), n=pl.col("iter").n_unique()).sort("bar")
    assert ended.rows() == [(f"Epoch {epoch}/3", 37, 38) for epoch in (1, 2, 3)]
    losses = trainqc.read(out, "metrics").filter(name="loss").group_by("line").agg(pl.last("value"))
    assert losses["value"].to_list() == [round(1 / 37, 4)] * 3
    run = trainqc.read(out, "runs").row(0, named=True)
    assert (run["iters_done"], run["iters_per_epoch"]) == (3 * 37, 37)
    assert trainqc.read(out, "issues").is_empty()


def test_an_unknown_total_stays_unknown(tmp_path: Path) -> None:
    """A bar over a generator counts to 50 and has no total: null, never 0."""
    script = (
        "import sys; from tqdm import tqdm\n"
        "for _ in tqdm((i for i in range(50)), miniters=1, mininterval=0, file=sys.stderr): pass"
    )
    rows = trainqc.read(progress_of(tmp_path, script), "progress")
    assert rows["iter"].max() == 50
    assert rows["iters_per_epoch"].null_count() == rows.height
