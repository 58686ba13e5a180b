"""What the logs, or the tables of an earlier run, claim of the counts of each run; for the command `explain`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from . import commands
from .analyze.claims import Claim, Claims
from .commands import NOTHING_TOLD, Told, with_tables
from .store import Store
from .tables import CLAIMS, EXPLANATIONS, LOGS, RUNS


class NoSuchRunError(ValueError):
    """A name that no run has; the message names those that there are."""


def of_logs(paths: Sequence[Path], told: Told = NOTHING_TOLD) -> list[tuple[str, Claims]]:
    """The claims of every run of these logs, by its name, read into tables that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trainqc-explain-") as folder:
        out = Path(folder) / "out"
        commands.ingest(paths, out)
        commands.analyze(out, told=told)
        return _claims(Store(out), None)


def of_tables(out: Path, run: str | None = None) -> list[tuple[str, Claims]]:
    """The claims of the runs of `out`, or of the one of this name.

    Raises StoreError where there are no tables, NoSuchRunError for a name that no run has.
    """
    return _claims(with_tables(out), run)


def _claims(store: Store, name: str | None) -> list[tuple[str, Claims]]:
    runs = store.read(RUNS).select("run_id", "name").sort("name")
    if name is not None:
        known = runs["name"].to_list()
        runs = runs.filter(pl.col("name") == name)
        if runs.is_empty():
            raise NoSuchRunError(f"no run is called {name!r}; there are {', '.join(known[:20]) or 'none'}")
    ours = pl.col("run_id").is_in(runs["run_id"].implode())
    meant = store.scan(EXPLANATIONS).filter(ours, pl.col("position") == 1)
    paths = store.scan(LOGS).select("log_id", "path")
    claims = store.scan(CLAIMS).filter(ours).join(paths, on="log_id", how="left", maintain_order="left")
    by_run = claims.select("run_id", *Claim.__dataclass_fields__).collect().partition_by("run_id", as_dict=True)
    frameworks = {row["run_id"]: row for row in meant.select("run_id", "framework", "sampler").collect().to_dicts()}
    return [
        (run["name"], _of_run(by_run.get((run["run_id"],)), frameworks.get(run["run_id"], {})))
        for run in runs.to_dicts()
    ]


def _of_run(claims: pl.DataFrame | None, meant: dict[str, str | None]) -> Claims:
    rows = [] if claims is None else claims.drop("run_id").to_dicts()
    return Claims(tuple(Claim(**row) for row in rows), meant.get("framework"), meant.get("sampler"))
