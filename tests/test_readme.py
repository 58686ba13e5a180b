"""What the README says is so: its marked blocks run, and everything that there is to type is in it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trainqc.pipeline.cli import app
from trainqc.pipeline.registry import formats
from trainqc.pipeline.settings import SETTABLE
from trainqc.pipeline.tables import TABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python) runs\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


KEPT = ("mmengine/sa2va_vessel", "mmengine/nan_loss", "tqdm/nested.log", "tqdm/meld_b32.log", "keras/cycles.log")
"""The samples that the blocks name, and some beside them: `.ci/run` makes the report of all, which takes its time."""


def samples(folder: Path) -> Path:
    """The folder, with sample_logs in it."""
    for name in KEPT:
        source, target = ROOT / "sample_logs" / name, folder / "sample_logs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first command makes of sample_logs."""
    folder = samples(tmp_path_factory.mktemp("made"))
    shell("trainqc sample_logs --quiet --plots 0", folder)
    return folder / "trainqc-out"


def shell(script: str, folder: Path) -> str:
    """Run a script with this environment's `trainqc` and `python` first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.mark.parametrize(("language", "block"), BLOCKS, ids=[block.split("\n")[0][:40] for _, block in BLOCKS])
def test_a_block_runs(language: str, block: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every block that is marked `runs` ends well in a folder with sample_logs, and prints something."""
    if "pandas" in block and importlib.util.find_spec("pandas") is None:
        pytest.skip("pandas is not installed here")
    if language == "sh" or "trainqc.run" in block:
        samples(tmp_path)  # a fresh clone: the tables of another folder would give each run a double
    else:
        shutil.copytree(request.getfixturevalue("made"), tmp_path / "trainqc-out", symlinks=True)
    if language == "python":
        (tmp_path / "example.py").write_text(block)
        block = f'"{sys.executable}" example.py'
    assert shell(block, tmp_path).strip()


def test_there_are_blocks_of_both_kinds() -> None:
    """The pattern above finds the blocks: shell, polars, DuckDB, pandas and the package itself."""
    assert sorted(language for language, _ in BLOCKS) == ["python"] * 4 + ["sh"] * 2


def test_the_two_first_commands() -> None:
    """The two commands that do all the set-up stand in the README, each in a block of its own."""
    for command in ("uv run trainqc sample_logs", "uv run pytest"):
        assert f"```sh\npip install uv && {command}\n```" in README


def test_every_command_and_option_is_named() -> None:
    """Nothing can be typed that the README does not name."""
    for name in app:
        if not name.startswith("-"):
            assert re.search(rf"trainqc {name}\b", README), name
    code = "".join(file.read_text() for file in (ROOT / "pipeline" / "cli").glob("*.py"))
    options = set(re.findall(r"--[a-z]+", code))
    named = set(re.findall(r"--[a-z]+", README))
    assert options - {"--help", "--version"} <= named


def test_every_format_table_and_name_is_named() -> None:
    """Every parser has its row, every table and every settable name is listed."""
    for name in formats().parsers:
        assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE), name
    for name in (*TABLES, *SETTABLE):
        assert f"`{name}`" in README, name


def test_every_file_that_is_named_exists() -> None:
    """Paths of the repository in the README lead somewhere."""
    for path in re.findall(r"`((?:parsers|sample_logs|tests|pipeline)/[\w./]*[\w/])`", README):
        assert (ROOT / path).exists(), path
