"""Strangers' logs: the verdict on the counts of each, as a person who read the log agrees with it."""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from trainqc.pipeline.derive import derive
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.registry import formats
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import EXPLANATIONS, RUNS

SHARED = Path(os.environ.get("TRAINQC_SHARED", Path(__file__).parents[2] / "shared"))
LOGS = SHARED / "real_logs"
EXPECTED = json.loads((Path(__file__).parent / "real_verdicts.json").read_text("utf-8"))

pytestmark = pytest.mark.skipif(not LOGS.exists(), reason="no real logs beside the repository (TRAINQC_SHARED)")


def test_verdicts(tmp_path: Path) -> None:
    """Verdict and best explanation of every log whose counts were read by hand."""
    out = tmp_path / "out"
    ingest([LOGS], out, formats(), jobs=2)
    derive(out)
    store = Store(out)
    runs = store.read(RUNS).select("run_id", path=pl.col("log_paths").list.first())
    best = store.read(EXPLANATIONS).filter(pl.col("position") == 1).join(runs, on="run_id")
    found = {row["path"]: row for row in best.to_dicts()}
    told = {
        path: {name: found[path][name] for name in wanted} if path in found else None
        for path, wanted in EXPECTED.items()
    }
    assert told == EXPECTED
