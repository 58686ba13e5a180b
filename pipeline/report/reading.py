"""From the store: the tables that the overview and each page are made of, read once and divided among the runs."""

from collections.abc import Iterable

import polars as pl

from ..store import Store
from ..tables import (
    ALTERNATIVES,
    ATTEMPTS,
    CLAIMS,
    EPOCHS,
    EXPLANATIONS,
    FACTS,
    FINDINGS,
    LOGS,
    PROGRESS,
    RUNS,
    SCALING,
    SOURCES,
    STAGES,
    trains,
)
from .overview import FleetTables, records, run_logs
from .run_tables import RunTables, epochs_in_order, findings_in_order

CITED_FACTS = (
    *("num_samples", "batch_size", "grad_accum", "world_size", "iters_per_epoch", "iters_planned", "epochs_planned"),
    *("updates_done", "updates_planned", "val_samples", "gpus_visible", "gpu_name"),
)


def read_fleet(store: Store) -> FleetTables:
    """The tables that the overview is made of."""
    return FleetTables(store.read(RUNS), store.read(FINDINGS), store.read(ATTEMPTS), store.read(LOGS))


def runs_of(store: Store, fleet: FleetTables, order: list[str]) -> Iterable[RunTables]:
    """The tables of each run, in order. Every table is read once, whatever the number of runs."""
    owned = run_logs(fleet).join(fleet.runs.select("run_id"), on="run_id", how="semi")
    log_ids = owned.select("log_id").unique()
    named = store.scan(FACTS).filter(pl.col("name").is_in(CITED_FACTS))
    facts = named.join(log_ids.lazy(), on="log_id", how="semi").collect()
    heads = heads_of(store, log_ids)
    chosen = fleet.runs.select("run_id").lazy()
    counted = {
        table.name: store.scan(table).join(chosen, on="run_id", how="semi").collect()
        for table in (CLAIMS, EXPLANATIONS, ALTERNATIVES, STAGES)
    }
    citing = (facts, heads, fleet.findings, counted["claims"], counted["stages"])
    lines = pl.concat([frame.select("log_id", "line").drop_nulls() for frame in citing]).unique()
    sources = store.scan(SOURCES).join(lines.lazy(), on=["log_id", "line"], how="semi").collect()

    by_log = {"logs": fleet.logs, "facts": facts, "heads": heads, "sources": sources}
    tables = {name: frame.join(owned, on="log_id", how="inner") for name, frame in by_log.items()}
    tables["findings"] = findings_in_order(fleet.findings)
    tables["epochs"] = epochs_in_order(_epochs(store, fleet))
    tables["scaling"] = store.read(SCALING)
    tables |= counted
    divided = {name: frame.partition_by("run_id", as_dict=True) for name, frame in tables.items()}
    rows = {row["run_id"]: row for row in records(fleet.runs)}
    for run_id in order:
        parts = {name: frames.get((run_id,)) for name, frames in divided.items()}
        yield RunTables(rows[run_id], **{name: records(part) for name, part in parts.items() if part is not None})


def _epochs(store: Store, fleet: FleetTables) -> pl.DataFrame:
    return store.scan(EPOCHS).join(fleet.runs.select("run_id").lazy(), on="run_id", how="semi").collect()


def heads_of(store: Store, log_ids: pl.DataFrame) -> pl.DataFrame:
    """The first training record of each log with each pair of printed totals."""
    totals = ("iters_per_epoch", "iters_planned")
    return (
        store.scan(PROGRESS)
        .filter(
            trains(),
            pl.any_horizontal(pl.col(totals).is_not_null()),
        )
        .select("log_id", "line", *totals)
        .join(log_ids.lazy(), on="log_id", how="semi")
        .group_by("log_id", *totals)
        .agg(pl.min("line"))
        .select("log_id", "line", *totals)
        .collect()
    )
