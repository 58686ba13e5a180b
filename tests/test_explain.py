"""`trainqc explain` on bare numbers: text, JSON, and what is wrong usage."""

import json
from typing import Any

import pytest
from trainqc.pipeline.cli import main

SA2VA = ["--samples", "1220", "--batch-size", "1", "--grad-accum", "8", "--epochs", "3", "--iters-total", "3672"]


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["explain", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, _ = asked(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def test_the_board(capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict first, then claims, steps and the table."""
    code, out, err = asked(capsys, *SA2VA, "--world-size", "4")
    assert (code, err) == (0, "")
    assert out.startswith("Verdict: contradicted. ranks = 4 (you) has to go.\n")
    assert "  3. 1,224 × 3 epochs = 3,672 iterations in all, as claimed.\n" in out
    assert "4 (claimed)" in out


@pytest.mark.parametrize(
    ("updates", "named"), [(117, ("4.52 to 5)",)), (114, ("transformers 4.47 to 4.51)", "transformers up to 4.46)"))]
)
def test_versions_that_plan_otherwise(updates: int, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The updates of a run tell the version of the Trainer, and the board names it."""
    numbers = ["--samples", "1221", "--batch-size", "4", "--grad-accum", "8", "--epochs", "3"]
    _, out, _ = asked(capsys, *numbers, "--updates-total", str(updates), "--framework", "transformers")
    (step,) = (line for line in out.splitlines() if f" = {updates} updates: " in line)
    assert all(version in step for version in named)
    assert step.count("transformers") == len(named)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly five keys; explanations with the promised ones, the best first."""
    content = answer(capsys, *SA2VA, "--world-size", "4")
    assert list(content) == ["verdict", "claims", "explanations", "contradicted_claims", "would_decide"]
    assert content["claims"]["world_size"]["value"] == 4
    assert content["claims"]["world_size"]["source"] == "user"
    first = content["explanations"][0]
    wanted = {
        "world_size": 1,
        "grad_accum": 8,
        "iters_per_epoch": 1224,
        "iters_planned": 3672,
        "updates_per_epoch": 153,
        "updates_planned": 459,
        "global_batch": 8,
        "padded_samples_per_epoch": 4,
        "dropped_samples_per_epoch": 0,
        "samples_per_epoch": 1224,
        "repeats": 1,
    }
    assert {name: first[name] for name in wanted} == wanted
    assert first["rule"] == "LengthGroupedSampler"
    assert "drop_last" in first
    assert content["contradicted_claims"] == ["world_size"]
    assert "num_samples" in content["would_decide"]


def test_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    """--at says epoch, batch and update; with JSON under a key of its own."""
    numbers = ["--iters-per-epoch", "312", "--epochs", "5", "--grad-accum", "8", "--framework", "mmengine"]
    _, out, _ = asked(capsys, *numbers, "--at", "362")
    assert out.endswith("Step 362 is epoch 2, batch 50 of 312, update 46.\n")
    assert answer(capsys, *numbers, "--at", "362")["at"]["batch"] == 50
    _, out, _ = asked(capsys, "--iters-per-epoch", "312", "--at", "362")
    assert "epoch 2, batch 50 of 312" in out


def test_numbers_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Separators and ranges."""
    claims = answer(capsys, "--samples", "1,217..1_224", "--batch-size", "1", "--iters-per-epoch", "1,224")["claims"]
    assert (claims["num_samples"]["low"], claims["num_samples"]["high"]) == (1217, 1224)
    assert claims["num_samples"]["value"] is None
    assert claims["iters_per_epoch"]["value"] == 1224


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "nothing to explain"),
        (["--framework", "xtuner"], "nothing to explain"),
        (["--at", "5"], "nothing to explain"),
        (["--samples", "many"], "--samples many: wanted a whole number"),
        (["--samples", "0"], "wanted 1 to 10^18"),
        (["--samples", "-3"], "--samples"),
        (["--samples", "9..1"], "ends before it begins"),
        (["--samples", "1..2..3"], "wanted a whole number"),
        (["--batch-size", "2.5"], "wanted a whole number"),
        (["--iters-per-epoch", "10", "--at", "5..9"], "wanted one step"),
        (["--drop-last", "perhaps"], "drop-last"),
        (["--framework", "foo", "--samples", "3"], "not known"),
        (["--iters-per-epoch", "10", "--epochs", "2", "--at", "21"], "the run has 20 iterations"),
        (["some.log"], "some.log: no such file or folder"),
        (["--run", "name", "--samples", "3"], "--run name"),
    ],
)
def test_wrong_usage(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one helpful line."""
    code, out, err = asked(capsys, *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert "Traceback" not in err


def test_hostile_words_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """A sampler's name with control characters colours no terminal."""
    code, out, _ = asked(capsys, "--samples", "10", "--iters-per-epoch", "10", "--sampler", "\x1b[31mEvil\x07")
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--drop-last", "yes"], "Nothing follows from this alone. More would: --samples"),
        (["--epochs", "3"], "Nothing follows from this alone."),
        (
            ["--samples", "100", "--batch-size", "3", "--sampler", "a.b.Foo"],
            "How the sampler a.b.Foo counts is not known",
        ),
        (
            ["--samples", "32000", "--batch-size", "128", "--iters-per-epoch", "250"],
            "last batch dropped: cannot be seen, 250 iterations an epoch either way",
        ),
        (["--updates-total", "0"], "1 × 1 epoch = 1 iteration in all."),
    ],
)
def test_what_a_curious_person_types(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Little, odd or undecidable: a sentence that helps, and JSON of the same."""
    code, out, err = asked(capsys, *arguments)
    assert (code, err) == (0, "")
    assert word in out
    answer(capsys, *arguments)
