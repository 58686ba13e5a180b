"""`trainqc explain` on logs and on the runs of an output folder."""

import json
from pathlib import Path

import pytest
from trainqc.pipeline import commands
from trainqc.pipeline.cli import main

SAMPLES = Path(__file__).parents[1] / "sample_logs"
SA2VA = SAMPLES / "mmengine" / "sa2va_vessel"
STEPS = SAMPLES / "pytorch" / "epoch_batch_step_dropping.log"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["explain", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Claims with path and line, the steps, what other ranks would print, and what the log cannot show."""
    code, out, _ = asked(capsys, str(SA2VA))
    assert code == 0
    assert "Verdict: consistent: one explanation fits all of it." in out
    assert ".log:35" in out
    assert "⌈1,220/(1·8)⌉·8 = 1,224 iterations an epoch (4 samples drawn twice, 0.33 %)." in out
    assert "1,224 × 3 epochs = 3,672 iterations in all" in out
    assert "3,672 / 8 = 459 updates, 153 an epoch" in out
    assert "data repeated 4 times: excluded by samples 1,220" in out
    assert "parts of one model that is split over them" in out


def test_a_claim_against_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Four ranks, claimed by the user, have to go."""
    code, out, _ = asked(capsys, str(SA2VA), "--world-size", "4", "--json")
    content = json.loads(out)
    assert (code, content["verdict"], content["contradicted_claims"]) == (0, "contradicted", ["world_size"])
    first = content["explanations"][0]
    wanted = {"world_size": 1, "iters_per_epoch": 1224, "iters_planned": 3672, "updates_planned": 459}
    assert {name: first[name] for name in wanted} == wanted
    assert (first["global_batch"], first["padded_samples_per_epoch"]) == (8, 4)


def test_a_run_of_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same from the tables of an earlier run, by its name; the options are the user's claims beside them."""
    out = tmp_path / "out"
    commands.ingest([STEPS], out, jobs=1)
    commands.analyze(out)
    options = ("--samples", "10000", "--batch-size", "32", "--at", "362")
    code, text, _ = asked(capsys, str(out), "--run", "epoch_batch_step_dropping", *options)
    assert code == 0
    assert "⌊10,000/32⌋ = 312 iterations an epoch (16 samples left out, 0.16 %)." in text
    assert "312 × 5 epochs = 1,560 iterations in all" in text
    assert "Step 362 is epoch 2, batch 50 of 312" in text
    code, _, said = asked(capsys, str(out), "--run", "nope")
    assert code == 2
    assert "no run is called 'nope'; there are epoch_batch_step_dropping" in said


def test_the_output_folder_may_be_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o OUT` is the folder that the other commands call so; one without tables is wrong usage."""
    out = tmp_path / "out"
    commands.ingest([STEPS], out, jobs=1)
    commands.analyze(out)
    named, option = asked(capsys, str(out)), asked(capsys, "-o", str(out), "--run", STEPS.stem)
    assert (option[0], option[1]) == (0, named[1])
    code, _, err = asked(capsys, "--out", str(tmp_path / "other"))
    assert code == 2
    assert "no tables there" in err


def test_several_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Several runs are a list of objects with their names."""
    files = [str(SAMPLES / "pytorch" / f"batch_{size}.log") for size in (4, 8)]
    code, out, _ = asked(capsys, *files, "--json")
    assert code == 0
    assert [(run["run"], run["claims"]["iters_per_epoch"]["value"]) for run in json.loads(out)] == [
        ("batch_4", 313),
        ("batch_8", 157),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--run", "a"], "name the output folder that it is in"),
        (["nowhere.log"], "nowhere.log: no such file or folder"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be explained is said, with exit code 2."""
    code, out, err = asked(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
