"""What is built, installed and declared."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import metadata, requires
from itertools import pairwise
from pathlib import Path

import pytest
import trainqc

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {"trainqc": "pipeline/api", "trainqc.parsers": "parsers", "trainqc.pipeline": "pipeline"}


def packages() -> set[str]:
    """The import names of all folders with Python files, by the package mapping."""
    found = {"trainqc"}
    for name in ("parsers", "pipeline"):
        for init in (ROOT / name).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT)
            if folder != Path("pipeline/api"):
                found.add(".".join(("trainqc", *folder.parts)))
    return found


def test_every_folder_is_in_the_package_list() -> None:
    """A sub-package that is missing from pyproject.toml breaks the wheel alone: list and folders are the same."""
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages()
    assert PROJECT["tool"]["setuptools"]["package-dir"] == FOLDERS


def test_every_folder_with_code_is_a_package() -> None:
    """A folder of modules without __init__.py would not be packed."""
    for name in ("parsers", "pipeline"):
        for module in (ROOT / name).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


def test_every_dependency_says_why() -> None:
    """Each dependency stands under a comment with its reason, and has a lower bound for the lowest-versions run."""
    text = (ROOT / "pyproject.toml").read_text()
    listed = text[text.index("\ndependencies = [") : text.index("]", text.index("\ndependencies = ["))].splitlines()[2:]
    for above, line in pairwise(listed):
        if line.strip().startswith('"'):
            assert above.strip().startswith("#"), line
            assert re.fullmatch(r'"[a-z0-9-]+>=[0-9.]+",', line.strip()), line


def imports_at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from imports_at_run_time(node)


def test_what_is_imported_is_declared() -> None:
    """Every import of a third party in parsers and pipeline is a declared dependency."""
    declared = {re.split(r"[^A-Za-z0-9_-]", requirement)[0] for requirement in requires("trainqc") or []}
    imported = set()
    for name in ("parsers", "pipeline"):
        for module in (ROOT / name).rglob("*.py"):
            for node in imports_at_run_time(ast.parse(module.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    imported.add(str(node.module).split(".")[0])
    third = imported - set(sys.stdlib_module_names) - {"trainqc", "parsers", "pipeline"}
    assert third <= declared


def test_python_m_and_the_script_are_one() -> None:
    """`python -m trainqc` and the entry point `trainqc` are the same command."""
    assert PROJECT["project"]["scripts"] == {"trainqc": "trainqc.pipeline.cli:program"}
    said = subprocess.run(
        [sys.executable, "-m", "trainqc", "--version"], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert said.stdout.strip() == trainqc.__version__


def test_the_public_names_are_there_and_documented() -> None:
    """Everything in `__all__` exists, and every function says what it takes, returns and raises."""
    for name in trainqc.__all__:
        assert getattr(trainqc, name) is not None
    for function in (trainqc.run, trainqc.ingest, trainqc.analyze, trainqc.report, trainqc.scan):
        assert "Raises" in (function.__doc__ or ""), function
    with pytest.raises(AttributeError):
        _ = trainqc.no_such_name  # type: ignore[attr-defined]


def test_errors_of_the_api(tmp_path: Path) -> None:
    """A setting of no use, a folder without tables and an unknown table raise the errors that are documented."""
    with pytest.raises(trainqc.SettingsError, match="colour"):
        trainqc.analyze(tmp_path, settings={"colour": 1})
    with pytest.raises(trainqc.StoreError, match="trainqc ingest"):
        trainqc.scan(tmp_path / "none", "runs")
    with pytest.raises(KeyError, match="progress"):
        trainqc.scan(tmp_path, "steps")


def test_licence_and_changelog() -> None:
    """The licence is the whole text that pyproject.toml names, and the changelog knows the version."""
    assert PROJECT["project"]["license"] == metadata("trainqc")["License-Expression"] == "Apache-2.0"
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert f"## {PROJECT['project']['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_no_lock_file_is_kept() -> None:
    """The version ranges are tested at both ends; a lock file would hide them."""
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"uv.lock", "*.egg-info/", "build/", "dist/", "trainqc-out/"} <= set(ignored)
