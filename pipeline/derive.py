"""From the parsed tables to attempts, runs, epochs and findings, through the store; judges nothing itself.

Progress rows are the only large table: they are read in batches of whole logs, narrow, and leave only aggregates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from .analyze import (
    bar_cycles,
    bars,
    best,
    copies,
    counting_findings,
    cycles,
    engines,
    epochs,
    evidence,
    findings,
    losses,
    memory,
    pace,
    plateaus,
    quotations,
    rates,
    resolve,
    runs,
    sample_counters,
    scaling,
    schedules,
    signs,
    stages,
    state,
    timeline,
    trainer_lines,
    update_counters,
    verdicts,
)
from .analyze.solve import solve
from .settings import Rule, Value, user_facts
from .store import Store
from .tables import (
    ATTEMPTS,
    CLOCKS,
    DERIVED,
    EPOCHS,
    EVENTS,
    FACTS,
    FINDINGS,
    GPU,
    LOGS,
    METRICS,
    PROGRESS,
    RUNS,
    SCALING,
    SOURCES,
    STAGES,
    Table,
    conform,
)

BATCH_ROWS = 3_000_000  # progress rows held at once; a single log beyond it is a batch of its own
USER_PART = "user"
READ = (LOGS, PROGRESS, METRICS, FACTS, CLOCKS, EVENTS, GPU, SOURCES)
"""The parsed tables that the derived ones are made of."""


@dataclass(frozen=True)
class Derived:
    """How many rows were written, and the runs themselves for who goes on with them."""

    runs: pl.DataFrame
    attempts: int
    epochs: int
    findings: int


@dataclass(frozen=True)
class Tables:
    """The derived tables and the user's facts, conformed."""

    attempts: pl.DataFrame
    runs: pl.DataFrame
    epochs: pl.DataFrame
    stages: pl.DataFrame
    findings: pl.DataFrame
    claims: pl.DataFrame
    explanations: pl.DataFrame
    alternatives: pl.DataFrame
    scaling: pl.DataFrame
    user_facts: pl.DataFrame


def derive(
    out: Path,
    *,
    rules: Sequence[Rule] = (),
    values: Mapping[str, Value] | None = None,
    now: datetime | None = None,
) -> Derived:
    """Analyze the parsed tables under `out` and commit the derived ones and the user's facts.

    `rules` come from trainqc.toml files, `values` from --set; `now` (UTC, aware) tells a running run from one that
    stopped. Raises StoreBusy while another command writes.
    """
    store = Store(out)
    with store.writer("analyze") as writer:
        tables = analyze(
            {table.name: store.scan(table) for table in READ},
            rules,
            values,
            now,
        )
        writer.replace(FACTS, tables.user_facts, part=USER_PART)
        for table in DERIVED:
            writer.replace(table, getattr(tables, table.name))
        writer.commit()
    return Derived(tables.runs, tables.attempts.height, tables.epochs.height, tables.findings.height)


def analyze(
    parsed: Mapping[str, pl.LazyFrame],
    rules: Sequence[Rule] = (),
    values: Mapping[str, Value] | None = None,
    now: datetime | None = None,
) -> Tables:
    """The derived tables from the parsed ones (name → frame of its schema); pure. The order of rows means nothing."""
    logs = quotations.without(parsed["logs"].filter(pl.col("status") != "left_out").collect())
    events = parsed["events"].collect()
    told = user_facts(logs, rules, values)
    beside = trainer_lines.beside_bars(parsed["progress"], parsed["metrics"], logs)
    speaking = timeline.speakers(
        engines.apart(timeline.summarize(parsed["progress"]).collect(engine="streaming")),
        logs,
        events.filter(pl.col("kind") == "start"),
        trainer_lines.counted(beside),
    )
    batches = Batches(parsed, events, speaking, logs, told, beside)
    parts = [(attempts_of(batch), batch.marks, batch.cycles, signs_of(batch)) for batch in batches]
    if not parts:
        return nothing(told)
    measured = pl.concat([part for part, _, _, _ in parts], how="vertical_relaxed")
    about_copies = parsed["facts"].filter(pl.col("name").is_in(copies.TOLD)).collect()
    doubled = copies.found(pl.concat([marks for _, marks, _, _ in parts]), measured, about_copies)
    turns = pl.concat([again for _, _, again, _ in parts])
    alone = measured.join(doubled, on=["log_id", "attempt"], how="anti")
    attempts = timeline.assign_runs(cycles.into_attempts(alone, turns))
    attempts = losses.into_attempts(attempts, losses.of_logs(parsed["metrics"], speaking).collect(engine="streaming"))
    attempts = memory.into_attempts(attempts, memory.printed(parsed["facts"], speaking).collect())
    copied = copies.placed(doubled, attempts, measured)
    heard = pl.concat([attempts, copied], how="diagonal_relaxed")
    members = members_of(heard, speaking)
    said_by_logs = resolve.statements(parsed["facts"].filter(pl.col("source") != "user")).collect(engine="streaming")
    counters = update_counters.statements(attempts, batches.by_updates)
    facts = pl.concat([said_by_logs, told, counters.select(told.columns)])
    stated = resolve.of_runs(facts, heard, members)
    run_ids = attempts.select("run_id").unique()
    fractions = resolve.beside_runs(trainer_lines.fractions(beside, parsed["facts"]), heard, members)
    said = runs.assembled(
        attempts,
        resolve.wide(resolve.chosen(stated), run_ids),
        state.last_words(events, heard),
        best.of_runs(best.said(events, heard), best.measured(parsed["metrics"]).collect(), attempts),
        telemetry(parsed["gpu"]),
        members,
        logs,
    ).join(trainer_lines.reached(fractions), on="run_id", how="left")
    of_updates = signs.of_updates(parsed["progress"]).collect(engine="streaming")
    shown = pl.concat([*(seen for _, _, _, seen in parts), of_updates])
    lengths = resolve.beside_runs(trainer_lines.epoch_lengths(beside), heard, members)
    claims = evidence.claims(stated, attempts, resolve.beside_runs(shown, heard, members), lengths, said)
    claims = evidence.with_texts(claims, parsed["sources"])
    printed_by = trainer_lines.spoken(said, speaking, "first_log")
    judged = verdicts.judge(claims, evidence.frameworks(printed_by, stated), solve)
    headline = trainer_lines.spoken(runs.headline(said, judged.agreed, logs, now), speaking, "first_log")
    counted = update_counters.as_counted(sample_counters.as_counted(headline))
    inside = [(epochs_of(batch, attempts, counted), stages_of(batch, attempts, counted)) for batch in batches]
    spans = epochs.spans(attempts, counted, turns)
    spent = epochs.table(*sample_counters.of_epochs(spans, pl.concat([part for part, _ in inside]), headline), headline)
    attempts = update_counters.of_attempts(sample_counters.of_attempts(attempts, headline), headline)
    attempts = trainer_lines.spoken(attempts, speaking, "log_id")
    planned = schedules.statements(parsed["facts"].filter(pl.col("source") != "user")).collect(engine="streaming")
    compared = scaling.table(headline, parsed["facts"].filter(pl.col("source") != "user"), members)
    more = [
        counting_findings.table(headline, judged.claims, judged.explanations, stated),
        cycles.findings(turns, attempts),
        schedules.findings(resolve.of_runs(planned, heard, members), headline),
        scaling.findings(compared, headline),
    ]
    found = findings.table(headline, attempts, resolve.conflicts(stated), more)
    return Tables(
        attempts=only(pl.concat([attempts, copied], how="diagonal_relaxed"), ATTEMPTS).sort("log_id", "attempt"),
        runs=only(headline, RUNS),
        epochs=conform(spent, EPOCHS),
        stages=conform(pl.concat([part for _, part in inside], how="diagonal_relaxed"), STAGES),
        findings=conform(found, FINDINGS),
        claims=judged.claims,
        explanations=judged.explanations,
        alternatives=judged.alternatives,
        scaling=conform(compared, SCALING),
        user_facts=conform(told, FACTS),
    )


def nothing(told: pl.DataFrame) -> Tables:
    return Tables(**{table.name: table.empty() for table in DERIVED}, user_facts=conform(told, FACTS))


def only(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The table's columns of a working frame that holds more."""
    return conform(frame.select(name for name in table.schema if name in frame.columns), table)


@dataclass(frozen=True)
class Batch:
    """Some logs that speak, with their rows in attempts, or the turns of their bars."""

    speaking: pl.DataFrame
    rows: pl.DataFrame
    cuts: pl.DataFrame
    events: pl.DataFrame
    clocks: pl.DataFrame
    bar_turns: pl.DataFrame
    bar_paces: pl.DataFrame
    bar_rates: pl.DataFrame
    marks: pl.DataFrame
    cycles: pl.DataFrame


class Batches:
    """Batches of whole logs; a single one is read once and kept, several are read anew at each turn."""

    def __init__(
        self,
        parsed: Mapping[str, pl.LazyFrame],
        events: pl.DataFrame,
        speaking: pl.DataFrame,
        logs: pl.DataFrame,
        told: pl.DataFrame,
        beside: pl.DataFrame,
    ) -> None:
        self.parsed, self.events, self.logs = parsed, events, logs
        printed = rates.printed(parsed["metrics"]).collect(engine="streaming")
        self.rates = pl.concat([printed, trainer_lines.rates(beside).select(printed.columns)])
        self.by_updates = engines.by_updates(parsed["progress"])
        self.times = engines.times(parsed["metrics"], self.by_updates)
        stated = pl.concat([parsed["facts"].filter(pl.col("source") != "user"), told.lazy()])
        totals = update_counters.totals(stated).collect(engine="streaming")
        self.updates = update_counters.with_lines(totals, trainer_lines.totals(beside))
        alone = speaking.filter(pl.col("leader").is_null())
        self.begun = cycles.begun(parsed["facts"], alone)
        self.alike = alone.filter(~pl.col("is_bar") & (pl.len().over("format") > 1))
        number = (pl.col("rows").cast(pl.Int64).cum_sum() - pl.col("rows").cast(pl.Int64)) // BATCH_ROWS
        self.parts = (
            alone.with_columns(part=number).partition_by("part", include_key=False, maintain_order=True)
            if alone.height
            else []
        )
        self.kept: Batch | None = None

    def __iter__(self) -> Iterator[Batch]:
        for part in self.parts:
            batch = self.kept or self.read(part)
            if len(self.parts) == 1:
                self.kept = batch
            yield batch

    def read(self, speaking: pl.DataFrame) -> Batch:
        ids = speaking["log_id"].implode()
        here = pl.col("log_id").is_in(ids)
        whole = speaking.height == self.logs.height
        progress, clocks = (
            frame if whole else frame.filter(here) for frame in (self.parsed["progress"], self.parsed["clocks"])
        )
        text = speaking.filter(~pl.col("is_bar"))
        events = timeline.keyed(self.events, speaking)
        stamps = timeline.keyed(clocks.collect(), speaking)
        rows = rates.beside(timeline.rows(progress, text).collect(engine="streaming"), self.rates, text)
        rows = timeline.in_order(engines.timed(rows, self.times, text))
        rows = engines.counted(rows, self.by_updates, text)
        again = cycles.repeated(rows, timeline.keyed(self.begun, text), events)
        rows, cuts, turns = self.read_cycles(rows, timeline.cuts(rows, events, text, again), events, text)
        rows = pace.values(
            timeline.in_attempts(rows, cuts), events.filter(pl.col("kind").is_in(["checkpoint", "resume"]))
        )
        marks = copies.marks(rows, cuts, self.alike.join(text, on="log_id", how="semi"))
        spoken, paces, shown, again = self.read_bars(progress, speaking.filter("is_bar"), events)
        return Batch(speaking, rows, cuts, events, stamps, spoken, paces, shown, marks, pl.concat([turns, again]))

    def read_cycles(
        self, rows: pl.DataFrame, cuts: pl.DataFrame, events: pl.DataFrame, speaking: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Rows counted on over the cycles, the cuts that are left, and the turns of counters that started again."""
        again = speaking.join(cuts.filter(pl.col("begun_by") == "counter").select("log"), on="log", how="semi")
        if not again.height:
            return cycles.none(rows), cuts, cycles.EMPTY
        printed = losses.values(self.parsed["metrics"], again).collect(engine="streaming")
        marked = timeline.in_attempts(rows, cuts)
        judged = cycles.judge(cycles.turns(marked, cuts, timeline.keyed(printed, again), events))
        numbered, cuts = cycles.numbered(judged), cycles.merged(cuts, judged)
        return cycles.counted(rows, numbered), cuts, cycles.table(numbered, cuts, speaking)

    def read_bars(
        self, progress: pl.LazyFrame, speaking: pl.DataFrame, events: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        rows = rates.beside(bars.rows(progress, speaking).collect(engine="streaming"), self.rates, speaking)
        rows = bars.turned(timeline.in_order(rows))
        stated = self.updates.join(speaking.select("log_id", "log"), on="log_id").drop("log_id")
        events = events.join(speaking.select("log"), on="log", how="semi")
        resumed = bars.resumes(rows, events, stated)
        rows = bars.without_jumps(rows, resumed)
        turns = bars.turns(rows)
        chosen = bars.spoken_turns(turns, bars.speaking_bars(turns, stated), stated, resumed)
        again, chosen, cycled = bar_cycles.restarted(chosen), bar_cycles.whole(chosen), cycles.EMPTY
        if again.height:
            logs = speaking.join(again, on="log", how="semi")
            printed = timeline.keyed(losses.values(self.parsed["metrics"], logs).collect(engine="streaming"), logs)
            chosen, cycled = bar_cycles.judged(chosen, again, printed, events, speaking)
        return chosen, bars.paced(rows, chosen), bars.rates(rows, chosen), cycled


def attempts_of(batch: Batch) -> pl.DataFrame:
    text = batch.speaking.filter(~pl.col("is_bar"))
    of_text = (
        batch.events.join(text.select("log"), on="log", how="semi"),
        batch.clocks.join(text.select("log"), on="log", how="semi"),
    )
    by_rows = timeline.measure(batch.rows, batch.cuts, *of_text, text)
    by_bars = bars.attempts(batch.bar_turns, batch.bar_paces, batch.clocks, batch.speaking)
    return pl.concat([by_rows, by_bars], how="vertical_relaxed")


def signs_of(batch: Batch) -> pl.DataFrame:
    text = batch.speaking.filter(~pl.col("is_bar"))
    return signs.of_records(batch.rows, batch.events, batch.cuts, text)


def epochs_of(batch: Batch, attempts: pl.DataFrame, headline: pl.DataFrame) -> pl.DataFrame:
    text = batch.speaking.filter(~pl.col("is_bar"))
    by_rows = epochs.measures(batch.rows, batch.cuts, attempts, headline, text)
    by_bars = bars.epoch_measures(batch.bar_turns, batch.bar_paces, batch.speaking)
    return pl.concat([by_rows, by_bars], how="diagonal_relaxed")


def stages_of(batch: Batch, attempts: pl.DataFrame, headline: pl.DataFrame) -> pl.DataFrame:
    rows = update_counters.counted_rows(batch.rows, batch.speaking, attempts, headline)
    rows = rates.held(rows, batch.events, batch.cuts)
    by_bars = batch.bar_rates
    printed = pl.concat(
        plateaus.points(shown, cuts, batch.speaking, attempts, headline)
        for shown, cuts in ((rows, batch.cuts), (by_bars, by_bars.select("aid", "log", "attempt").unique()))
    )
    return stages.table(printed, headline, batch.events)


def members_of(attempts: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """Every log of every run (run_id, log_id), a copy with the first run of the log that it copies."""
    direct = attempts.select("run_id", "log_id").unique()
    first = (
        attempts.sort("log_id", "attempt")
        .unique("log_id", keep="first", maintain_order=True)
        .select("run_id", leader="log_id")
    )
    copies = speaking.filter(pl.col("leader").is_not_null()).join(first, on="leader").select("run_id", "log_id")
    return pl.concat([direct, copies]).unique().sort("run_id", "log_id")


def telemetry(gpu: pl.LazyFrame) -> pl.DataFrame:
    return (
        gpu.group_by("log_id")
        .agg(gpu_util_mean_pct=pl.col("utilization_pct").mean(), power_mean_w=pl.col("power_w").mean())
        .collect(engine="streaming")
    )
