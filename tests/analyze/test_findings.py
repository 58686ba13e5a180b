"""What needs a look."""

import math
from datetime import datetime
from typing import Any

START = datetime(2024, 1, 1)


def found(shelf: Any, code: str) -> dict[str, Any]:
    findings = shelf.tables().findings
    assert findings.filter(findings["code"] == code).height == 1, findings
    return findings.filter(findings["code"] == code).row(0, named=True)


def test_nan_loss(shelf: Any) -> None:
    """Losses that are no numbers are counted, from the first line on."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 21), 20, START, 1.0)
    shelf.losses(log, {100: 0.5, 112: math.nan, 113: math.inf, 114: 0.4})
    finding = found(shelf, "nan_loss")
    assert (finding["severity"], finding["line"]) == ("error", 112)
    assert finding["message"] == "2 of the printed train losses are NaN or infinite"
    assert shelf.run()["final_loss"] == 0.4


def test_nan_in_validation_is_none(shelf: Any) -> None:
    """A NaN loss of a validation is no train loss."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_iter(log, range(1, 21), 20, START, 1.0)
    shelf.losses(log, {112: math.nan}, phase="val")
    assert "nan_loss" not in shelf.tables().findings["code"].to_list()


def test_failed_without_a_checkpoint(shelf: Any) -> None:
    """A run that failed before its first checkpoint lost all its training, and the finding cites the error's line."""
    log = shelf.log("mask2former_b4/slurm-481205.out", ["mmengine"])
    shelf.by_iter(log, range(10, 2311, 10), 90000, START, 0.62)
    shelf.event(log, 3127, "out_of_memory", message="CUDA out of memory, 1.50 GiB asked for")
    failed = found(shelf, "failed")
    assert failed["message"] == (
        "failed: out of memory at 2,310 of 90,000 iterations: CUDA out of memory, 1.50 GiB asked for"
    )
    assert failed["line"] == 3127
    lost = found(shelf, "no_checkpoint")
    assert (lost["severity"], lost["message"]) == ("error", "no checkpoint yet: 23.8 min of training lost")


def test_checkpoint_saved(shelf: Any) -> None:
    """With a checkpoint behind it a failed run lost no more than what came after."""
    log = shelf.log("net/a.log", ["mmengine"])
    end = shelf.by_iter(log, range(10, 2311, 10), 90000, START, 0.62)
    shelf.event(log, 150, "checkpoint", global_iter=500)
    shelf.event(log, end, "traceback", message="ValueError")
    assert "no_checkpoint" not in shelf.tables().findings["code"].to_list()


def test_dropped_samples(shelf: Any) -> None:
    """10,000 samples at batch 32 with 312 iterations an epoch leave 16 out."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 3), range(1, 313), 312, START, 1.0)
    shelf.facts(
        log, "config", 9, num_samples=10000, batch_size=32, world_size=1, sampler="DefaultSampler", drop_last="True"
    )
    assert found(shelf, "dropped")["message"] == "16 of 10,000 samples are left out of each epoch (0.16 %)"


def test_counts_that_do_not_fit(shelf: Any) -> None:
    """The same log without drop_last contradicts its own configuration: it would show 313."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 3), range(1, 313), 312, START, 1.0)
    shelf.facts(
        log, "config", 9, num_samples=10000, batch_size=32, world_size=1, sampler="DefaultSampler", drop_last="False"
    )
    assert found(shelf, "contradicted")["message"] == (
        "dropping the last batch: no (the configuration, line 9), but 312 iterations an epoch show that it is dropped"
    )


def test_nothing_to_say(shelf: Any) -> None:
    """A finished run without a quirk has no finding."""
    log = shelf.log("net/a.log", ["mmengine"])
    shelf.by_epoch(log, range(1, 3), range(1, 7), 6, START, 1.0)
    shelf.facts(log, "config", 9, epochs_planned=2)
    assert shelf.tables().findings.is_empty()
