"""The command line as a user has it: a process, its exit code, its stdout and its stderr."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from trainqc.pipeline import cli
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import FACTS, ISSUES, LOGS, RUNS

SAMPLES = Path(__file__).parent.parent / "sample_logs"
COMMANDS = ("run", "ingest", "analyze", "report", "formats", "plan", "completion")
BAR = (
    "Epoch 1:  50%|█████     | 5/10 [00:05<00:05,  1.00s/it]\n"
    "Epoch 1: 100%|██████████| 10/10 [00:10<00:00,  1.00s/it]\n"
)
ESCAPE = "\x1b"


def trainqc(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", "trainqc", *map(str, arguments)],
        cwd=cwd,
        env=clean | (env or {}),
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a tqdm log and an mmengine run in `logs`."""
    logs = tmp_path / "logs"
    logs.mkdir()
    shutil.copy(SAMPLES / "tqdm" / "meld_b32.log", logs)
    shutil.copytree(SAMPLES / "mmengine" / "nan_loss", logs / "nan_loss")
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `logs` and, in `trainqc-out`, what a first run made of them. Not to be written to."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "logs").mkdir()
    shutil.copy(SAMPLES / "tqdm" / "meld_b32.log", folder / "logs")
    assert trainqc("logs", "--quiet", "--plots", "0", cwd=folder).returncode == 0
    return folder


# ── exit codes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_ends_with_0_and_leaves_tables_report_and_draft(work: Path) -> None:
    """One command makes everything that its last lines name, and a training that failed is not a failed command."""
    ended = trainqc("logs", cwd=work)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "nan_loss" in ended.stdout
    assert "meld_b32" in ended.stdout
    out = work / "trainqc-out"
    assert (out / "report" / "index.md").is_file()
    assert Store(out).read(RUNS).height == 2
    assert "meld_b32.log" in (out / "trainqc.toml.draft").read_text()
    for place in ("report/index.md", "tables/*/*.parquet", "trainqc.toml.draft"):
        assert f"trainqc-out/{place}" in ended.stdout


def test_run_is_the_default_command(work: Path) -> None:
    """A first argument that is no command is LOGS: `trainqc LOGS` and `trainqc run LOGS` write the same tables."""
    assert trainqc("logs", "--out", "one", "-q", "--plots", "0", cwd=work).returncode == 0
    assert trainqc("run", "logs", "--out", "two", "-q", "--plots", "0", cwd=work).returncode == 0
    as_of = "state_reason"  # "written 3 s ago"
    one, two = (Store(work / name).read(RUNS).sort("run_id").drop(as_of) for name in ("one", "two"))
    assert one.equals(two)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no LOGS given"),
        (("logs", "--nope"), "--nope"),
        (("logs", "--jobs", "0"), "--jobs 0"),
        (("logs", "--jobs", "many"), "many"),
        (("logs", "--since", "yesterday"), "--since yesterday"),
        (("logs", "--since", "99999999999d"), "--since 99999999999d"),
        (("logs", "--since", "1d", "--until", "2d"), "later than"),
        (("logs", "--set", "num_samples"), "--set num_samples"),
        (("logs", "--set", "colour=red"), "colour"),
        (("logs", "--set", "num_samples=0"), "above zero"),
        (("logs", "--config", "missing.toml"), "missing.toml"),
        (("logs", "--out", "logs"), "logs"),
        (("logs", "--out", "logs/meld_b32.log"), "meld_b32.log"),
        (("report", "--out", "nothing"), "trainqc ingest"),
        (("analyze", "--out", "nothing"), "trainqc ingest"),
        (("completion", "tcsh"), "tcsh"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(work: Path, arguments: tuple[str, ...], said: str) -> None:
    """Wrong usage costs no reading: exit code 2, one line on stderr that names what is wrong, nothing on stdout."""
    ended = trainqc(*arguments, cwd=work)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("trainqc: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (work / "trainqc-out").exists()
    assert not (work / "nothing").exists()


@pytest.mark.parametrize(
    ("text", "line"), [("num_samples = 0\n", 1), ('# ok\n\n["**"]\nworld = 4\n', 4), ("a = 1\nb = = 2\n", 2)]
)
def test_a_slip_in_trainqc_toml_is_told_with_its_line(work: Path, text: str, line: int) -> None:
    """A trainqc.toml that cannot be used ends the command before a log is read, with path:line."""
    (work / "trainqc.toml").write_text(text)
    ended = trainqc("logs", cwd=work)
    assert ended.returncode == 2
    assert f"{work.resolve() / 'trainqc.toml'}:{line}: " in ended.stderr
    assert not (work / "trainqc-out").exists()


def test_a_folder_in_use_ends_with_2_and_names_the_holder(made: Path, tmp_path: Path) -> None:
    """Two commands at once on one output folder: the second is told who writes, so that cron jobs may overlap."""
    shutil.copytree(made, tmp_path / "made")
    with Store(tmp_path / "made" / "trainqc-out").writer("a test"):
        ended = trainqc("logs", cwd=tmp_path / "made")
    assert ended.returncode == 2
    assert "a test" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [(), ("ingest",)])
def test_nothing_readable_ends_with_3(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Where not one log can be read the exit code is 3: a wrong path, an empty folder, a FIFO."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "log")
    missing, empty, fifo = (trainqc(*command, name, cwd=tmp_path) for name in ("missing", "empty", "fifo"))
    assert [missing.returncode, empty.returncode, fifo.returncode] == [3, 3, 3]
    assert "missing: no such file" in missing.stderr
    assert "FIFO" in fifo.stderr
    assert [ended.stdout for ended in (missing, empty, fifo)] == [""] * 3


def test_a_path_that_is_missing_beside_others_is_told(work: Path) -> None:
    """The logs that are there are read; the one that is not is named on stderr, and --strict minds it."""
    ended = trainqc("logs", "missing", cwd=work)
    assert (ended.returncode, "missing: no such file" in ended.stderr) == (0, True)
    assert trainqc("logs", "missing", "--strict", "-q", "--plots", "0", cwd=work).returncode == 1


def test_strict_minds_unreadable_logs_and_issues(work: Path) -> None:
    """--strict ends with 1 where a log cannot be read or holds issues, else with 0; without it always 0."""
    good = trainqc("logs", "--strict", cwd=work)
    assert (good.returncode, good.stderr) == (0, "")
    os.mkfifo(work / "logs" / "pipe")
    assert trainqc("logs", "--strict", cwd=work).returncode == 1
    assert trainqc("logs", cwd=work).returncode == 0
    (work / "logs" / "pipe").unlink()
    (work / "odd").mkdir()
    (work / "odd" / "bad.log").write_bytes(b"\xff\xfe\xfa bytes \xff\n" + BAR.encode())
    ended = trainqc("odd", "--strict", "--out", "odd-out", cwd=work)
    assert Store(work / "odd-out").read(ISSUES).height > 0
    assert ended.returncode == 1
    assert "--strict: " in ended.stderr


# ── what is printed where ────────────────────────────────────────────────────────────────────────────────────────────


def test_help_answers_without_the_engine(tmp_path: Path) -> None:
    """`--help` of every command names its options and imports neither polars nor matplotlib nor a parser."""
    code = (
        "import sys\nfrom trainqc.pipeline.cli import main\ncode = main(sys.argv[1:])\n"
        "heavy = {'polars', 'pyarrow', 'matplotlib', 'trainqc.parsers', 'trainqc.pipeline.tables'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    for command in ((), *((name,) for name in COMMANDS)):
        ended = subprocess.run(
            [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "Usage: trainqc" in ended.stdout
    assert not list(tmp_path.iterdir())


def test_what_waits_for_the_end_is_done(tmp_path: Path) -> None:
    """The program ends without taking its libraries apart; what they have left to do (matplotlib removes a folder), and
    what stands in the streams, is done before."""
    code = (
        "import atexit, sys\nfrom trainqc.pipeline.cli import program\n"
        "atexit.register(print, 'the end', file=sys.stderr, end='')\nsys.argv[1:] = ['formats']\nprogram()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "the end")
    assert ended.stdout.count("\n") > 5


def test_import_trainqc_is_cheap(tmp_path: Path) -> None:
    """`import trainqc` imports nothing heavy, and offers its functions at once."""
    code = "import sys, trainqc; trainqc.run, trainqc.scan; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


def test_version(tmp_path: Path) -> None:
    """`--version` prints the version of the installed distribution and nothing else."""
    from importlib.metadata import version

    assert trainqc("--version", cwd=tmp_path).stdout == f"{version('trainqc')}\n"


@pytest.mark.parametrize("command", [("run", "logs"), ("ingest", "logs"), ("analyze",), ("report",), ("formats",)])
def test_json_is_one_value_and_nothing_else(made: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    """With --json stdout is one JSON value without NaN, and stderr is empty."""
    shutil.copytree(made, tmp_path / "made", symlinks=True)
    ended = trainqc(*command, "--json", cwd=tmp_path / "made")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout, parse_constant=refuse)


def test_json_holds_the_numbers_of_the_tables(work: Path) -> None:
    """--json shows what the table `runs` says; unknown is null."""
    said = json.loads(trainqc("logs/meld_b32.log", "--json", cwd=work).stdout)
    run = Store(work / "trainqc-out").read(RUNS).row(0, named=True)
    assert [line["run"] for line in said["runs"]] == [run["name"]]
    assert said["runs"][0]["s_per_iter"] == run["s_per_iter"]
    assert said["runs"][0]["samples_per_hour"] is None
    assert (said["read"]["seen"], said["read"]["read"]) == (1, 1)


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_no_escape_sequence_where_stdout_is_no_terminal(made: Path, tmp_path: Path, env: dict[str, str]) -> None:
    """Without a terminal, with and without NO_COLOR: no colour, no glyphs, no progress bar."""
    shutil.copytree(made, tmp_path / "made", symlinks=True)
    ended = trainqc("logs", cwd=tmp_path / "made", env=env)
    assert ESCAPE not in ended.stdout + ended.stderr
    assert not set("✓✗▶") & set(ended.stdout)


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colour_unless_it_declines(
    made: Path, tmp_path: Path, env: dict[str, str], coloured: bool
) -> None:
    """On a terminal the summary has colour; NO_COLOR and TERM=dumb take it away."""
    shutil.copytree(made, tmp_path / "made", symlinks=True)
    shown = on_a_terminal(["logs"], tmp_path / "made", env)
    assert "meld_b32" in shown
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)) == coloured


def on_a_terminal(arguments: list[str], cwd: Path, env: dict[str, str]) -> str:
    """What the command shows on a terminal of its own."""
    primary, secondary = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | env
    process = subprocess.Popen(
        [sys.executable, "-m", "trainqc", *arguments], cwd=cwd, env=clean, stdout=secondary, stderr=secondary
    )
    os.close(secondary)
    shown = b""
    try:
        while block := os.read(primary, 65536):
            shown += block
    except OSError:  # the terminal's other end is closed
        pass
    os.close(primary)
    assert process.wait(120) == 0
    return shown.decode()


def test_quiet_says_nothing(work: Path) -> None:
    """--quiet: nothing on stdout and stderr when all is well; errors still speak."""
    ended = trainqc("logs", "-q", "--plots", "0", cwd=work)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert trainqc("missing", "-q", cwd=work).stderr != ""


def test_verbose_shows_the_traceback_of_an_error(work: Path) -> None:
    """-v adds the traceback to the one line; without it there is none."""
    assert "Traceback" in trainqc("logs", "--set", "x=1", "-v", cwd=work).stderr
    assert "Traceback" not in trainqc("logs", "--set", "x=1", cwd=work).stderr


def test_hostile_names_and_lines_stay_text(tmp_path: Path) -> None:
    """Escape sequences, rich markup and newlines in file names and log lines neither colour nor break the terminal."""
    logs = tmp_path / "logs\x1b[31m[red]"
    logs.mkdir()
    evil = "\x1b]0;owned\x07\x1b[2J[bold red]x[/] "
    (logs / "a\nb\x1b[31m[red].log").write_text(evil + BAR)
    (logs / "c\x1b[2J[link=x].txt").write_text(f"nothing {evil}\n")
    for arguments in (
        (logs.name,),
        ("formats", logs.name),
        (f"{logs.name}/missing\x1b[31m",),
        ("--set", f"{evil}=1", "."),
    ):
        ended = trainqc(*arguments, cwd=tmp_path)
        assert ESCAPE not in ended.stdout + ended.stderr
        assert "\x07" not in ended.stdout + ended.stderr
        assert ended.stderr.count("\n") <= 1
    summary = trainqc(logs.name, cwd=tmp_path).stdout
    assert "[red]" in summary
    shown = on_a_terminal([logs.name], tmp_path, {"TERM": "dumb"})
    assert ESCAPE not in shown


def test_a_reader_that_leaves_is_no_error(made: Path, tmp_path: Path) -> None:
    """`trainqc LOGS | head -1`: no traceback, and the exit code of what was done."""
    shutil.copytree(made, tmp_path / "made", symlinks=True)
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "trainqc", "logs"], cwd=tmp_path / "made", stdout=writing, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_ctrl_c_ends_with_130_and_whole_tables(work: Path) -> None:
    """An interrupt ends the command with 130 and one line, and the tables are as before."""
    assert trainqc("logs", "-q", "--plots", "0", cwd=work).returncode == 0
    before = Store(work / "trainqc-out").read(LOGS)
    code = (
        "import sys, time\nfrom trainqc.pipeline import cli, ingest\n"
        "def wait(*_, **__):\n    print('reading', flush=True)\n    time.sleep(3)\n"
        "ingest.split = wait\nsys.exit(cli.main(['logs', '-j', '1']))"
    )
    (work / "logs" / "new.log").write_text(BAR)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("trainqc: interrupted")
    assert said.count("\n") == 1
    assert Store(work / "trainqc-out").read(LOGS).equals(before)


# ── what the options do ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_run_reads_nothing(work: Path) -> None:
    """Unchanged logs are not opened again, and the first line says that nothing is new."""
    assert trainqc("logs", "-q", "--plots", "0", cwd=work).returncode == 0
    again = json.loads(trainqc("logs", "--json", cwd=work).stdout)
    assert again["read"]["read"] == 0
    assert again["read"]["unchanged"] == again["read"]["seen"] == 4
    assert again["news"].startswith("Nothing new since ")


def test_a_second_run_tells_what_moved(work: Path) -> None:
    """A log that grew is named with its progress; the others are as before."""
    log = work / "logs" / "grows.log"
    log.write_text(BAR.splitlines(keepends=True)[0])
    assert trainqc("logs", "-q", "--plots", "0", cwd=work).returncode == 0
    log.write_text(BAR)
    again = json.loads(trainqc("logs", "--json", cwd=work).stdout)
    assert again["read"]["read"] == 1
    assert "grows unknown → finished, 100 %" in again["news"]
    assert again["news"].endswith("Everything else as before.")


def test_set_and_trainqc_toml_state_what_logs_do_not_say(work: Path) -> None:
    """trainqc.toml above the logs, one beside them and --set each win over the one before, all with source `user`."""
    (work / "trainqc.toml").write_text('["logs/nan_loss"]\nnum_samples = 1\nworld_size = 2\n')
    (work / "logs" / "trainqc.toml").write_text('["nan_loss/**"]\nnum_samples = 320\n')
    assert trainqc("logs", "--set", "val_samples=7", "-q", "--plots", "0", cwd=work).returncode == 0
    facts = Store(work / "trainqc-out").read(FACTS).filter(pl.col("source") == "user")
    logs = Store(work / "trainqc-out").read(LOGS).filter(pl.col("path").str.contains("nan_loss"))
    told = facts.join(logs, on="log_id", how="semi").select("name", "number").unique().sort("name").rows()
    assert told == [("num_samples", 320.0), ("val_samples", 7.0), ("world_size", 2.0)]
    others = facts.join(logs, on="log_id", how="anti")
    assert others["name"].unique().to_list() == ["val_samples"]
    run = Store(work / "trainqc-out").read(RUNS).filter(pl.col("name") == "nan_loss").row(0, named=True)
    assert (run["num_samples"], run["num_samples_from"]) == (320, "user")


@pytest.mark.parametrize("place", ["logs/trainqc.toml", "trainqc.toml"])
def test_the_draft_filled_in_is_a_trainqc_toml(work: Path, place: str) -> None:
    """The draft with its values filled in works beside and above the logs, and nothing is asked for again."""
    assert trainqc("logs", "-q", "--plots", "0", cwd=work).returncode == 0
    draft = (work / "trainqc-out" / "trainqc.toml.draft").read_text()
    kept = [line.removeprefix("# ") for line in draft.splitlines() if line.startswith('# ["') or "= ?" in line]
    (work / place).write_text("\n".join(kept).replace("= ?", "= 7"))
    assert trainqc("logs", "-q", "--plots", "0", cwd=work).returncode == 0
    runs = Store(work / "trainqc-out").read(RUNS)
    assert runs["num_samples"].to_list() == [7, 7]
    assert not (work / "trainqc-out" / "trainqc.toml.draft").exists()
    assert Store(work / "trainqc-out").read(LOGS).filter(status="unrecognized").is_empty()


def test_config_takes_the_place_of_found_files(work: Path) -> None:
    """--config holds for all logs wherever the file lies, and no trainqc.toml is looked for."""
    (work / "logs" / "trainqc.toml").write_text("num_samples = 1\n")
    (work / "elsewhere").mkdir()
    (work / "elsewhere" / "mine.toml").write_text('val_samples = 5\n["nan_loss/**"]\nnum_samples = 2\n')
    assert trainqc("logs", "--config", "elsewhere/mine.toml", "-q", "--plots", "0", cwd=work).returncode == 0
    runs = Store(work / "trainqc-out").read(RUNS).sort("name").select("name", "num_samples", "val_samples").rows()
    assert runs == [("meld_b32", None, 5), ("nan_loss", 2, 5)]


def test_since_and_until_limit_the_report(work: Path) -> None:
    """The report of a window shows the runs that were active then; a date as --until includes that day."""
    inside = trainqc("logs", "--since", "2025-11-24", "--until", "2025-11-24", "--json", cwd=work)
    assert [run["run"] for run in json.loads(inside.stdout)["runs"]] == ["nan_loss"]
    week = json.loads(trainqc("report", "--since", "7d", "--json", cwd=work).stdout)
    assert "nan_loss" not in [run["run"] for run in week["runs"]]


NOW = datetime(2025, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("24h", NOW - timedelta(hours=24)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2025-11-20T08:00+00:00", datetime(2025, 11, 20, 8, tzinfo=UTC)),
    ],
)
def test_moments(text: str, wanted: datetime) -> None:
    """--since takes spans back from now and ISO dates."""
    assert cli.moment("--since", text, NOW, datetime.min.time()) == wanted


def test_formats_tell_why_a_log_is_whose(work: Path) -> None:
    """`formats` lists every parser; `formats LOG` says which claims how many lines, by which hints."""
    from trainqc.pipeline.registry import formats

    listed = trainqc("formats", cwd=work).stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(formats().parsers)
    told = json.loads(trainqc("formats", "logs/meld_b32.log", "--json", cwd=work).stdout)
    assert told[0]["formats"] == ["tqdm"]
    assert told[0]["lines_parsed"] == told[0]["lines"] == 3
    assert "hints found" in trainqc("formats", "logs", cwd=work).stdout
    assert sorted(path.name for path in work.iterdir()) == ["logs"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell: str, tmp_path: Path) -> None:
    """`completion SHELL` prints a script that names the commands."""
    script = trainqc("completion", shell, cwd=tmp_path).stdout
    assert all(command in script for command in COMMANDS)


def test_a_progress_bar_waits_for_a_second(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The bar is for a terminal and for what takes longer than AFTER_S; it is gone afterwards."""
    from trainqc.pipeline import bar

    monkeypatch.setattr(bar, "AFTER_S", 0.0)
    with bar.Bar(wanted=True) as shown:
        time.sleep(0.2)
        assert shown.drawn is None  # stderr is no terminal here
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with bar.Bar(wanted=True) as shown:
        shown.stage("Reading")
        deadline = time.monotonic() + 20
        while shown.drawn is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert shown.drawn is not None
        shown.update(5, 10)
        assert shown.drawn.tasks[0].percentage == 50
    assert shown.drawn.finished or not shown.drawn.live.is_started
    monkeypatch.setattr(bar, "AFTER_S", 60.0)
    with bar.Bar(wanted=True) as shown:
        shown.stage("Reading")
    assert shown.drawn is None


def test_a_process_of_our_own_settles_its_memory_first() -> None:
    """polars' allocator reads its settings when it is loaded: the program sets them before, a library never does."""
    code = (
        "import os, sys\n"
        "from trainqc.pipeline import cli\n"
        "seen = []\n"
        "cli.main = lambda: seen.append(('polars' in sys.modules, '_RJEM_MALLOC_CONF' in os.environ)) or 0\n"
        "os._exit = lambda code: None\n"
        "cli.program()\n"
        "print(seen)\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout == "[(False, True)]\n"
    library = "import os, trainqc; trainqc.scan; print('_RJEM_MALLOC_CONF' in os.environ)"
    done = subprocess.run([sys.executable, "-c", library], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout == "False\n"
