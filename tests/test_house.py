"""The rules of the house, read from the syntax trees: who may import whom, where files and clocks may be touched, what
is done per row, and how large a file may grow."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
FOLDERS = ("parsers", "pipeline")
FILES = sorted(file for folder in FOLDERS for file in (PROJECT / folder).rglob("*.py"))
TREES = {file.relative_to(PROJECT).with_suffix("").as_posix(): ast.parse(file.read_text("utf-8")) for file in FILES}
"""Module by its path without the ending: `pipeline/report/charts`."""

each_module = pytest.mark.parametrize("module", TREES)

VOCABULARY = {"parsers/contract", "parsers/dumps", "parsers/synonyms"}
"""What formats may share: shapes, names, the syntax of configuration dumps; no format."""
FORMATS = {name for name in TREES if name.startswith("parsers/")} - {"parsers/__init__"} - VOCABULARY
ANALYZE = {name for name in TREES if name.startswith("pipeline/analyze/")}
REPORT = {name for name in TREES if name.startswith("pipeline/report/")}
REPORT_EDGES = {"pipeline/report/build", "pipeline/report/reading", "pipeline/report/console"}


def imports(module: str) -> Iterator[tuple[str, str]]:
    """(module, name) of each import of ours, as paths: `from ..tables import LOGS` → (pipeline/tables, LOGS)."""
    package = module.split("/")[:-1]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            if len(package) - node.level + 1 == 0 and node.level - len(package) <= 1:
                base = []  # one level above parsers/ and pipeline/ is the package itself
            target = "/".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                inner = f"{target}/{alias.name}".strip("/")
                yield (inner, "") if inner in TREES or f"{inner}/__init__" in TREES else (target, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "trainqc":
            yield "/".join(node.module.split(".")[1:]), ""


def foreign(module: str) -> set[str]:
    """Top-level names of the imports that are not ours."""
    names: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


def calls(module: str) -> Iterator[tuple[str, int]]:
    """(dotted name of what is called, line); of `a.b().c()` the last name, `.c`."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node.lineno


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


# ── arrows ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("module", sorted(FORMATS))
def test_a_format_knows_the_contract_alone(module: str) -> None:
    """parsers/<format> → what formats share, polars, the standard library: never the pipeline, never another format."""
    assert {target for target, _ in imports(module)} <= VOCABULARY
    assert foreign(module) - set(sys.stdlib_module_names) <= {"polars"}


def test_the_contract_knows_nobody() -> None:
    """Formats of other distributions build on the contract: it may not pull the pipeline in."""
    assert set(imports("parsers/contract")) == set()


@each_module
def test_only_the_registry_knows_formats(module: str) -> None:
    """No module of the pipeline imports a format, or the folder of formats, by name."""
    if module.startswith("pipeline/") and module != "pipeline/registry":
        targets = {target for target, _ in imports(module)}
        assert not targets & (FORMATS | {"parsers"})


@pytest.mark.parametrize("module", sorted(ANALYZE))
def test_the_analysis_knows_tables_alone(module: str) -> None:
    """analyze/* → tables, and each other: never the store, an engine room or the contract."""
    targets = {target for target, _ in imports(module)}
    assert {t for t in targets if t not in ANALYZE} <= {"pipeline/tables", "pipeline/analyze"}


@pytest.mark.parametrize("module", sorted(REPORT - REPORT_EDGES))
def test_the_report_knows_tables_alone(module: str) -> None:
    """report/* → tables and each other: only its edges open the store."""
    targets = {target for target, _ in imports(module)}
    assert {t for t in targets if t not in REPORT} <= {"pipeline/tables", "pipeline/report", "pipeline"}


CLI = {name for name in TREES if name.startswith("pipeline/cli/")}
USERS = CLI | {
    f"pipeline/{name}" for name in ("derive", "settings", "commands", "planning", "explain", "say", "bar", "recognize")
}


@each_module
def test_the_engine_does_not_know_its_users(module: str) -> None:
    """Reading logs does not depend on analysis, report or command line."""
    above = USERS | ANALYZE | REPORT | {name for name in TREES if name.startswith("pipeline/api/")}
    if module.startswith("pipeline/") and module not in above:
        assert not {target for target, _ in imports(module)} & above


@each_module
def test_parquet_is_the_stores(module: str) -> None:
    """Only the store, and its way to write a frame, read or write Parquet."""
    parquet = [name for name, _ in calls(module) if name.split(".")[-1] in PARQUET]
    assert not parquet or module in ("pipeline/store", "pipeline/parquet")
    assert "pyarrow" not in foreign(module) or module == "pipeline/parquet"


PARQUET = {
    "ParquetWriter",
    "read_parquet",
    "scan_parquet",
    "write_parquet",
    "sink_parquet",
    "read_table",
    "write_table",
}


@each_module
def test_matplotlib_is_the_charts(module: str) -> None:
    """matplotlib takes half a second to import: charts alone do it."""
    assert "matplotlib" not in foreign(module) or module == "pipeline/report/charts"


# ── files, clocks, printing ──────────────────────────────────────────────────────────────────────────────────────────

EDGES = {
    *("discover", "chunks", "store", "ingest", "derive", "report/build", "report/reading", "api/__init__"),
    *(name.removeprefix("pipeline/") for name in CLI),
    "batches",  # reads logs into portions
    "machine",  # asks what the process may use
    "commands",  # what the sub-commands do, called by cli
    "say",  # stdout and stderr, for cli
    "recognize",  # `trainqc formats LOG`: reads the first chunk of a log
    "report/console",  # prints to the console that it is given
}
IO = {
    *("open", "print", "input", "io.open", "os.open", "os.read", "os.write", "os.stat", "os.scandir", "os.listdir"),
    *("os.walk", "os.remove", "os.unlink", "os.rename", "os.replace", "shutil.copy", "shutil.rmtree", "shutil.move"),
    *("time.time", "time.monotonic", "time.perf_counter", "time.sleep"),
}
IO_METHODS = {
    *("read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "unlink", "rglob", "iterdir", "lstat"),
    *("now", "today", "utcnow"),
}


@each_module
def test_files_clocks_and_printing_stay_at_the_edges(module: str) -> None:
    """A function from tables to tables opens no file, asks no clock and prints nothing."""
    if module.removeprefix("pipeline/") in EDGES:
        return
    found = [
        (name, line)
        for name, line in calls(module)
        if name in IO or ("." in name and name.split(".")[-1] in IO_METHODS)
    ]
    assert found == []


@each_module
def test_a_parser_catches_nothing(module: str) -> None:
    """Bad input is rows, not exceptions: there is no `try` in parsers/."""
    if module.startswith("parsers/"):
        assert [node.lineno for node in ast.walk(TREES[module]) if isinstance(node, ast.Try)] == []


# ── columns, not rows ────────────────────────────────────────────────────────────────────────────────────────────────

PER_ROW = {"map_elements", "iter_rows", "to_dicts", "map_rows", "rows_by_key", "apply", "iter_slices", "map_groups"}
NO_FRAMES = {"matched.rows", "timeline.rows", "bars.rows"}
"""Functions of ours that are called `rows` and give a frame."""

LOOPED = {"to_list", "to_dicts", "to_numpy", "iter_rows", "rows"}
ROWS_ARE_FEW: dict[str, str] = {
    "pipeline/report/overview": "a page shows a few rows of a table that was cut to them",
    "pipeline/report/console": "a terminal shows a few rows",
    "pipeline/report/build": "one page a run",
    "pipeline/report/curves": "the few points of a reduced curve",
    "pipeline/report/charts": "the few points of a reduced curve",
    "pipeline/settings": "one line of the draft a setting",
    "pipeline/commands": "one folder or trouble a line",
    "pipeline/explain": "one run at a time, with its few claims",
    "pipeline/planning": "the runs of one comparison",
    "pipeline/recognize": "one log named on the command line at a time",
    **dict.fromkeys(CLI, "what is printed"),
    "pipeline/api/__init__": "what a person asks for in a notebook",
}


@each_module
def test_no_python_per_row(module: str) -> None:
    """No calls that hand single rows or values to Python, where tables may be long."""
    if module in ROWS_ARE_FEW:
        return
    found = [
        (name, line)
        for name, line in calls(module)
        if name.split(".")[-1] in PER_ROW or (name.endswith(".rows") and name not in NO_FRAMES)
    ]
    assert found == []


LISTS: dict[str, str] = {
    "pipeline/batches": "one address a log",
    "pipeline/ingest": "one address a log",
    "pipeline/clock": "the years of a batch",
    "pipeline/stretches": "the cells of a header",
    "pipeline/report/section_why": "the steps of one derivation",
}


@each_module
def test_no_loop_over_a_column(module: str) -> None:
    """No `for` over `frame[...]`, `.to_list()` and the like, in statements and in comprehensions."""
    if module in ROWS_ARE_FEW or module in LISTS:
        return
    loops = [n for n in ast.walk(TREES[module]) if isinstance(n, ast.For | ast.comprehension)]
    found = [loop.iter.lineno for loop in loops if _is_column(loop.iter)]
    assert found == []


def _is_column(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        if name in ("zip", "enumerate", "reversed", "sorted", "list"):
            return any(_is_column(argument) for argument in node.args)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        return last in LOOPED
    return (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    )


# ── sizes and packaging ──────────────────────────────────────────────────────────────────────────────────────────────

BUDGETS = {
    "parsers/contract": 235,  # shapes of lines and fields of text: the next idea in it is a file of its own
    "parsers/stated": 370,  # set-up lines of many programs in two languages, each with its example
    "parsers": 350,  # a format with four generations of text (Keras 1 to 3), its examples and its docstring
    "pipeline/api": 80,
    "pipeline/tables": 300,
    "pipeline/discover": 120,
    "pipeline/clock": 120,
    "pipeline/registry": 100,
    "pipeline/detect": 120,
    "pipeline/match": 200,  # claiming and settling are one idea; capture, stretches and layouts have files of their own
    "pipeline/store": 250,
    "pipeline/ingest": 200,
    "pipeline/cli": 250,
    "pipeline/analyze/identities": 280,  # one entry a rule, with its worked example
    "pipeline/analyze": 200,
    "pipeline/report": 200,
    "pipeline": 200,
}
"""Where to stop and think (DESIGN.md), by the longest prefix; twice as much is too much."""


@each_module
def test_no_file_outgrows_its_room(module: str) -> None:
    """A file beyond twice its budget wants to be two files."""
    room = max((r for r in BUDGETS if module == r or module.startswith(f"{r}/")), key=len)
    budget = BUDGETS[room]
    assert len((PROJECT / f"{module}.py").read_text("utf-8").splitlines()) <= 2 * budget


def test_names_say_what_is_inside() -> None:
    """No `utils.py`."""
    assert [name for name in TREES if name.split("/")[-1] in ("utils", "util", "helpers", "common", "misc")] == []


def test_the_package_list_is_the_folders() -> None:
    """A sub-package that is missing from pyproject.toml breaks the wheel and not the editable install."""
    tool = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    mapping = {PROJECT / folder: name for name, folder in tool["package-dir"].items()}
    wanted = set()
    for init in (file for file in FILES if file.name == "__init__.py"):
        near = next(folder for folder in init.parents if folder in mapping)
        wanted.add(".".join([mapping[near], *init.parent.relative_to(near).parts]))
    assert set(tool["packages"]) == wanted


def test_every_folder_of_code_is_a_package() -> None:
    """A folder of modules without `__init__.py` is not in the wheel."""
    assert [file for file in FILES if not file.with_name("__init__.py").exists()] == []


def test_help_is_quick() -> None:
    """The command line imports neither matplotlib nor pyarrow before it needs them."""
    code = "import trainqc.pipeline.cli, sys; print(*sorted({'matplotlib', 'pyarrow', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
