"""SEEDS.md 001: what the Sa2VA log proves by itself."""

from typing import Any

import pytest


@pytest.fixture
def run(shelf: Any, sa2va: str) -> dict[str, Any]:
    return shelf.run()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("iters_per_epoch", 1224),
        ("iters_per_epoch_from", "config"),
        ("iters_planned", 3672),
        ("iters_planned_from", "log"),
        ("iters_done", 3672),
        ("epochs_done", 3.0),
        ("updates_done", 459),
        ("updates_planned", 459),
        ("updates_per_epoch", 153.0),
        ("updates_done_from", "config"),
        ("global_batch", 8),
        ("world_size", 1),
        ("world_size_from", "log"),
        ("gpus_visible", 4),
        ("num_samples", 1220),
        ("num_samples_from", "log"),
        ("samples_done", 3660),
        ("s_per_iter", 16.0),
        ("s_per_iter_from", "timestamps"),
        ("wall_s_from", "timestamps"),
        ("state", "finished"),
        ("ended_by", "epochs"),
        ("name", "sa2va_vessel"),
        ("final_loss", 0.41),
        ("attempts", 1),
    ],
)
def test_counts(run: dict[str, Any], column: str, value: object) -> None:
    """Each number of the case is found, with its source."""
    assert run[column] == value


def test_rates(run: dict[str, Any]) -> None:
    """222 samples an hour over the wall clock, 225 while training, 16.5 GPU hours, 65.9 if all four were held."""
    assert round(run["samples_per_hour"]) == 222
    assert round(run["train_samples_per_hour"]) == 225
    assert run["wall_s"] == 59280
    assert round(run["gpu_hours"], 1) == 16.5
    assert round(run["gpu_hours_held"], 1) == 65.9
    assert run["train_s"] == 3672 * 16


def test_epochs(shelf: Any, sa2va: str) -> None:
    """Epochs are 1–1224, 1225–2448, 2449–3672, of 153 updates each."""
    epochs = shelf.tables().epochs
    assert epochs.select("first_iter", "last_iter", "updates").rows() == [
        (1, 1224, 153.0),
        (1225, 2448, 153.0),
        (2449, 3672, 153.0),
    ]
    assert epochs["samples_per_hour"].round(1).to_list() == [224.3] * 3


def test_ranks_that_the_user_states_are_not_counted(shelf: Any, sa2va: str) -> None:
    """What stands in no log is not called counted; the line is that of the visible GPUs."""
    found = shelf.tables(values={"world_size": 1}).findings.filter(code="gpus_unused")
    told = "4 GPUs visible, 1 rank stated by you: 8 samples per update, not 32"
    assert found.select("message", "line").rows() == [(told, 9)]


def test_findings(shelf: Any, sa2va: str) -> None:
    """Four visible GPUs and one counted rank, and four samples drawn twice an epoch, are found, each with its line."""
    findings = shelf.tables().findings
    assert findings.select("code", "message", "line").rows() == [
        ("gpus_unused", "4 GPUs visible, 1 rank counted: 8 samples per update, not 32", 36),
        ("padded", "4 of 1,220 samples are drawn twice in each epoch to fill it up (0.33 %)", 90),
    ]


def test_claim_of_four_ranks(shelf: Any, sa2va: str) -> None:
    """The user's value counts, and that log and arithmetic contradict it is said with the line."""
    tables = shelf.tables(values={"world_size": 4})
    assert tables.runs["world_size"].item() == 4
    assert tables.runs["world_size_from"].item() == "user"
    said = {row["code"]: row for row in tables.findings.to_dicts()}
    assert said["contradicted"]["message"] == "ranks: 4 (you), counted 1: an update has 8 samples, not 32"
    assert said["contradicted"]["line"] == 36
    ranks = tables.claims.filter(tables.claims["name"] == "world_size").select("low", "source", "holds").rows()
    assert ranks == [(4, "user", False), (1, "log", True)]
    best = tables.explanations.row(0, named=True)
    assert (best["verdict"], best["fits"], best["contradicts"]) == ("contradicted", False, ["world_size"])
    numbers = ("world_size", "iters_per_epoch", "iters_planned", "updates_planned", "global_batch")
    assert tuple(best[name] for name in numbers) == (1, 1224, 3672, 459, 8)


def test_the_verdict(shelf: Any, sa2va: str) -> None:
    """All claims fit one explanation: xtuner's sampler on one rank, 4 samples twice an epoch."""
    explanations = shelf.tables().explanations
    best = explanations.row(0, named=True)
    assert (explanations.height, best["verdict"], best["rule"]) == (1, "consistent", "LengthGroupedSampler")
    assert (best["iters_per_epoch"], best["updates_per_epoch"], best["padded_samples_per_epoch"]) == (1224, 153.0, 4)
    assert shelf.tables().claims["holds"].all()


def test_without_samples(shelf: Any, sa2va: str) -> None:
    """Without the printed sample count the log allows 1,217 to 1,224 samples, and samples per hour stay open."""
    parsed = shelf.rows["facts"]
    shelf.rows["facts"] = [frame.filter(frame["name"] != "num_samples") for frame in parsed]
    run = shelf.run()
    assert run["num_samples"] is None
    assert run["samples_per_hour"] is None
    assert (
        "The number of samples is not said: the iterations per epoch allow between 1,217 and 1,224." in run["caveats"]
    )
    told = shelf.run(values={"num_samples": 1220})
    assert (told["num_samples_from"], told["samples_done"]) == ("user", 3660)
