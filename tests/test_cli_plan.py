"""`trainqc plan` as a user has it: what is printed, what JSON says, what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from trainqc.pipeline import cli

SAMPLES = Path(__file__).parent.parent / "sample_logs"
Capture = pytest.CaptureFixture[str]


def plan(capsys: Capture, *arguments: object) -> dict[str, Any]:
    """The JSON of a plan that is made."""
    assert cli.main(["plan", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def told(capsys: Capture, *arguments: object) -> str:
    assert cli.main(["plan", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *arguments: object) -> str:
    """The one line that a wrong usage ends with; exit code 2, nothing on stdout."""
    assert cli.main(["plan", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("trainqc: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of the Sa2VA log and of the four batch sizes. Not to be written to."""
    folder = tmp_path_factory.mktemp("plan")
    (folder / "logs").mkdir()
    shutil.copytree(SAMPLES / "mmengine" / "sa2va_vessel", folder / "logs" / "sa2va_vessel")
    for size in (1, 4, 8, 16):
        (folder / "logs" / "pytorch").mkdir(exist_ok=True)
        shutil.copy(SAMPLES / "pytorch" / f"batch_{size}.log", folder / "logs" / "pytorch")
    assert cli.main(["ingest", str(folder / "logs"), "--out", str(folder / "out"), "-q"]) == 0
    assert cli.main(["analyze", str(folder / "out"), "-q"]) == 0
    return folder / "out"


# ── from numbers alone ───────────────────────────────────────────────────────────────────────────────────────────────


def test_batch_128_and_32(capsys: Capture) -> None:
    """32,000 samples: 250 iterations an epoch at 128, 1,000 at 32; memory 9 GiB and 2.3 by the line through both."""
    made = plan(capsys, "--samples", 32000, "--batch-size", "128,32", "--memory-mib", "128:9216,32:2355")
    assert [row["iters_per_epoch"] for row in made["rows"]] == [250, 1000]
    assert [row["memory_mib"] for row in made["rows"]] == [9216, 2355]
    shown = told(capsys, "--samples", 32000, "--batch-size", "128,32,64", "--memory-mib", "128:9216,32:2355")
    assert "2.3 GiB  measured" in shown
    assert "two batch sizes: nothing tells how well it holds" in shown
    assert "not a promise" in shown
    assert "Taken, as nobody says otherwise: 1 rank and no accumulation." in shown


def test_a_bar_of_1000_in_630_seconds(capsys: Capture) -> None:
    """0.63 s at batch 32: 630 s an epoch and 182,857 samples/hour, as it is and where a rank keeps its samples/s."""
    given = ("--samples", 32000, "--batch-size", "32,128", "--s-per-iter", 0.63, "--grad-accum", "1,4", "--epochs", 3)
    first, accumulated, *_, last = plan(capsys, *given)["rows"]
    assert first["same_s_per_iter"]["epoch_s"] == pytest.approx(630)
    assert first["same_s_per_iter"]["samples_per_hour"] == pytest.approx(182_857, abs=0.5)
    assert (accumulated["global_batch"], accumulated["updates_planned"]) == (128, 750)
    assert last["same_samples_per_s"]["samples_per_hour"] == pytest.approx(182_857, abs=0.5)
    shown = told(capsys, *given)
    assert "630 s" in shown
    assert "182,857" in shown
    assert "if an iteration takes as long as measured, 0.63 s" in shown
    assert "if a rank trains as many samples a second as measured, 50.8 a rank" in shown


def test_100_cycles(capsys: Capture) -> None:
    """288 iterations, 10 epochs, 100 cycles: 2,880 a cycle and 288,000 in all."""
    given = ("--cycles", 100, "--epochs", 10, "--iters-per-epoch", 288)
    (row,) = plan(capsys, *given)["rows"]
    assert (row["iters_per_cycle"], row["iters_planned"]) == (2880, 288_000)
    assert "2,880" in told(capsys, *given)


def test_four_batch_sizes(capsys: Capture) -> None:
    """1,250 samples at 1, 4, 8, 16: 1,250, 313, 157, 79 iterations; 2.5 times the samples/hour at 4, as fitted."""
    pace = "1:0.2,4:0.32,8:0.4,16:0.5333"
    rows = plan(capsys, "--samples", 1250, "--batch-size", "1,4,8,16", "--s-per-iter", pace)["rows"]
    assert [row["iters_per_epoch"] for row in rows] == [1250, 313, 157, 79]
    hourly = [row["fitted"]["samples_per_hour"] for row in rows]
    assert [each / hourly[0] for each in hourly] == pytest.approx([1.0, 2.5, 4.0, 6.0], rel=1e-3)
    val = plan(capsys, "--samples", 156, "--batch-size", "1,4")["rows"]
    assert [row["iters_per_epoch"] for row in val] == [156, 39]


def test_samples_with_commas(capsys: Capture) -> None:
    """Several sample counts are told from one with a comma by the blank."""
    rows = plan(capsys, "--samples", "8000, 320", "--batch-size", 32)["rows"]
    assert [row["iters_per_epoch"] for row in rows] == [250, 10]


def test_a_span_of_seconds(capsys: Capture) -> None:
    """15.5 to 16.5 s an iteration is 15.8 to 16.8 h for 3,672 of them."""
    given = ("--iters-per-epoch", 1224, "--epochs", 3, "--batch-size", 1, "--s-per-iter", "15.5..16.5")
    assert "15.8–16.8 h" in told(capsys, *given)


def test_frameworks_differ_in_the_last_window(capsys: Capture) -> None:
    """306 iterations at accumulation 8, 3 epochs: 117 updates with transformers 4.52 and later, 114 before."""
    given = ("--samples", 1221, "--batch-size", 4, "--grad-accum", 8, "--epochs", 3, "--framework")
    assert plan(capsys, *given, "huggingface 4.52")["rows"][0]["updates_planned"] in (117, [114, 117])
    assert plan(capsys, *given, "mmengine")["rows"][0]["updates_planned"] == 115


def test_dropping(capsys: Capture) -> None:
    """10,000 samples in batches of 32: 313, or 312 where the loader drops the last."""
    given = ("--samples", 10000, "--batch-size", 32, "--drop-last")
    assert [plan(capsys, *given, word)["rows"][0]["iters_per_epoch"] for word in ("no", "yes")] == [313, 312]


# ── from runs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_next_time_on_four_ranks(capsys: Capture, out: Path) -> None:
    """Sa2VA on 4 ranks: 936 / 117 / 32 / 4.2 h at accumulation 8, 918 / 459 / 8 / 4.1 h at 2, if 16 s stay 16 s."""
    given = (out, "--run", "sa2va_vessel", "--world-size", 4, "--grad-accum", "8,2")
    rows = plan(capsys, *given)["rows"]
    assert [(r["iters_planned"], r["updates_planned"], r["global_batch"]) for r in rows] == [
        (3672, 459, 8),
        (936, 117, 32),
        (918, 459, 8),
    ]
    shown = told(capsys, *given)
    assert "LengthGroupedSampler" in shown
    assert "  4.2 h  " in shown
    assert "  4.1 h  " in shown
    assert rows[0]["same_s_per_iter"]["samples_per_hour"] == pytest.approx(225, rel=0.01)


def test_the_runs_beside_it_are_measured_too(capsys: Capture, out: Path) -> None:
    """Of the four batch sizes one is planned, all are known: memory by their line, time as fitted, 1,250 samples."""
    made = plan(capsys, out, "--run", "batch_4", "--batch-size", "8,32", "--memory-limit", "24GiB")
    assert made["memory_mib_line"]["points"] == made["s_per_iter_line"]["points"] == 4
    assert made["largest_batch_size"] == 16
    assert [row["iters_per_epoch"] for row in made["rows"]] == [313, 157, 40]
    assert [row["memory_by"] for row in made["rows"]] == ["measured", "measured", "line"]
    assert [row["memory_fits"] for row in made["rows"]] == [True, True, False]
    assert made["rows"][2]["fitted"]["is_extrapolated"]
    assert "beyond what was measured, does not fit" in told(
        capsys, out, "--run", "batch_4", "--batch-size", "32", "--memory-limit", "24GiB"
    )


def test_logs_are_read_for_it_alone(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of 1,000 at batch 32: 250 at 128 whether the last batch was kept or not. Nothing is left behind."""
    shutil.copy(SAMPLES / "tqdm" / "meld_b32.log", tmp_path)
    monkeypatch.chdir(tmp_path)
    made = plan(capsys, "meld_b32.log", "--batch-size", "32,128")
    assert [row["iters_per_epoch"] for row in made["rows"]] == [1000, 250]
    low, high = made["rows"][0]["same_s_per_iter"]["epoch_s"]
    assert low <= 630 <= high
    assert [path.name for path in tmp_path.iterdir()] == ["meld_b32.log"]
    set_too = plan(capsys, "meld_b32.log", "--batch-size", "32,128", "--set", "world_size=1", "--set", "grad_accum=4")
    assert set_too["rows"][0]["global_batch"] == 128


def test_unknown_is_a_question_mark_and_named(capsys: Capture, out: Path) -> None:
    """What the run does not say is `?`, and what it needs stands below."""
    shown = told(capsys, out, "--run", "batch_4", "--batch-size", 8)
    assert "? updates: needs --grad-accum and --epochs" in shown
    assert "? samples per update: needs --world-size and --grad-accum" in shown


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no run and no numbers"),
        (("--batch-size", "0"), "--batch-size 0: wanted whole numbers above zero"),
        (("--batch-size", "32,,64"), "--batch-size 32,,64"),
        (("--batch-size", "-4"), "--batch-size"),
        (("--samples", "1,220", "--batch-size", "8"), "one number, or several? Write 1220, or '1, 220'"),
        (("--batch-size", "1e3"), "--batch-size 1e3"),
        (("--samples", "9" * 18, "--batch-size", "1"), "samples 999999999999999999: wanted"),
        (("--batch-size", "8", "--s-per-iter", "0"), "--s-per-iter 0: wanted a number above zero"),
        (("--batch-size", "8", "--s-per-iter", "nan"), "--s-per-iter nan"),
        (("--batch-size", "8", "--s-per-iter", "2..1"), "--s-per-iter 2..1"),
        (("--batch-size", "8", "--s-per-iter", "16:1,32:2"), "no value at the measured batch size, 8"),
        (("--batch-size", "8", "--memory-mib", "8:x"), "--memory-mib 8:x"),
        (("--batch-size", "8", "--memory-limit", "24 parsec"), "--memory-limit 24 parsec"),
        (("--batch-size", "8", "--iters-per-epoch", "1,2"), "--iters-per-epoch 1,2"),
        (("--batch-size", "8", "--drop-last", "maybe"), "maybe"),
        (("--batch-size", "8", "--run", "x"), "--run x: name the output folder too"),
        (("--batch-size", ",".join(map(str, range(1, 1200)))), "at most 1,000"),
        (("--batch-size", "8\x1b[31m"), "wanted whole numbers"),
    ],
)
def test_nonsense_is_refused_with_a_word(capsys: Capture, arguments: tuple[str, ...], said: str) -> None:
    """Zero, less, no number, too much: exit code 2 and one line that says what is wanted, of printable characters."""
    line = refused(capsys, *arguments)
    assert said in line
    assert "\x1b" not in line


def test_which_run(capsys: Capture, out: Path) -> None:
    """Several runs that are not one comparison, and a name that there is not: the names that there are."""
    assert "say which one with --run NAME; there are batch_1" in refused(capsys, out)
    assert "no run is called 'nope'; there are batch_1" in refused(capsys, out, "--run", "nope")
    assert "trainqc analyze" in refused(capsys, out, "--run", "batch_4", "--set", "world_size=1")
    assert "the run counts 313" in refused(capsys, out, "--run", "batch_4", "--iters-per-epoch", 5)


def test_nothing_to_read(capsys: Capture, tmp_path: Path) -> None:
    """Logs that are not there, and a folder without one: exit code 3."""
    assert cli.main(["plan", str(tmp_path / "missing.log")]) == 3
    (tmp_path / "empty").mkdir()
    assert cli.main(["plan", str(tmp_path / "empty")]) == 3
    assert capsys.readouterr().out == ""


def test_hostile_names(capsys: Capture, tmp_path: Path) -> None:
    """A folder whose name would move a terminal is shown as text."""
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    shutil.copy(SAMPLES / "pytorch" / "batch_4.log", folder)
    shown = told(capsys, folder, "--batch-size", "8")
    assert "\x1b" not in shown
    assert json.dumps(plan(capsys, folder, "--batch-size", "8")).isascii()


def test_as_a_process(tmp_path: Path) -> None:
    """The command is there outside of this process, and says so in its help."""
    command = [sys.executable, "-m", "trainqc", "plan"]
    ended = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0
    for option in ("--batch-size", "--grad-accum", "--world-size", "--memory-limit", "--s-per-iter", "--run"):
        assert option in ended.stdout
