"""Strangers' logs with facts that were counted without trainqc: every fact of the formats that exist holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.registry import formats

SHARED = Path(os.environ.get("TRAINQC_SHARED", Path(__file__).parents[2] / "shared"))
CHECK = SHARED / "check" / "check.py"
LOGS = SHARED / "real_logs"

pytestmark = pytest.mark.skipif(not CHECK.exists(), reason="no real logs beside the repository (TRAINQC_SHARED)")


def test_every_known_fact_holds(tmp_path: Path) -> None:
    """No counted fact of a tqdm or mmengine log is missed, and no log of another format is claimed."""
    derive = pytest.importorskip("trainqc.pipeline.derive", reason="the analysis is not there yet").derive
    out = tmp_path / "out"
    ingest([LOGS], out, formats(), jobs=2)
    derive(out)
    command = [sys.executable, str(CHECK), str(out), str(LOGS / "facts.jsonl"), "--formats", "tqdm,mmengine"]
    done = subprocess.run([*command, "--skip", "same_run_as"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
