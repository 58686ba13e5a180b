"""trainqc: raw training logs in, typed Parquet tables and an honest report out.

    import trainqc

    ran = trainqc.run(["work_dirs"], out="trainqc-out", settings={"world_size": 4})
    trainqc.read("trainqc-out", "runs").select("name", "state", "s_per_iter", "caveats")
    trainqc.scan("trainqc-out", "metrics").filter(name="loss").collect()

`run` does what `ingest`, `analyze` and `report` do one by one, as on the command line; nothing is printed. Tables are
polars frames; each column's unit and meaning stand in `trainqc.pipeline.tables` and in the Parquet files' metadata.
Importing the package costs nothing: polars is imported by the first call.

Errors: StoreError (the output folder cannot be used; StoreBusy while another command writes to it) and SettingsError
(a value, or a trainqc.toml with path:line) can be caught as `trainqc.StoreError`, `trainqc.StoreBusy` and
`trainqc.SettingsError`. Bad logs raise nothing: they are rows in `logs` and `issues`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package's real places; by folder this file lies in `pipeline/`
    import polars as pl

    from ..commands import Analyzed, Ran
    from ..ingest import Ingested
    from ..report.build import Built
    from ..settings import SettingsError
    from ..store import StoreBusy, StoreError

    __version__: str

__all__ = [
    "SettingsError",
    "StoreBusy",
    "StoreError",
    "__version__",
    "analyze",
    "ingest",
    "read",
    "report",
    "run",
    "scan",
]

Place = str | PathLike[str]
OUT = "trainqc-out"


def run(
    paths: Place | Sequence[Place],
    *,
    out: Place = OUT,
    jobs: int | None = None,
    settings: Mapping[str, int | str | bool] | None = None,
    config: Place | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> "Ran":
    """Read what is new or changed under `paths`, derive the tables, and write the report.

    paths: files and folders of logs. out: the output folder. jobs: threads; None: the cores that this process may use,
    at most 8. settings: values for all logs, such as {"num_samples": 1220}, in this call alone. config: a settings file
    instead of every trainqc.toml beside and above the logs. since, until: the report shows runs that were active then.

    Returns what was done: `.ingested` (counts), `.analyzed.derived.runs` (the table `runs`), `.built.index` (the path
    of the report). Raises StoreError, StoreBusy, SettingsError.
    """
    from trainqc.pipeline import commands  # pyright: ignore[reportMissingImports]

    told = _told(settings, config)
    roots = _paths(paths)
    commands.check_settings(roots, told)
    before = commands.before(Path(out))
    ingested = commands.ingest(roots, Path(out), jobs=jobs)
    analyzed = commands.analyze(Path(out), told=told)
    built = commands.report(Path(out), since=since, until=until)
    return commands.Ran(ingested, analyzed, built, before)


def ingest(paths: Place | Sequence[Place], *, out: Place = OUT, jobs: int | None = None) -> "Ingested":
    """Read what is new or changed under `paths` into the parsed tables of `out`; returns counts. Raises StoreError."""
    from trainqc.pipeline import commands  # pyright: ignore[reportMissingImports]

    return commands.ingest(_paths(paths), Path(out), jobs=jobs)


def analyze(
    out: Place = OUT, *, settings: Mapping[str, int | str | bool] | None = None, config: Place | None = None
) -> "Analyzed":
    """Derive attempts, runs, epochs and findings from the parsed tables of `out`. Raises StoreError, SettingsError."""
    from trainqc.pipeline import commands  # pyright: ignore[reportMissingImports]

    return commands.analyze(Path(out), told=_told(settings, config))


def report(out: Place = OUT, *, since: datetime | None = None, until: datetime | None = None) -> "Built":
    """Write `out`/report from the tables, of the runs that were active in the window. Raises StoreError."""
    from trainqc.pipeline import commands  # pyright: ignore[reportMissingImports]

    return commands.report(Path(out), since=since, until=until)


def scan(out: Place, table: str) -> "pl.LazyFrame":
    """A table of `out`, lazily, with exactly the columns of its contract. Raises KeyError for an unknown name,
    StoreError where nothing was ingested yet."""
    from trainqc.pipeline import commands  # pyright: ignore[reportMissingImports]

    return commands.scan(Path(out), table)


def read(out: Place, table: str) -> "pl.DataFrame":
    """The same in memory."""
    return scan(out, table).collect()


def _paths(paths: Place | Sequence[Place]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | PathLike) else [Path(path) for path in paths]


def _told(settings: Mapping[str, int | str | bool] | None, config: Place | None) -> Any:
    from trainqc.pipeline.commands import Told  # pyright: ignore[reportMissingImports]
    from trainqc.pipeline.settings import checked  # pyright: ignore[reportMissingImports]

    values = checked(settings or {}, lambda name: f"settings[{name!r}]")
    return Told(values, None if config is None else Path(config))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("trainqc")
    if name in ("StoreError", "StoreBusy"):
        from trainqc.pipeline import store  # pyright: ignore[reportMissingImports]

        return getattr(store, name)
    if name == "SettingsError":
        from trainqc.pipeline.settings import SettingsError  # pyright: ignore[reportMissingImports]

        return SettingsError
    raise AttributeError(f"module 'trainqc' has no attribute {name!r}")
