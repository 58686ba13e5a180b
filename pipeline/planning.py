"""What a plan starts from: the numbers of a measured run, from tables or from logs that are read for it, and those of
the runs that are compared with it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from . import commands
from .analyze.plan_terms import Measured, Setting
from .commands import Told
from .store import Store
from .tables import ATTEMPTS, FACTS, RUNS, SCALING


class NoRunError(Exception):
    """The run that was asked for is not there; the message says which there are."""


class NothingReadError(Exception):
    """No log could be read."""


ABOUT = ("sampler", "drop_last", "sequence_parallel")
MOST_NAMES = 12


def measured(paths: Sequence[Path], names: Sequence[str], told: Told) -> Measured:
    """The numbers of the run that is meant: `paths` are one output folder, or logs that are read into a folder of
    their own, which is gone afterwards. names: the run, or several of which the first is meant and the others were
    measured too.

    Raises NoRunError where no run, or several, could be meant; NothingReadError where no log could be read; StoreError,
    SettingsError.
    """
    if len(paths) == 1 and Store(paths[0]).exists():
        if told.values or told.config:
            raise NoRunError(f"--set and --config are for logs; for tables: trainqc analyze {paths[0]} --set …")
        return of_tables(Store(paths[0]).pinned(), names)
    commands.check_settings(paths, told)
    with TemporaryDirectory(prefix="trainqc-plan-") as folder:
        out = Path(folder) / "out"
        ingested = commands.ingest(paths, out)
        if ingested.read == 0:
            reasons = "; ".join(f"{path}: {message}" for path, message in commands.unreadable(out, paths)[:3])
            raise NothingReadError(reasons or "there is no file that may be a log")
        commands.analyze(out, told=told)
        return of_tables(Store(out), names)


def of_tables(store: Store, names: Sequence[str]) -> Measured:
    runs, scaling = store.read(RUNS), store.read(SCALING)
    chosen = [_run(runs, name) for name in names] or _only(runs, scaling)
    run = chosen[0]
    group = scaling.filter(pl.col("run_id") == run["run_id"])["group"]
    beside = scaling.filter(pl.col("group").is_in(group.implode()), "fits")
    ids = [*(one["run_id"] for one in chosen), *beside["run_id"]]
    return as_measured(run, runs.filter(pl.col("run_id").is_in(ids)), _facts(store, run["run_id"]))


def _facts(store: Store, run_id: str) -> dict[str, str]:
    """What is stated of the run's sampler and loader: the user's word first, else the last."""
    logs = store.scan(ATTEMPTS).filter(pl.col("run_id") == run_id).select("log_id").unique()
    stated = store.scan(FACTS).filter(pl.col("name").is_in(ABOUT)).join(logs, on="log_id", how="semi").collect()
    last = stated.sort(pl.col("source") == "user", "line", nulls_last=False).unique("name", keep="last")
    return dict(last.select("name", pl.col("value").fill_null("").str.strip_chars(" '\"")).rows())


def as_measured(run: dict[str, Any], compared: pl.DataFrame, facts: dict[str, str]) -> Measured:
    """`run` is a row of RUNS, `compared` it and the runs that were measured beside it; facts by name."""
    low, high = run["s_per_iter_lo"] or run["s_per_iter"], run["s_per_iter_hi"] or run["s_per_iter"]
    drop = {"true": True, "1": True, "false": False, "0": False}.get(facts.get("drop_last", "").lower())
    parallel = facts.get("sequence_parallel", "1")
    counts = ("num_samples", "batch_size", "grad_accum", "world_size", "iters_per_epoch", "iters_planned")
    return Measured(
        setting=Setting(
            samples=run["num_samples"],
            batch_size=run["batch_size"],
            grad_accum=run["grad_accum"],
            world_size=run["world_size"],
            epochs=run["epochs_planned"],
            cycles=run["cycles"],
        ),
        iters_per_epoch=run["iters_per_epoch"],
        iters_planned=run["iters_planned"],
        s_per_iter=None if run["s_per_iter"] is None else (low, high),
        paces=_points(compared, "s_per_iter"),
        memories=_points(compared, "memory_peak_mib"),
        counts=_points(compared.filter(pl.col("world_size").eq_missing(run["world_size"])), "iters_per_epoch"),
        drop_last=drop,
        framework=run["format"],
        sampler=facts.get("sampler"),
        sequence_parallel=int(parallel) if parallel.isdecimal() and int(parallel) > 0 else 1,
        sources={name: run[f"{name}_from"] for name in counts if run[f"{name}_from"]},
        name=run["name"] or run["run_id"],
    )


def _points(runs: pl.DataFrame, column: str) -> tuple[tuple[int, Any], ...]:
    known = runs.filter(pl.col("batch_size").is_not_null() & (pl.col(column) > 0)).sort("batch_size", column)
    return tuple(known.select("batch_size", column).rows())


def _run(runs: pl.DataFrame, name: str) -> dict[str, Any]:
    found = runs.filter((pl.col("name") == name) | (pl.col("run_id") == name))
    if found.height != 1:
        raise NoRunError(f"no run is called {name!r}; there are {_names(runs)}")
    return found.row(0, named=True)


def _only(runs: pl.DataFrame, scaling: pl.DataFrame) -> list[dict[str, Any]]:
    """The only run; of several that are one comparison, the one with the smallest batch."""
    if runs.is_empty():
        raise NoRunError("the logs hold no training run")
    if runs.height == 1:
        return [runs.row(0, named=True)]
    if scaling["group"].n_unique() == 1 and scaling["run_id"].n_unique() == runs.height:
        return [runs.filter(pl.col("run_id") == scaling["group"][0]).row(0, named=True)]
    raise NoRunError(f"{runs.height} runs: say which one with --run NAME; there are {_names(runs)}")


def _names(runs: pl.DataFrame) -> str:
    names = runs["name"].fill_null("?").sort().to_list()
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
