"""Tables → pages: `index` over all runs and `page` for one. Pure; what a number looks like is in words.py.

Every number that can be unknown is shown as `?` with a footnote that names it; every `*_from` is a footnote that says
where the number comes from, with path:line and the text of that line where a log shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import polars as pl

from . import words
from .model import Block, Bullets, Code, Link, Note, Paragraph, Phrase, Picture, Report, Section, Strong, Table, phrase
from .overview import Overview, Row, RunLine, best, place, run_line

LONGEST_EPOCH_TABLE = 40
LONGEST_LIST = 30

LEGEND = (
    "? = the log does not say · – = none seen · wall without the gap between attempts · GPU-h = counted ranks × wall"
)

_MEANINGS = {
    "num_samples": "how many samples the training set has",
    "batch_size": "how many samples a rank sees per iteration",
    "grad_accum": "how many iterations make one update",
    "world_size": "how many ranks (processes sharing the data) trained",
    "iters_per_epoch": "how many iterations an epoch has",
    "iters_planned": "how many iterations were planned",
    "updates_done": "how many updates were made",
    "s_per_iter": "how long an iteration took",
    "wall_s": "how long the run took",
    "samples_per_hour": "how many samples were seen in what time",
}
_CAN_BE_SET = ("num_samples", "batch_size", "grad_accum", "world_size")


@dataclass(frozen=True, eq=False)
class RunTables:
    """What one page is made of: the run's row of `runs`, and its rows of the other tables with all their columns.

    `findings` and `epochs` are in order (below). `facts` holds only the facts that a page cites; `heads`
    (log_id, line, iters_per_epoch, iters_planned) is the first training record of each log that printed these totals.
    """

    run: Row
    findings: Sequence[Row] = ()
    epochs: Sequence[Row] = ()
    logs: Sequence[Row] = ()
    facts: Sequence[Row] = ()
    sources: Sequence[Row] = ()
    heads: Sequence[Row] = ()


def findings_in_order(findings: pl.DataFrame) -> pl.DataFrame:
    """The worst first; within a severity as the log has them."""
    rank = pl.col("severity").replace_strict(list(words.SEVERITY_MARKS), [0, 1, 2], default=3, return_dtype=pl.Int64)
    return findings.sort("run_id", rank, "line", nulls_last=True)


def epochs_in_order(epochs: pl.DataFrame) -> pl.DataFrame:
    """Epochs as they were run, with `updates_before` and `updates_upto`, the run's updates before and after each.

    These are null where they are not certain: an epoch with unknown updates, or more than one attempt, which may have
    done an epoch twice.
    """
    updates = pl.col("updates")
    certain = (updates.null_count() == 0).and_(pl.col("attempt").n_unique() == 1).over("run_id")
    upto = pl.when(certain).then(updates.cum_sum().over("run_id"))
    return epochs.sort("run_id", "cycle", "attempt", "epoch", "first_iter", nulls_last=True).with_columns(
        upto.alias("updates_upto"), (upto - updates).alias("updates_before")
    )


# ── the page of one run ──────────────────────────────────────────────────────────────────────────────────────────────


def page(tables: RunTables, pictures: tuple[Picture, ...] = (), *, without_pictures: str = "") -> Report:
    """The page of one run. `without_pictures` says why there are none, where there are none."""
    cite = Citations(tables)
    sections = (
        _state(tables),
        _counting(tables.run, cite),
        _meanings(tables.run, cite),
        _epochs(tables.epochs),
        _time(tables.run),
        _plots(pictures, without_pictures),
        _limits(tables.run),
    )
    return Report(
        title=_title(tables.run),
        lead=(_headline(tables.run, cite), *_needs(tables, cite)),
        sections=tuple(section for section in sections if section.blocks),
    )


class Citations:
    """Footnotes of one page: where a number comes from, and the line of the log that shows it."""

    def __init__(self, tables: RunTables) -> None:
        self._run = tables.run
        self._paths = {log["log_id"]: log["path"] for log in tables.logs}
        self._texts: dict[tuple[str | None, int | None], str] = {}
        for source in tables.sources:
            self._texts.setdefault((source["log_id"], source["line"]), source["text"])
        self._facts: dict[str, list[Row]] = {}
        for fact in tables.facts:
            self._facts.setdefault(fact["name"], []).append(fact)
        self._heads = sorted(tables.heads, key=lambda head: (head["log_id"], head["line"]))

    def number(self, name: str) -> Note:
        """The footnote of the run's number `name`: its source, or that nobody says it."""
        value = self._run[name]
        if value is None:
            return Note(_unknown(name))
        origin = self._run.get(f"{name}_from")
        said = words.SOURCES.get(origin or "", "")
        line = phrase(", ") if said else ()
        fact = self._fact(name, value, origin)
        if fact is not None and fact["source"] != "user":
            shown = self.line(fact["log_id"], fact["line"])
            return Note(
                phrase(said, line, shown) if shown else phrase(said or words.SOURCES.get(fact["source"], "stated"))
            )
        if origin == "log":
            head = next((head for head in self._heads if head.get(name) == value), None)
            if head is not None:
                return Note(phrase(said, line, self.line(head["log_id"], head["line"])))
        return Note(phrase(said or "the tables do not say where this number comes from"))

    def line(self, log_id: str | None, line: int | None) -> Phrase:
        """path:line and the line's text, as far as they are known."""
        path = self._paths.get(log_id or "")
        if not path:
            return ()
        text = self._texts.get((log_id, line))
        return phrase(Code(place(path, line)), *((" ", Code(text)) if text else ()))

    def where(self, log_id: str | None, line: int | None) -> Phrase:
        """path:line with the line's text as a footnote."""
        path = self._paths.get(log_id or "")
        if not path:
            return ()
        text = self._texts.get((log_id, line))
        return phrase(Code(place(path, line)), Note(self.line(log_id, line)) if text else None)

    def _fact(self, name: str, value: float, origin: str | None) -> Row | None:
        same = [fact for fact in self._facts.get(name, []) if fact["number"] is None or fact["number"] == value]
        fitting = [fact for fact in same if origin is None or fact["source"] == origin]
        return min(fitting, key=lambda fact: (fact["line"] is None, fact["line"] or 0), default=None)


def _unknown(name: str) -> Phrase:
    said = f"The log does not say {_MEANINGS[name]}."
    return phrase(said, *((" Add it with ", Code(f"--set {name}=…"), ".") if name in _CAN_BE_SET else ()))


def _title(run: Row) -> str:
    name, took = words.one_line(run["name"] or run["run_id"], 120), words.duration(run["wall_s"])
    line = run_line(run)
    share = "" if line.progress_fraction is None else f", {words.fraction(line.progress_fraction)} done"
    match run["state"]:
        case "finished":
            return f"{name}: finished in {took}"
        case "running":
            return f"{name}: running{share}"
        case "failed" | "stalled" | "interrupted" as state:
            return f"{name}: {state} at {_of(line)}"
        case _:
            return f"{name}: state unknown, {_of(line)}"


def _of(line: RunLine) -> str:
    done, planned = line.progress.split("/")
    return f"{done} of {planned} {line.progress_unit}s"


def _headline(run: Row, cite: Citations) -> Block:
    line = run_line(run)
    beside = run["epochs_done"] is not None and line.progress_unit == "iteration"
    done = _of(line) + (f" ({words.plural(run['epochs_done'], 'epoch')})" if beside else "")
    batch = " of " + words.plural(run["global_batch"], "sample") if run["global_batch"] is not None else ""
    return Paragraph(
        phrase(
            Strong(done),
            cite.number("iters_planned"),
            " · ",
            Strong(f"{words.number(run['s_per_iter'])} s/iter"),
            cite.number("s_per_iter"),
            " · ",
            Strong(f"{words.number(run['samples_per_hour'])} samples/hour"),
            cite.number("samples_per_hour"),
            " · ",
            Strong(f"{words.plural(run['updates_done'], 'update')}{batch}"),
            cite.number("updates_done"),
            " · ",
            Strong(f"final loss {words.NONE_SEEN if run['final_loss'] is None else words.loss(run['final_loss'])}"),
            "" if best(run) == words.NONE_SEEN else f" · best {best(run)}",
        )
    )


def _needs(tables: RunTables, cite: Citations) -> tuple[Block, ...]:
    if not tables.findings:
        return ()
    rows = tuple(
        (
            phrase(words.SEVERITY_MARKS.get(finding["severity"], "~")),
            phrase(finding["message"] or finding["code"]),
            phrase(finding["advice"] or ""),
            cite.where(finding["log_id"], finding["line"]),
        )
        for finding in tables.findings
    )
    return (Table(("", "what needs you", "what to do", "where"), "llll", rows),)


def _state(tables: RunTables) -> Section:
    run = tables.run
    mark = words.STATE_MARKS.get(run["state"] or "unknown", "?")
    ended = {"ended by": (run["ended_by"] or "").replace("_", " ")} if run["ended_by"] else {}
    fields: dict[str, str | Phrase] = {
        "state": f"{mark} {run['state'] or 'unknown'}" + (f": {run['state_reason']}" if run["state_reason"] else ""),
        **ended,
        "started": words.moment(run["started_at"]),
        "last sign of life": words.moment(run["ended_at"]),
        "attempts": words.count(run["attempts"]),
        "format": run["format"] or words.UNKNOWN,
    }
    if run["state"] == "running":
        fields["to go"] = f"{words.duration(run['eta_s'])}, until {words.moment(run['finish_at'])}"
    optional = {
        "experiment": run["experiment"],
        "owner": run["owner"],
        "job": _joined(run["job_id"], run["array_task"]),
        "hosts": words.listed(run["hosts"] or []),
        "GPUs visible": _joined(run["gpus_visible"], run["gpu_name"], by=" × "),
    }
    fields |= {name: value for name, value in optional.items() if value}
    if run["best_metric"] is not None:
        direction = {"min": " (lower is better)", "max": " (higher is better)"}.get(run["best_direction"] or "", "")
        fields["best"] = best(run) + direction
    paths = run["log_paths"] or []
    fields["logs"] = _codes(paths)
    rows = tuple((phrase(name), phrase(value)) for name, value in fields.items())
    return Section("State", (Table(("", ""), "ll", rows),))


def _counting(run: Row, cite: Citations) -> Section:
    """How the counts come about, as far as plain arithmetic carries. The derivation that weighs samplers, repeated data
    and ranks against each other is the counting engine's; it replaces the sentences of `_epoch_step`.
    """
    steps = (
        phrase(
            Strong(words.plural(run["num_samples"], "sample")),
            cite.number("num_samples"),
            ", ",
            Strong(words.plural(run["world_size"], "rank")),
            cite.number("world_size"),
            ", micro-batch ",
            Strong(words.count(run["batch_size"])),
            cite.number("batch_size"),
            ", accumulation ",
            Strong(words.count(run["grad_accum"])),
            cite.number("grad_accum"),
            ".",
        ),
        phrase(
            Strong(words.plural(run["iters_per_epoch"], "iteration") + " an epoch"),
            cite.number("iters_per_epoch"),
            ". ",
            _epoch_step(run),
        ),
        phrase(
            Strong(words.plural(run["iters_planned"], "iteration") + " planned"),
            cite.number("iters_planned"),
            ", ",
            f"{words.count(run['iters_done'])} done. ",
            _total_step(run),
        ),
        phrase(
            Strong(words.plural(run["updates_done"], "update") + " made"),
            cite.number("updates_done"),
            ". ",
            _update_step(run),
        ),
    )
    return Section("How the iteration count comes about", (Bullets(steps, numbered=True),))


def _epoch_step(run: Row) -> str:
    samples, batch, ranks, iters = run["num_samples"], run["batch_size"], run["world_size"], run["iters_per_epoch"]
    if not batch or not ranks:
        return ""
    shared = f"({words.count(batch)} × {words.plural(ranks, 'rank')})"
    if samples is None:
        if iters is None:
            return ""
        return (
            f"With full batches that is {words.count(iters)} × {shared} = {words.count(iters * batch * ranks)} samples."
        )
    per_rank = ceil(samples / ranks)
    kept, dropped = ceil(per_rank / batch), samples // ranks // batch
    quotient = f"{words.count(samples)} / {shared} = {words.number(samples / (batch * ranks), 6)}"
    if iters is None:
        return f"By plain division: {quotient}" + (f", so {kept:,} or {dropped:,}." if kept != dropped else ".")
    if iters == kept == dropped:
        return f"{quotient}."
    if iters == kept:
        return f"{quotient}, rounded up: the last, smaller batch is used."
    if iters == dropped:
        return f"{quotient}, rounded down: the last, smaller batch is dropped."
    more = iters - kept
    return (
        f"Plain division gives {quotient}; the log counts {words.count(abs(more))} {'more' if more > 0 else 'fewer'}. "
        "A sampler that fills up, repeated or filtered data, or another number of ranks make such a difference."
    )


def _total_step(run: Row) -> str:
    iters, planned, epochs = run["iters_per_epoch"], run["iters_planned"], run["epochs_planned"]
    if not iters or planned is None:
        return ""
    if epochs is None:
        return f"{words.count(planned)} / {words.count(iters)} = {words.plural(planned / iters, 'epoch')}."
    product = f"{words.count(iters)} × {words.plural(epochs, 'epoch')} = {words.count(iters * epochs)}"
    if iters * epochs == planned:
        return f"{product}."
    return f"{product}, not {words.count(planned)}: the plan is not a whole number of these epochs."


def _update_step(run: Row) -> str:
    iters, accumulated, updates = run["iters_done"], run["grad_accum"], run["updates_done"]
    if iters is None or not accumulated:
        return "" if iters is None else f"Without accumulation it would be {words.plural(iters, 'update')}."
    quotient = f"{words.count(iters)} / {words.count(accumulated)} = {words.number(iters / accumulated, 8)}"
    per_epoch = "" if run["updates_per_epoch"] is None else f", {words.count(run['updates_per_epoch'])} an epoch"
    left = iters % accumulated
    if not left:
        return f"{quotient}{per_epoch}, no window left over."
    outcome = ""
    if updates is not None:
        outcome = " made an update too" if updates > iters // accumulated else " made none"
    return f"{quotient}{per_epoch}; the last {words.plural(left, 'iteration')}{outcome or ' were left over'}."


def _meanings(run: Row, cite: Citations) -> Section:
    accumulated = run["grad_accum"]
    every = "?" if accumulated is None else "each" if accumulated == 1 else f"every {words.count(accumulated)}"
    iteration = "iteration" if accumulated == 1 else "iterations"
    epoch = f"{words.plural(run['iters_per_epoch'], 'iteration')}: {_pass(run)}"
    rows = (
        (
            phrase("Iter"),
            phrase("forward and backward pass of one micro-batch on each rank"),
            phrase(words.count(run["iters_done"])),
        ),
        (
            phrase("Update"),
            phrase(f"optimizer step, after {every} {iteration}"),
            phrase(words.count(run["updates_done"])),
        ),
        (phrase("Epoch"), phrase(epoch), phrase(words.count(run["epochs_done"]))),
    )
    return Section(
        "What the words mean here",
        (Table(("word", "meaning", "this run"), "llr", rows), Paragraph(_layers(run, cite))),
    )


def _pass(run: Row) -> str:
    samples, batch, ranks, iters = run["num_samples"], run["batch_size"], run["world_size"], run["iters_per_epoch"]
    if samples is None:
        return "one turn of the training loop"
    again = 0
    if batch == 1 and ranks and iters:  # only with whole batches is the number of drawn samples certain
        again = iters * ranks - samples
    if 0 < again <= samples:
        return f"{words.plural(samples, 'sample')} once, {words.count(again)} of them twice"
    return f"one pass over {words.plural(samples, 'sample')}"


def _layers(run: Row, cite: Citations) -> Phrase:
    batch, accumulated, ranks = run["batch_size"], run["grad_accum"], run["world_size"]
    per_rank = None if batch is None or accumulated is None else batch * accumulated
    visible = run["gpus_visible"]
    return phrase(
        "micro-batch ",
        Strong(words.count(batch)),
        f" → × accumulation {words.count(accumulated)} = ",
        Strong(words.count(per_rank)),
        f" per rank → × {words.plural(ranks, 'rank')} = ",
        Strong(words.plural(run["global_batch"], "sample") + " per update"),
        cite.number("grad_accum") if accumulated is None else None,
        f" ({words.plural(visible, 'GPU')} visible)" if visible is not None and visible != ranks else None,
    )


def _epochs(epochs: Sequence[Row]) -> Section:
    if not epochs:
        return Section("Epochs", ())
    shown, skipped = epochs, 0
    if len(epochs) > LONGEST_EPOCH_TABLE:
        half = LONGEST_EPOCH_TABLE // 2
        shown, skipped = (*epochs[:half], *epochs[-half:]), len(epochs) - 2 * half
    columns = [
        ("cycle", "cycle", "r", lambda row: words.count(row["cycle"])),
        ("attempt", "attempt", "r", lambda row: words.count(row["attempt"])),
        ("epoch", "epoch", "r", lambda row: words.count(row["epoch"])),
        ("iterations", "iters", "l", _iteration_span),
        ("updates", "updates", "l", _update_span),
        ("train time", "train_s", "r", lambda row: words.duration(row["train_s"])),
        ("validation", "val_s", "r", lambda row: words.duration(row["val_s"])),
        ("s/iter", "s_per_iter", "r", lambda row: words.measured(row["s_per_iter"])),
        ("samples/hour", "samples_per_hour", "r", lambda row: words.number(row["samples_per_hour"])),
        ("learning rate", "lr_first", "l", _lr_span),
    ]
    always = {"epoch", "iters", "updates", "train_s"}
    kept = [column for column in columns if column[1] in always or any(row[column[1]] is not None for row in epochs)]
    if len({row["attempt"] for row in epochs} - {None}) < 2:
        kept = [column for column in kept if column[1] != "attempt"]
    rows = [tuple(phrase(show(row)) for _, _, _, show in kept) for row in shown]
    if skipped:
        rows.insert(LONGEST_EPOCH_TABLE // 2, tuple(phrase("…") for _ in kept))
    table = Table(tuple(title for title, *_ in kept), "".join(align for _, _, align, _ in kept), tuple(rows))
    note = (Paragraph(phrase(f"… {words.plural(skipped, 'epoch')} between them: table ", Code("epochs"), ".")),)
    return Section("Epochs", (table, *(note if skipped else ())))


def _iteration_span(row: Row) -> str:
    if row["first_iter"] is None or row["last_iter"] is None:
        return words.count(row["iters"])
    span = f"{words.count(row['first_iter'])}–{words.count(row['last_iter'])}"
    whole = row["last_iter"] - row["first_iter"] + 1
    return span if row["iters"] in (None, whole) else f"{span} ({words.count(row['iters'])} done)"


def _update_span(row: Row) -> str:
    before, upto = row["updates_before"], row["updates_upto"]
    if (
        before is None
        or upto is None
        or not (float(before).is_integer() and float(upto).is_integer())
        or upto <= before
    ):
        return words.count(row["updates"])
    return words.count(upto) if upto == before + 1 else f"{words.count(before + 1)}–{words.count(upto)}"


def _lr_span(row: Row) -> str:
    first, last = row["lr_first"], row["lr_last"]
    if first is None or last is None or first == last:
        return words.UNKNOWN if first is None and last is None else f"{first if last is None else last:.3g}"
    return f"{first:.3g} → {last:.3g}"


def _time(run: Row) -> Section:
    wall, training = run["wall_s"], run["train_s"]
    pace = words.UNKNOWN if training is None else _from(run, "s_per_iter")
    span = "" if run["started_at"] is None or run["ended_at"] is None else f", {_clock_span(run)}"
    gaps = " (without the gaps between attempts)" if (run["attempts"] or 1) > 1 else ""
    rows: list[tuple[str, Phrase, Phrase]] = [
        (f"wall clock{span}{gaps}", phrase(Strong(_with_hours(wall))), phrase(_from(run, "wall_s"))),
        (
            "training" + _training_product(run),
            phrase(_share(training, wall)),
            phrase(pace),
        ),
    ]
    if wall is not None and training is not None and training <= wall:
        rest = phrase(_share(wall - training, wall))
        rows.append(("the rest: start, validation, checkpoints", rest, phrase("difference")))
    samples = run["samples_done"]
    drawn = "" if samples is None else f", {words.plural(samples, 'sample')} over wall clock"
    held = None if run["gpu_hours_held"] == run["gpu_hours"] else run["gpu_hours_held"]
    rows += [
        (
            f"samples/hour{drawn}",
            phrase(Strong(words.number(run["samples_per_hour"])), _each(run["samples_per_hour"])),
            phrase(_from(run, "samples_per_hour")),
        ),
        (
            "samples/hour while training",
            phrase(words.number(run["train_samples_per_hour"])),
            phrase("batch × ranks × 3,600 / s/iter"),
        ),
        ("seconds per iteration, median", phrase(_pace(run)), phrase(_from(run, "s_per_iter"))),
    ]
    rows += [
        (name, phrase(value), phrase(source))
        for name, known, value, source in (
            ("seconds per iteration, mean", run["s_per_iter_mean"], words.number(run["s_per_iter_mean"]), ""),
            ("seconds per iteration, 95th percentile", run["s_per_iter_p95"], words.number(run["s_per_iter_p95"]), ""),
            (
                "waiting for data",
                run["data_wait_fraction"],
                words.fraction(run["data_wait_fraction"]),
                "share of an iteration",
            ),
            ("GPU-hours", run["gpu_hours"], words.number(run["gpu_hours"]), "counted ranks × wall clock"),
            ("GPU-hours if all visible GPUs were held", held, words.number(run["gpu_hours_held"]), ""),
            ("memory, highest printed", run["memory_peak_mib"], words.mebibytes(run["memory_peak_mib"]), "log"),
            (
                "GPU utilisation, mean",
                run["gpu_util_mean_pct"],
                f"{words.number(run['gpu_util_mean_pct'])} %",
                "telemetry",
            ),
            ("power, mean", run["power_mean_w"], f"{words.number(run['power_mean_w'])} W", "telemetry"),
        )
        if known is not None
    ]
    table = Table(("", "", "from"), "lrl", tuple((phrase(name), value, source) for name, value, source in rows))
    return Section("Time and throughput", (table,))


def _clock_span(run: Row) -> str:
    started, ended = run["started_at"], run["ended_at"]
    if started.date() == ended.date():
        return f"{started:%Y-%m-%d %H:%M} → {ended:%H:%M}"
    return f"{words.moment(started)} → {words.moment(ended)}"


def _training_product(run: Row) -> str:
    if run["iters_done"] is None or run["s_per_iter"] is None or run["train_s"] is None:
        return ""
    product = run["iters_done"] * run["s_per_iter"]
    if abs(product - run["train_s"]) > 0.005 * run["train_s"]:
        return ""
    return f", {words.count(run['iters_done'])} × {words.number(run['s_per_iter'])} s"


def _with_hours(seconds: float | None) -> str:
    text = words.duration(seconds)
    return text if seconds is None or seconds < 3600 else f"{text} ({words.hours(seconds)})"


def _share(seconds: float | None, wall: float | None) -> str:
    text = words.duration(seconds)
    return text if seconds is None or not wall else f"{text} ({words.fraction(seconds / wall)})"


def _each(per_hour: float | None) -> str:
    return f" ({words.number(3600 / per_hour)} s each)" if per_hour else ""


def _pace(run: Row) -> str:
    low, high, values = run["s_per_iter_lo"], run["s_per_iter_hi"], run["s_per_iter_n"]
    details = []
    if low is not None and high is not None and words.number(low) != words.number(high):
        details.append(f"{words.number(low)}–{words.number(high)}")
    if values:
        details.append(f"{words.plural(values, 'value')}")
    return words.number(run["s_per_iter"]) + (f" ({', '.join(details)})" if details else "")


def _from(run: Row, name: str) -> str:
    return words.UNKNOWN if run[name] is None else words.SOURCES.get(run[f"{name}_from"] or "", words.UNKNOWN)


def _plots(pictures: tuple[Picture, ...], without: str) -> Section:
    return Section("Plots", pictures or ((Paragraph(phrase(without)),) if without else ()))


def _limits(run: Row) -> Section:
    missing = [name for name in _CAN_BE_SET if run[name] is None]
    items = [phrase(caveat) for caveat in run["caveats"] or []]
    for name in missing:
        if not any(caveat.startswith(name) for caveat in run["caveats"] or []):
            items.append(_unknown(name))
    return Section("What this page cannot know", (Bullets(tuple(items)),) if items else ())


# ── the page over all runs ───────────────────────────────────────────────────────────────────────────────────────────


def index(
    seen: Overview,
    links: Mapping[str, str],
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    others: int = 0,
) -> Report:
    """The page over all runs; `links` gives each run_id its page, `others` counts runs outside the window."""
    total = len(seen.runs)
    lead: list[Block] = [
        Paragraph(phrase(_counts(seen), f" As of {words.moment(now)}.", _window(since, until, others)))
    ]
    sections = (
        Section("Needs a look", _looks(seen, links)),
        Section("Runs", (_runs(seen, links), Paragraph(phrase(LEGEND))) if total else ()),
        Section("Not said by the logs", _not_said(seen, links)),
        Section("Not understood", _unread(seen)),
        Section("Left out unopened", _left_out(seen)),
    )
    if not total:
        lead.append(Paragraph(phrase("No training run was found.")))
    return Report(
        f"{words.plural(total, 'training run')}", tuple(lead), tuple(section for section in sections if section.blocks)
    )


def _counts(seen: Overview) -> str:
    states = ", ".join(f"{number:,} {state}" for state, number in seen.states)
    return (
        f"{words.plural(len(seen.runs), 'run')}{f' ({states})' if states else ''} in {words.plural(seen.logs, 'log')}."
    )


def _window(since: datetime | None, until: datetime | None, others: int) -> str:
    if since is None and until is None:
        return ""
    start = f" from {words.moment(since)}" if since else ""
    end = f" until {words.moment(until)}" if until else ""
    return f" Only runs that were active{start}{end}; {words.plural(others, 'other run')} not shown."


def _looks(seen: Overview, links: Mapping[str, str]) -> tuple[Block, ...]:
    if not seen.looks:
        return ()
    rows = tuple(
        (
            phrase(words.SEVERITY_MARKS.get(look.severity, "~")),
            _run_link(look.run_id, look.run, links),
            phrase(look.message),
            phrase(look.advice),
            phrase(Code(look.where) if look.where else None),
        )
        for look in seen.looks
    )
    return (Table(("", "run", "what", "what to do", "where"), "lllll", rows),)


def _runs(seen: Overview, links: Mapping[str, str]) -> Table:
    headers = ("run", "state", "progress", "", "s/iter", "samples/hour", "updates", "wall", "GPU-h", "best")
    rows = tuple(
        (
            _run_link(line.run_id, line.run, links),
            phrase(f"{words.STATE_MARKS.get(line.state, '?')} {line.state}"),
            phrase(line.progress),
            phrase("" if line.progress_fraction is None else words.fraction(line.progress_fraction)),
            phrase(words.measured(line.s_per_iter)),
            phrase(words.number(line.samples_per_hour)),
            phrase(words.count(line.updates_done)),
            phrase(words.short_duration(line.wall_s)),
            phrase(words.number(line.gpu_hours)),
            phrase(line.best),
        )
        for line in seen.runs
    )
    return Table(headers, "llrrrrrrrl", rows)


def _not_said(seen: Overview, links: Mapping[str, str]) -> tuple[Block, ...]:
    lacking = [line for line in seen.runs if line.missing]
    if not lacking:
        return ()
    summary = " · ".join(f"{words.FIELD_NAMES[name]}: {words.plural(runs, 'run')}" for name, runs in seen.missing)
    rows = tuple(
        (_run_link(line.run_id, line.run, links), phrase(Code(" ".join(f"--set {name}=…" for name in line.missing))))
        for line in lacking[:LONGEST_LIST]
    )
    return (
        Paragraph(phrase(summary)),
        Table(("run", "fill in"), "ll", rows),
        *_more(len(lacking) - LONGEST_LIST, "runs"),
    )


def _unread(seen: Overview) -> tuple[Block, ...]:
    items = tuple(
        phrase(
            Code(log.path),
            f": {log.status}, {log.said()}",
        )
        for log in seen.unread[:LONGEST_LIST]
    )
    return (Bullets(items), *_more(len(seen.unread) - LONGEST_LIST, "logs")) if items else ()


def _left_out(seen: Overview) -> tuple[Block, ...]:
    items = tuple(phrase(text) for text in seen.left_out[:LONGEST_LIST])
    return (Bullets(items), *_more(len(seen.left_out) - LONGEST_LIST, "logs")) if items else ()


def _more(more: int, table: str) -> tuple[Block, ...]:
    return (Paragraph(phrase(f"… and {more:,} more: table ", Code(table), ".")),) if more > 0 else ()


def _run_link(run_id: str, name: str, links: Mapping[str, str]) -> Phrase:
    target = links.get(run_id)
    return phrase(Link(name, target) if target else name)


def _codes(texts: list[str]) -> Phrase:
    parts: list[Phrase] = [
        phrase(", " if place else None, Code(text)) for place, text in enumerate(texts[:LONGEST_LIST])
    ]
    more = len(texts) - LONGEST_LIST
    return phrase(*parts, f" and {more:,} more" if more > 0 else None)


def _joined(*parts: str | int | None, by: str = "_") -> str:
    return by.join(str(part) for part in parts if part not in (None, ""))
