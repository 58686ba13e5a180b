"""trainqc over its own repository: code, tests, documents and expected files quote log lines on every page."""

import shutil
import subprocess
from pathlib import Path

import pytest
from reading import PROJECT
from trainqc import analyze, ingest, read


def tracked() -> list[str]:
    """The files of the repository, as a clone has them."""
    if shutil.which("git") is None or not (PROJECT / ".git").exists():
        pytest.skip("not in a clone: which files are the project's is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def test_the_repository_holds_its_sample_logs_and_no_other_training(tmp_path: Path) -> None:
    """Every run is a sample log's; and each of them is found as it is in the folder alone."""
    tree = tmp_path / "tree"
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, tree / name)
    for logs, out in ((tree, tmp_path / "all"), (tree / "sample_logs", tmp_path / "samples")):
        ingest([logs], out=out)
        analyze(out)
    found = read(tmp_path / "all", "runs")["log_paths"].explode().sort().to_list()
    alone = read(tmp_path / "samples", "runs")["log_paths"].explode().sort().to_list()
    assert found == [f"sample_logs/{path}" for path in alone]
