"""What a run is called."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest


def names(shelf: Any, *paths: str) -> list[str]:
    for k, path in enumerate(paths):
        log = shelf.log(path, ["mmengine"])
        shelf.by_iter(log, range(1, 3), 2, datetime(2024, 1, 1 + k), 1.0)
    return shelf.tables().runs.sort("started_at")["name"].to_list()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("work_dirs/rtmpose-s-Ear/20230604_172709/20230604_172709.log", "rtmpose-s-Ear"),
        ("projects/cats_dogs/exp/20230608_014024/20230608_014024.log", "cats_dogs"),
        ("000/run_7/train.log", "run_7"),
        ("mask2former_b4/slurm-481205.out", "mask2former_b4"),
        ("mmengine_nan.bin", "mmengine_nan"),
        ("a/<b>\x1b[31m ../x.log", "_b___31m_.."),
        ("train.log", "train"),
        ("20230604_172709.log", "20230604_172709"),
    ],
)
def test_one(shelf: Any, path: str, name: str) -> None:
    """The innermost folder that says something names the run; a time stamp only where nothing else does."""
    assert names(shelf, path) == [name]


def test_same_experiment_twice(shelf: Any) -> None:
    """Two runs of one experiment are told apart by their stamps."""
    base = "work_dirs/ear"
    assert names(shelf, f"{base}/20230604_1/a.log", f"{base}/20230605_000000/20230605_000000.log") == [
        "a",
        "ear-20230605_000000",
    ]


def test_stamps_of_one_experiment(shelf: Any) -> None:
    """Both carry the experiment's name, and one experiment."""
    paths = [f"work_dirs/ear/2023060{d}_000000/2023060{d}_000000.log" for d in (4, 5)]
    assert names(shelf, *paths) == ["ear-20230604_000000", "ear-20230605_000000"]
    assert shelf.tables().runs["experiment"].unique().to_list() == ["ear"]


def test_logs_side_by_side(shelf: Any) -> None:
    """Logs in one folder are called after their files."""
    assert names(shelf, "captures/meld_b32.log", "captures/meld_b128.log") == ["meld_b32", "meld_b128"]


def test_always_unique(shelf: Any) -> None:
    """The same path under two roots still gives two names, without a slash."""
    for root in ("/a", "/b"):
        shelf.log("net/train.log", ["mmengine"], root=root)
        shelf.rows["logs"][-1] = shelf.rows["logs"][-1].with_columns(log_id=pl.lit(root[1] * 16))
        shelf.by_iter(root[1] * 16, range(1, 3), 2, datetime(2024, 1, 1), 1.0)
    found = shelf.tables().runs["name"].to_list()
    assert len(set(found)) == 2
    assert not any("/" in name for name in found)


def test_experiment_by_the_user(shelf: Any) -> None:
    """A name that the user gives groups runs, whatever their folders."""
    names(shelf, "a/x.log", "b/y.log")
    assert shelf.tables(values={"experiment": "mine"}).runs["experiment"].to_list() == ["mine", "mine"]


def test_a_log_above_the_folders_of_other_runs_is_called_by_its_own_name(shelf: Any) -> None:
    """A console log that lies in the folder of many runs does not take that folder's name."""
    assert names(shelf, "mm/console_of_a.log", "mm/a/20230605_000000/20230605_000000.log") == ["console_of_a", "a"]
