"""Tables → OUT/report: index.md, runs/<name>.md, runs/<name>/{loss,pace,lr}.png, scaling/<name>.png. From tables alone.

Small tables are read once and divided among the runs; `progress` and `metrics` are read only for the runs that get
charts, only their logs and columns. A file is written (beside its place, then renamed) only where its content changed,
and charts are drawn again only where what they show changed. `.trainqc-report.json` remembers what was made here:
nothing else is ever removed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from ..store import Store
from ..tables import EVENTS, FACTS, METRICS, PROGRESS, SCALING, trains
from . import curves, markdown, section_scaling, words
from .fleet_page import index
from .model import Chart, Picture, Section
from .overview import FleetTables, Overview, active, counts_updates, local_clock, overview
from .page import page
from .reading import read_fleet, runs_of
from .run_tables import RunTables
from .slugs import slugs

PLOTS = 40
MANIFEST = ".trainqc-report.json"
TEMPORARY = ".trainqc-tmp"

Progress = Callable[[int, int], None]


class ReportError(Exception):
    """The report cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Built:
    """What a build did. `runs` are those in the report, `others` those outside its window; `unplotted` have no charts
    because others come first; `written` and `removed` count files.
    """

    index: Path
    runs: int
    others: int
    plotted: int
    unplotted: int
    drawn: int
    written: int
    removed: int
    seen: Overview


@dataclass
class Manifest:
    """What an earlier build made: files relative to the report, and per run what its charts show."""

    files: set[str] = field(default_factory=set)
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)


def build(
    out: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
    plots: int = PLOTS,
    on_progress: Progress | None = None,
) -> Built:
    """Make the report under OUT/report and return what was done.

    `since` and `until` keep the runs that were active in that window (`overview.active`); pages of other runs stay as
    they are and are not listed. Charts are made for the first `plots` runs: those that need a look, then the newest.
    `on_progress(done, total)` is called after each page. Raises ReportError where OUT holds no tables.
    """
    store = Store(out)
    if not store.exists():
        raise ReportError(f"no tables under {out}: run `trainqc ingest LOGS... --out {out}` first")
    store = store.pinned()
    fleet = read_fleet(store)
    chosen = active(fleet, since, until)
    seen = overview(chosen)
    names = dict(zip(fleet.runs["run_id"].to_list(), fleet.runs["name"].fill_null("").to_list(), strict=True))
    stems = slugs(names)

    folder = Folder(out / "report", now)
    before = folder.manifest()
    after = Manifest()
    order = [line.run_id for line in seen.runs]
    to_plot = set(order[: max(plots, 0)])
    drawn = 0
    for place, tables in enumerate(runs_of(store, chosen, order), 1):
        run_id = tables.run["run_id"]
        stem = stems[run_id]
        pictures: tuple[Picture, ...] = ()
        rates: Picture | None = None
        if run_id in to_plot:
            basis = _basis(tables)
            made = before.charts.get(run_id)
            if made is None or made["basis"] != basis or not folder.holds(_chart_files(stem, made)):
                charts = run_charts(
                    store, tables, chosen.attempts.filter((pl.col("run_id") == run_id) & pl.col("copy_of").is_null())
                )
                for chart in charts:
                    folder.write(f"runs/{stem}/{chart.name}.png", _draw(chart))
                drawn += len(charts)
                made = {"basis": basis, "charts": [[chart.name, chart.alt] for chart in charts]}
            after.charts[run_id] = made
            after.files |= set(_chart_files(stem, made))
            named = {name: Picture(f"{stem}/{name}.png", alt) for name, alt in made["charts"]}
            rates = named.pop("lr", None)
            pictures = tuple(named.values())
        without = "No loss and no time per iteration was printed." if run_id in to_plot else _unplotted(len(to_plot))
        text = markdown.render(page(tables, pictures, rates=rates, without_pictures=without))
        after.files.add(folder.write(f"runs/{stem}.md", text.encode()))
        if on_progress is not None:
            on_progress(place, len(order))

    links = {run_id: f"runs/{stems[run_id]}.md" for run_id in order}
    others = fleet.runs.height - len(order)
    window = {name: local_clock(end) if end else None for name, end in (("since", since), ("until", until))}
    beside, drawn_beside = _comparison(store, fleet, folder, (before, after), stems, links, draw=plots > 0)
    drawn += drawn_beside
    sections = (beside,)
    text = markdown.render(index(seen, links, now=local_clock(now), others=others, sections=sections, **window))
    after.files.add(folder.write("index.md", text.encode()))
    _keep_others(before, after, {stem: run_id for run_id, stem in stems.items() if run_id not in links})
    removed = folder.remove(before.files - after.files)
    folder.write(MANIFEST, _manifest_text(after))
    return Built(
        index=folder.path / "index.md",
        runs=len(order),
        others=others,
        plotted=len(to_plot),
        unplotted=len(order) - len(to_plot),
        drawn=drawn,
        written=folder.written,
        removed=removed,
        seen=seen,
    )


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def run_charts(store: Store, tables: RunTables, attempts: pl.DataFrame) -> tuple[Chart, ...]:
    """The charts of one run, from the rows of its logs alone; `attempts` are the run's."""
    log_ids = [log["log_id"] for log in tables.logs]
    ours = pl.col("log_id").is_in(log_ids)
    shown = ours & (trains() | pl.col("phase").is_not_null())
    progress = store.scan(PROGRESS).filter(shown).select(*curves.PROGRESS_COLUMNS, "update").collect()
    progress = curves.at_updates(progress, tables.run["grad_accum"])
    losses = store.scan(METRICS).filter(shown, pl.col("name") == "loss").select(curves.LOSS_COLUMNS).collect()
    events = store.scan(EVENTS).filter(ours, pl.col("kind").is_in(["checkpoint", "resume"])).collect()
    length = tables.run["iters_per_epoch"]
    if (
        store.scan(FACTS)
        .filter(ours, pl.col("name") == "counter", pl.col("value") == "samples")
        .limit(1)
        .collect()
        .height
    ):
        progress = curves.in_iterations(progress, tables.run["batch_size"])
    by_updates, lines = counts_updates(tables.run), tables.run["format"] == "huggingface"
    if by_updates or (lines and tables.run["updates_done"] is not None):
        progress = curves.of_updates(progress, tables.run["updates_planned"], tables.run["grad_accum"])
        length = None if by_updates else length
    elif lines:
        fractions = store.scan(METRICS).filter(ours, pl.col("name") == "epoch").select(curves.LOSS_COLUMNS)
        progress = curves.at_fractions(progress, fractions.collect())
    rows = curves.curve_records(
        progress,
        losses,
        attempts,
        iters_per_epoch=length,
        iters_planned=tables.run["iters_planned"],
        cycles=tables.run["cycles"],
    )
    if by_updates:
        rows = rows.with_columns(axis=pl.lit("update"))
    marks = curves.chart_marks([epoch["last_iter"] for epoch in tables.epochs], events, length)
    charts = (
        curves.loss_chart(rows, marks),
        curves.pace_chart(rows, marks, tables.run["s_per_iter"]),
        curves.lr_chart(rows, tables.stages, marks),
    )
    return tuple(chart for chart in charts if chart is not None)


def _comparison(
    store: Store,
    fleet: FleetTables,
    folder: "Folder",
    manifests: tuple[Manifest, Manifest],
    stems: Mapping[str, str],
    links: Mapping[str, str],
    *,
    draw: bool,
) -> tuple[Section, int]:
    """The section of runs compared at several batch sizes, its charts written; and how many of them were drawn."""
    before, after = manifests
    found = section_scaling.groups(store.read(SCALING), fleet.runs, list(links))
    pictures: dict[str, Picture] = {}
    drawn = 0
    for group in found[: section_scaling.MOST_GROUPS] if draw else []:
        key, file = f"scaling {group.key}", f"scaling/{stems[group.key]}.png"
        basis = _digest(group.rows)
        made = before.charts.get(key)
        if made is None or made["basis"] != basis or not folder.holds([file]):
            chart = section_scaling.chart(group)
            if chart is None:
                continue
            folder.write(file, _draw(chart))
            drawn += 1
            made = {"basis": basis, "charts": [[chart.name, chart.alt]]}
        after.charts[key] = made
        after.files.add(file)
        pictures[group.key] = Picture(file, made["charts"][0][1])
    return section_scaling.compared(found, links, pictures), drawn


def _draw(chart: Chart) -> bytes:
    from .charts import draw  # matplotlib, only where something is drawn

    return draw(chart)


def _basis(tables: RunTables) -> str:
    """What a run's charts depend on: its row, its stages, its logs as they were read, and the look."""
    logs = sorted((log["log_id"], log["fingerprint"], log["bytes"], str(log["modified_at"])) for log in tables.logs)
    stages = [sorted(stage.items()) for stage in tables.stages]
    return _digest((sorted(tables.run.items()), stages, logs))


def _digest(shown: object) -> str:
    from .charts import STYLE_VERSION

    return hashlib.sha256(repr((STYLE_VERSION, shown)).encode()).hexdigest()


def _chart_files(stem: str, made: Mapping[str, Any]) -> list[str]:
    return [f"runs/{stem}/{name}.png" for name, _ in made["charts"]]


def _unplotted(plotted: int) -> str:
    if not plotted:
        return "Charts were switched off (--plots 0)."
    first = words.plural(plotted, "run")
    return f"Charts were made for the {first} that need a look or are newer; --plots raises that number."


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Folder:
    """OUT/report: files are written whole or not at all, and only where their content changed."""

    def __init__(self, path: Path, now: datetime) -> None:
        self.path = path
        self.written = 0
        (path / "runs").mkdir(parents=True, exist_ok=True)
        self._sweep(now)

    def write(self, name: str, content: bytes) -> str:
        """Write a file of the report, unless it holds this content already; returns its name."""
        target = self.path / name
        try:
            if target.stat().st_size == len(content) and target.read_bytes() == content:
                return name
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY}")
        try:
            temporary.write_bytes(content)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        self.written += name != MANIFEST
        return name

    def holds(self, names: Iterable[str]) -> bool:
        return all((self.path / name).is_file() for name in names)

    def remove(self, names: Iterable[str]) -> int:
        """Remove files that an earlier build made, and folders that are empty then; returns the number of files."""
        removed = 0
        for name in sorted(names):
            target = self.path / name
            if not _inside(name) or not target.is_file() or target.parent.is_symlink():
                continue
            target.unlink()
            removed += 1
            if target.parent not in (self.path, self.path / "runs") and not any(target.parent.iterdir()):
                target.parent.rmdir()
        return removed

    def manifest(self) -> Manifest:
        """What the last build noted; nothing where it is missing or was damaged, so that nothing is taken for ours."""
        try:
            content = json.loads((self.path / MANIFEST).read_bytes())
            charts = {
                run_id: {"basis": str(made["basis"]), "charts": [[str(name), str(alt)] for name, alt in made["charts"]]}
                for run_id, made in content["charts"].items()
            }
            return Manifest({str(name) for name in content["files"]}, charts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Manifest()

    def _sweep(self, now: datetime) -> None:
        """Remove what a killed command left half written more than an hour ago."""
        for leftover in self.path.rglob(f".*{TEMPORARY}"):
            try:
                if leftover.stat().st_mtime < now.timestamp() - 3600:
                    leftover.unlink()
            except OSError:
                continue


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    ours = name == "index.md" or (len(parts) in (2, 3) and parts[0] == "runs") or parts[0] == "scaling"
    return ours and ".." not in parts and name.endswith((".md", ".png"))


def _keep_others(before: Manifest, after: Manifest, others: Mapping[str, str]) -> None:
    """Pages and charts of runs outside the window stay, as long as the tables still hold the run."""
    for name in before.files:
        parts = PurePosixPath(name).parts
        if len(parts) in (2, 3) and (parts[1].removesuffix(".md") if len(parts) == 2 else parts[1]) in others:
            after.files.add(name)
    after.charts |= {run_id: before.charts[run_id] for run_id in others.values() if run_id in before.charts}


def _manifest_text(manifest: Manifest) -> bytes:
    content = {"version": 1, "files": sorted(manifest.files), "charts": dict(sorted(manifest.charts.items()))}
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
