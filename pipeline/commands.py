"""What each command does, without a word printed: ingest, analyze, report, and the three of them as run.

The command line shows what these return; `import trainqc` offers them as they are.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import polars as pl

from . import ingest as reading
from . import snapshots
from .derive import Derived, derive
from .detect import Formats
from .discover import SETTINGS
from .ingest import Ingested, Progress
from .machine import usable_cores
from .registry import formats as all_formats
from .report.build import PLOTS, Built, build
from .report.changes import Before
from .settings import Rule, SettingsError, draft, read_pairs, read_settings
from .store import Store, StoreError
from .tables import ISSUES, LOGS, TABLES

DRAFT = "trainqc.toml.draft"


@dataclass(frozen=True)
class Told:
    """What the user states: `values` of --set, and the file of --config (None: files beside and above the logs)."""

    values: Mapping[str, int | str | bool]
    config: Path | None = None

    @classmethod
    def of(cls, pairs: Sequence[str] = (), config: Path | None = None) -> "Told":
        """Raises SettingsError for a pair that cannot be used."""
        return cls(read_pairs(pairs), config)


NOTHING_TOLD = Told({})


@dataclass(frozen=True)
class Analyzed:
    """The derived tables in numbers, the settings files that were used, and the draft where the logs leave gaps."""

    derived: Derived
    settings: tuple[Path, ...]
    draft: Path | None


@dataclass(frozen=True)
class Ran:
    """What a whole run did. `before` is what the tables said when it began, None at the first time."""

    ingested: Ingested
    analyzed: Analyzed
    built: Built
    before: Before | None


def ingest(
    paths: Sequence[Path],
    out: Path,
    *,
    jobs: int | None = None,
    formats: Formats | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Ingested:
    """Read what is new or changed under `paths` into the tables of `out`. Raises StoreError."""
    return reading.ingest(paths, out, formats or all_formats(), jobs=jobs or usable_cores(), on_progress=on_progress)


def analyze(out: Path, *, told: Told = NOTHING_TOLD, now: datetime | None = None) -> Analyzed:
    """Derive attempts, runs, epochs and findings from the parsed tables of `out`, and write the draft of what no log
    says. Raises StoreError where there are no tables, SettingsError (path:line) for a trainqc.toml of no use."""
    store = with_tables(out)
    logs = store.scan(LOGS).select("root", "path", "status").collect()
    files = settings_files(_folders(logs)) if told.config is None else [told.config]
    rules = [rule for file in files for rule in read_rules(file, told.config is not None)]
    derived = derive(out, rules=rules, values=told.values, now=now or datetime.now().astimezone())
    return Analyzed(derived, tuple(files), _write_draft(out, derived.runs))


def report(
    out: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    plots: int = PLOTS,
    now: datetime | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Write `out`/report from the tables, and append to `snapshots` how the runs stand. Raises StoreError where there
    are no tables."""
    with_tables(out)
    now = now or datetime.now().astimezone()
    snapshots.take(out, now)
    return build(out, since=since, until=until, now=now, plots=plots, on_progress=on_progress)


def with_tables(out: Path) -> Store:
    """The store of `out`. Raises StoreError where nothing was ingested yet."""
    store = Store(out)
    if not store.exists():
        raise StoreError(f"no tables under {out}: run `trainqc ingest LOGS... --out {out}` first")
    return store


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_settings(paths: Sequence[Path], told: Told) -> None:
    """Read what can be known of the settings before any log is. Raises SettingsError, so that a slip of the pen in a
    trainqc.toml costs no reading of logs."""
    roots = [path.resolve() for path in paths]
    files = [told.config] if told.config else settings_files(r if r.is_dir() else r.parent for r in roots)
    for file in files:
        read_rules(file, told.config is not None)


def settings_files(folders: Iterable[Path]) -> list[Path]:
    """Every trainqc.toml in these folders and those above, those nearest to the root of the file system first."""
    every = {above for folder in folders for above in (folder, *folder.parents)}
    return [
        file
        for folder in sorted(every, key=lambda folder: (len(folder.parts), folder))
        if os.path.isfile(file := folder / SETTINGS)  # noqa: PTH113 (Path.is_file raises for a folder one may not enter)
    ]


def read_rules(file: Path, asked_for: bool) -> list[Rule]:
    """The rules of a settings file. One that was asked for by name holds for all logs, wherever it lies; its globs
    count from its folder where the logs are below that, else from the folders that were given."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{file}:1: not UTF-8: save the file as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    rules = read_settings(text, PurePosixPath(file.resolve()))
    return [replace(rule, folder="") if asked_for and rule.glob == "**" else rule for rule in rules]


def _folders(logs: pl.DataFrame) -> list[Path]:
    """The folders that hold logs."""
    whole = pl.concat_str("root", "path", separator="/")
    is_file = pl.col("root").str.ends_with(pl.concat_str(pl.lit("/"), "path"))
    read = logs.filter(pl.col("status") != "left_out")
    address = read.select(pl.when(is_file).then("root").otherwise(whole).str.replace("/[^/]*$", "")).to_series()
    return [Path(folder or "/") for folder in address.unique().to_list()]


def _write_draft(out: Path, runs: pl.DataFrame) -> Path | None:
    file, text = out / DRAFT, draft(runs)
    if not text:
        file.unlink(missing_ok=True)
        return None
    temporary = file.with_name(f".{DRAFT}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(file)
    return file


# ── what the command line wants to know ──────────────────────────────────────────────────────────────────────────────


def before(out: Path) -> Before | None:
    """How the runs stood at the last report that found something new; None where there was none."""
    store = Store(out)
    taken = snapshots.recent(store)
    last: datetime | None = taken.select(pl.col("as_of").max()).item()
    return Before(snapshots.standing(taken), last) if last else None


@dataclass(frozen=True)
class Troubles:
    """What --strict minds: logs that could not be read, or not to their end, and logs with issues."""

    unread: int
    with_issues: int

    def __bool__(self) -> bool:
        return bool(self.unread or self.with_issues)


def troubles(out: Path, paths: Sequence[Path] = ()) -> Troubles:
    """Troubles of the logs under `paths`, or of all logs in the tables."""
    store = Store(out)
    logs = store.scan(LOGS)
    if paths:
        logs = logs.filter(pl.col("root").is_in(_roots(paths)))
    unread = logs.filter(pl.col("status").is_in(["unreadable", "partial"]))
    issues = store.scan(ISSUES).select("log_id").unique().join(logs, on="log_id", how="semi")
    counts = pl.collect_all([unread.select(pl.len()), issues.select(pl.len())])
    return Troubles(*(count.item() for count in counts))


def size(out: Path, paths: Sequence[Path]) -> int:
    """Bytes of the logs under `paths`."""
    logs = Store(out).scan(LOGS).filter(pl.col("root").is_in(_roots(paths)))
    return int(logs.select(pl.col("bytes").sum()).collect().item() or 0)


def unreadable(out: Path, paths: Sequence[Path]) -> list[tuple[str, str]]:
    """(path, reason) of up to ten things under `paths` that could not be read."""
    logs = Store(out).scan(LOGS).filter(pl.col("root").is_in(_roots(paths)), pl.col("status") == "unreadable")
    few = logs.sort("path").head(10).select("path", "message").collect()
    return list(zip(few["path"].to_list(), few["message"].to_list(), strict=True))


def _roots(paths: Sequence[Path]) -> list[str]:
    return sorted({str(path.resolve()) for path in paths} | {str(path.absolute()) for path in paths})


# ── reading tables ───────────────────────────────────────────────────────────────────────────────────────────────────


def scan(out: Path, table: str) -> pl.LazyFrame:
    """A table of `out`, lazily. Raises KeyError for a name that is no table, StoreError where nothing was ingested."""
    if table not in TABLES:
        raise KeyError(f"no table {table!r}; there are {', '.join(TABLES)}")
    return with_tables(out).scan(TABLES[table])
