"""Attempts: which rows and which logs are one process lifetime, and which attempts are one run.

Thin on purpose, with one place for each judgement: who speaks (`speakers`), where an attempt begins (`cuts`), what it
did (`measure`), and what belongs to one run (`assign_runs`). Ranks, cycles and console copies in other folders are
not joined yet: an attempt that cannot be joined safely stays a run of its own.
"""

import polars as pl

from ..tables import ATTEMPTS, trains
from . import pace, places
from .stats import product

BARS = ("tqdm",)
NO_TRAINING = ("nvidia_smi", "gpustat", "slurm")
CLOSING = ("early_stop", "restore", "data_ran_out")  # events that belong to what stands before them
KEY_BITS = 40  # lines of one log in a combined (log, line) key
ORDER = ["key", "redraw", "piece"]
ROW_COLUMNS = (
    *("log_id", "line", "redraw", "piece", "format", "phase", "epoch", "iter", "iters_per_epoch", "global_iter"),
    *("iters_planned", "epochs_planned", "s_per_iter", "data_s_per_iter", "eta_s", "memory_mib", "lr", "logged_at"),
    *("samples_seen", "update"),
)


def summarize(progress: pl.LazyFrame) -> pl.LazyFrame:
    """Per log and format: rows, training rows, and the line of the first training row."""
    train = trains() & ~pl.col("format").is_in(BARS)
    return progress.group_by("log_id", "format").agg(
        rows=pl.len(),
        train_rows=train.sum(),
        first_train_line=pl.col("line").filter(train).min(),
    )


def speakers(summary: pl.DataFrame, logs: pl.DataFrame, starts: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """One row per log that speaks or copies: log_id, log (a dense number), format, values_of, leader, and its `places`.

    A text record goes before its JSON copy, that before a bar. `leader` is the log that speaks for a copy, and null
    for a log that speaks itself. `starts` holds one row per `start` event (log_id): a log whose process began and
    printed nothing is an attempt too. `counted` (log_id, format) are text records without a counter whose bar has it:
    there the bar speaks, and `values_of` is the format of these records; else it is that which speaks.
    """
    spoken = summary.filter(~pl.col("format").is_in(NO_TRAINING))
    silent = (
        logs.join(starts.select("log_id").unique(), on="log_id", how="semi")
        .select("log_id", format="formats")
        .explode("format", empty_as_null=True)
        .filter(~pl.col("format").is_in([*BARS, *NO_TRAINING]))
        .join(spoken, on=["log_id", "format"], how="anti")
        .with_columns(rows=pl.lit(0, pl.get_index_type()), train_rows=pl.lit(0, pl.get_index_type()))
        .with_columns(first_train_line=pl.lit(None, pl.Int64))
    )
    ranked = (
        pl.concat([spoken, silent], how="diagonal_relaxed")
        .join(counted, on=["log_id", "format"], how="anti")
        .join(counted.select("log_id", values_of="format"), on="log_id", how="left")
        .with_columns(pl.coalesce("values_of", "format").alias("values_of"))
        .with_columns(is_bar=pl.col("format").is_in(BARS))
        .sort(["log_id", "is_bar", "train_rows", "rows", "format"], descending=[False, False, True, True, False])
        .unique("log_id", keep="first", maintain_order=True)
    )
    placed = ranked.join(places.places(logs), on="log_id").with_columns(is_copy=pl.col("is_copy") & ~pl.col("is_bar"))
    return follow(placed).sort("log_id").with_row_index("log")


def follow(placed: pl.DataFrame) -> pl.DataFrame:
    """`placed` with `leader`: for a JSON copy the log beside it that says the same, null for those that speak.

    Of several text logs in one folder the one with the same stem leads, else the one whose training rows are nearest
    in number. A text log without a training row leaves the word to its JSON copy only where that has some.
    """
    text = placed.filter(~pl.col("is_copy") & ~pl.col("is_bar"))
    copies = placed.filter("is_copy")
    by_text = (
        copies.join(text, on=["folder", "format"], suffix="_text")
        .filter((pl.col("train_rows_text") > 0) | (pl.col("train_rows") == 0))
        .with_columns(
            other_stem=pl.col("stem") != pl.col("stem_text"),
            far=(pl.col("train_rows").cast(pl.Int64) - pl.col("train_rows_text").cast(pl.Int64)).abs(),
        )
        .sort("log_id", "other_stem", "far", "path_text")
        .unique("log_id", keep="first", maintain_order=True)
        .select("log_id", leader="log_id_text")
    )
    first = ["folder", "format", "train_rows", "path"]
    alone = copies.join(by_text, on="log_id", how="anti").sort(first, descending=[False, False, True, False])
    by_copy = alone.select("log_id", leader=pl.col("log_id").first().over("folder", "format"))
    muted = (
        text.filter(pl.col("train_rows") == 0)
        .join(
            by_copy.filter(pl.col("log_id") == pl.col("leader")).rename({"log_id": "_"}),
            left_on="log_id",
            right_on="_",
            how="anti",
        )
        .join(
            alone.filter(pl.col("train_rows") > 0).unique(["folder", "format"], keep="first", maintain_order=True),
            on=["folder", "format"],
            suffix="_json",
        )
        .select("log_id", leader="log_id_json")
    )
    led = pl.concat([by_text, by_copy.filter(pl.col("log_id") != pl.col("leader")), muted])
    return placed.join(led, on="log_id", how="left", validate="1:1")


def rows(progress: pl.LazyFrame, speaking: pl.DataFrame) -> pl.LazyFrame:
    """The rows of the formats that speak, narrow, with `key` = (log, line) as one number to sort and join on."""
    return (
        progress.select(ROW_COLUMNS)
        .with_columns(log=number(speaking))
        .filter(pl.col("log").is_not_null())
        .with_columns(key=key("log", "line"), train=trains(), val=(pl.col("phase") == "val").fill_null(False))
        .with_columns(
            done=pl.coalesce(
                "global_iter", (pl.col("epoch").cast(pl.Int64) - 1) * pl.col("iters_per_epoch") + pl.col("iter")
            )
        )
        .drop("log_id", "format", "global_iter", "phase")
    )


def number(speaking: pl.DataFrame) -> pl.Expr:
    """The dense number of a row's log if the row's format speaks there, else null (a join would lose the order)."""
    found = pl.lit(None, pl.UInt32)
    for (name,), logs in speaking.group_by("format"):
        of_format = pl.col("log_id").replace_strict(logs["log_id"], logs["log"], default=None, return_dtype=pl.UInt32)
        found = pl.when(pl.col("format") == name).then(of_format).otherwise(found)
    return found


def key(log: str, line: str) -> pl.Expr:
    return pl.col(log).cast(pl.Int64) * (1 << KEY_BITS) + pl.col(line)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` by (key, redraw, piece); a frame that is in order already, as parts are written, is not sorted again.

    The columns redraw and piece have served then, and go.
    """
    step, redraw, piece = (pl.col(name).diff() for name in ORDER)
    ahead = (step > 0) | ((step == 0) & ((redraw > 0) | ((redraw == 0) & (piece >= 0))))
    ordered = rows if rows.select(ahead.all()).item() else rows.sort(ORDER)
    return ordered.drop("redraw", "piece")


def keyed(frame: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """Events or clocks of the logs that speak, with `log` and `key`, in order."""
    return frame.join(speaking.select("log_id", "log"), on="log_id").with_columns(key=key("log", "line")).sort("key")


def cuts(rows: pl.DataFrame, events: pl.DataFrame, speaking: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """Where attempts begin: log, begun_by, attempt (1-based in the log), first_line, key, in order.

    At the log's begin (`log`), at each further `start` event (the first one too, if training rows stand before it), and
    where the counter falls back without one: there at the resume event between the two rows (`resume`), else behind
    the last record or closing event before the row (`counter`): what is announced between belongs to what begins.
    `rows` and `events` come from `in_order` and `keyed`; `again` are more rows like those of `falls`.
    """
    begins = speaking.select("log", first_line=pl.lit(1, pl.Int64), begun_by=pl.lit("log"))
    starts = (
        events.filter(pl.col("kind") == "start")
        .join(speaking.select("log", "first_train_line"), on="log")
        .filter(
            (pl.col("line") > pl.col("line").min().over("log"))
            | (pl.col("first_train_line") < pl.col("line")).fill_null(False)
        )
        .select("log", first_line="line", begun_by=pl.lit("start"))
    )
    known = with_key(pl.concat([begins, starts]))
    resumes = events.filter(pl.col("kind") == "resume").select("key", resume_key="key")
    closing = events.filter(pl.col("kind").is_in(CLOSING)).select("key", said="key")
    between = pl.col("resume_key") > pl.col("before")
    fallen = (
        pl.concat([falls(rows, known).select(again.columns), again])
        .sort("key")
        .join_asof(resumes, on="key", check_sortedness=False)
        .join_asof(closing, on="key", check_sortedness=False)
        .join_asof(rows.select("key", printed="key"), on="key", check_sortedness=False, allow_exact_matches=False)
        .with_columns(after=(pl.max_horizontal("said", "printed") % (1 << KEY_BITS)) + 1)
        .select(
            "log",
            first_line=pl.when(between)
            .then(pl.col("resume_key") % (1 << KEY_BITS))
            .otherwise(pl.min_horizontal("after", "line")),
            begun_by=pl.when(between).then(pl.lit("resume")).otherwise(pl.lit("counter")),
        )
    )
    return with_key(pl.concat([begins, starts, fallen]))


def falls(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Training rows before which the counter stood higher in the same attempt of `known`: log, line, key, before.

    The counter is that of the iterations. The epoch counts where no row of the attempt has one, and where the plan
    changes with it: `fit(epochs=8, initial_epoch=5)` behind seven epochs of another length.
    """
    counted = in_attempts(
        rows.lazy()
        .filter(pl.col("train") & (pl.col("done").is_not_null() | pl.col("epoch").is_not_null()))
        .select("key", "log", "line", "done", "epoch", "iters_per_epoch", "epochs_planned")
        .collect(),
        known,
    )
    if counted["done"].null_count():
        uncounted = pl.col("done").is_null().all().over("aid")
        counted = counted.filter(pl.col("done").is_not_null() | uncounted)
    replanned = [pl.col(name) != pl.col(name).shift(1) for name in ("iters_per_epoch", "epochs_planned")]
    by_epoch = (pl.col("epoch").diff() < 0) & (pl.col("done").is_null() | pl.any_horizontal(replanned))
    return counted.with_columns(before=pl.col("key").shift(1)).filter(
        ((pl.col("done").diff() < 0).fill_null(False) | by_epoch.fill_null(False)) & (pl.col("aid").diff() == 0)
    )


def with_key(cuts: pl.DataFrame) -> pl.DataFrame:
    """Distinct cuts in order, with key, aid (a dense number over all logs) and attempt (1-based within the log)."""
    return (
        cuts.unique(["log", "first_line"], keep="first", maintain_order=True)
        .with_columns(key=key("log", "first_line"))
        .sort("key")
        .with_row_index("aid")
        .with_columns(attempt=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("log"))
    )


def in_attempts(frame: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """`frame` (with key, in order) with the `aid` of the attempt that each row stands in."""
    begun = cuts.select("key", "aid").sort("key")
    return frame.hstack(frame.select("key").join_asof(begun, on="key", check_sortedness=False).select("aid"))


def measure(
    rows: pl.DataFrame, cuts: pl.DataFrame, events: pl.DataFrame, clocks: pl.DataFrame, speaking: pl.DataFrame
) -> pl.DataFrame:
    """One row per attempt of the logs in `speaking`, with every aggregate that `runs` needs, without run_id.

    `rows` carry `aid` and the values of `pace.values`; `events` and `clocks` come from `keyed`.
    """
    train = rows.lazy().filter("train")
    records = train.group_by("aid").agg(
        pl.len().cast(pl.Int64).alias("train_records"),
        pl.col("done").drop_nulls().first().alias("first_iter"),
        pl.col("done").max().alias("last_record_iter"),
        pl.col("line").min().alias("first_record_line"),
        pl.col("line").max().alias("last_record_line"),
        pl.coalesce(
            pl.col("iters_per_epoch").filter(pl.col("done").is_not_null()).drop_nulls().last(),
            pl.col("iters_per_epoch").drop_nulls().last(),
        ),
        *(pl.col(name).drop_nulls().last() for name in ("iters_planned", "epochs_planned", "eta_s")),
        pl.col("epoch").min().alias("first_epoch"),
        pl.col("epoch").drop_nulls().last().alias("last_epoch"),
        pl.col("samples_seen").drop_nulls().last(),
        pl.coalesce(pl.col("gap_iters").filter("near").median(), pl.col("gap_iters").median())
        .round()
        .cast(pl.Int64)
        .alias("line_iters"),
        pl.col("gap_s").median().alias("line_s"),
        *pace.aggregates(),
    )
    every = (
        rows.lazy()
        .group_by("aid")
        .agg(
            pl.col("line").max().alias("last_row_line"),
            pl.col("logged_at").min().alias("first_row_at"),
            pl.col("logged_at").max().alias("last_row_at"),
            pl.col("memory_mib").max().alias("memory_peak_mib"),
            pl.col("iters_per_epoch").filter("val").drop_nulls().last().alias("val_iters"),
            pl.col("epoch").filter("val").max().cast(pl.Int64).alias("val_epoch"),
            (~pl.col("train")).sum().cast(pl.Int64).alias("eval_records"),
        )
    )
    happened = (
        in_attempts(events, cuts)
        .lazy()
        .group_by("aid")
        .agg(
            pl.col("line").max().alias("last_event_line"),
            pl.col("logged_at").min().alias("first_event_at"),
            pl.col("logged_at").max().alias("last_event_at"),
            *(
                pl.col(column).filter(pl.col("kind") == kind).max().cast(pl.Int64).alias(f"{kind}_{column}")
                for kind in ("resume", "checkpoint")
                for column in ("epoch", "global_iter")
            ),
        )
    )
    stamps = (
        in_attempts(clocks, cuts)
        .lazy()
        .group_by("aid")
        .agg(
            pl.col("line").max().alias("last_clock_line"),
            pl.col("logged_at").min().alias("first_clock_at"),
            pl.col("logged_at").max().alias("last_clock_at"),
        )
    )
    frame = (
        cuts.lazy()
        .drop("key")
        .join(speaking.lazy().select("log", "log_id", "format", "folder", "parent", "path"), on="log")
    )
    for part in (records, every, happened, stamps):
        frame = frame.join(part, on="aid", how="left")
    per_epoch = pl.col("iters_per_epoch")
    proofs = ["last_record_iter", "checkpoint_iter", product(pl.col("val_epoch"), per_epoch)]
    return (
        frame.with_columns(
            pl.col("train_records").fill_null(0),
            started_at=pl.min_horizontal("first_clock_at", "first_event_at", "first_row_at"),
            ended_at=pl.max_horizontal("last_clock_at", "last_event_at", "last_row_at"),
            last_line=pl.max_horizontal("last_clock_line", "last_event_line", "last_row_line", "first_line"),
            checkpoint_iter=pl.coalesce("checkpoint_global_iter", product(pl.col("checkpoint_epoch"), per_epoch)),
            resume_iter=pl.coalesce(
                pl.when(pl.col("resume_global_iter") > 0).then("resume_global_iter"),
                product(pl.col("resume_epoch"), per_epoch),
            ),
            line_iters=pl.coalesce("line_iters", "first_iter"),
        )
        .with_columns(
            start_iter=pl.coalesce("resume_iter", (pl.col("first_iter") - pl.col("line_iters")).clip(0)),
            last_iter=pl.max_horizontal(proofs),
            rank=pl.lit(None, pl.Int32),
            elapsed_s=pl.lit(None, pl.Float64),
        )
        .with_columns(iters=(pl.col("last_iter") - pl.col("start_iter")).clip(0))
        .select(*MEASURED)
        .collect()
        .sort("log_id", "attempt")
    )


# what an attempt knows before runs are told apart
LATER = ("run_id", "copy_of", "superseded_iters", "final_loss", "nan_losses", "nan_loss_line", "cycles")
MEASURED = [*(name for name in ATTEMPTS.schema if name not in LATER), "folder", "parent", "path"]


def assign_runs(attempts: pl.DataFrame) -> pl.DataFrame:
    """Attempts with `run_id`, `superseded_iters` and `turn` (1-based attempt within the run).

    Within a log an attempt goes on with the run before it, unless the plan changed without a resume, or the one before
    had reached its plan and this one starts over (`cycles` found a new model or plan). Across the time-stamped folders
    of one work directory it does so only if it says that it resumed at an iteration which the log before it, and no
    other, had reached.
    """
    ordered = attempts.sort("log_id", "attempt")
    before = {
        name: pl.col(name).shift(1).over("log_id")
        for name in ("iters_planned", "iters_per_epoch", "last_iter", "line_iters", "format")
    }
    resumed = pl.col("resume_iter").is_not_null()
    new_plan = (pl.col("iters_planned") != before["iters_planned"]) | (
        pl.col("iters_per_epoch") != before["iters_per_epoch"]
    )
    was_done = before["last_iter"] > before["iters_planned"] - before["line_iters"].fill_null(1)
    other = pl.col("begun_by").is_in(["anew", "plan"])
    starts_over = (new_plan.fill_null(False) | was_done.fill_null(False) | other.fill_null(False)) & ~resumed
    begins = (pl.col("attempt") == 1) | starts_over | (pl.col("format") != before["format"]).fill_null(False)
    ordered = ordered.with_columns(piece=begins.cum_sum().over("log_id"))
    pieces = ordered.group_by("log_id", "piece", maintain_order=True).agg(
        pl.col("parent", "folder", "format", "path", "started_at", "first_line", "resume_iter").first(),
        pl.col("iters_planned", "iters_per_epoch").drop_nulls().last(),
        pl.col("start_iter").min().alias("from_iter"),
        pl.col("last_iter").max(),
        pl.col("train_records").sum(),
    )
    chain = pieces.filter((pl.col("train_records") > 0) & (pl.col("format") == "mmengine")).sort(
        "parent", "started_at", "path", "piece"
    )
    same_plan = (pl.col("iters_planned") == pl.col("iters_planned").shift(1)).fill_null(True)
    linked = (
        (pl.col("parent") == pl.col("parent").shift(1))
        & (pl.col("folder") != pl.col("folder").shift(1))
        & pl.col("folder").str.split("/").list.last().str.contains(places.STAMP)
        & (pl.col("started_at") > pl.col("started_at").shift(1))
        & pl.col("resume_iter").is_between(pl.col("from_iter").shift(1) + 1, pl.col("last_iter").shift(1))
        & same_plan
    ).fill_null(False)
    identity = pl.format("{}-{}", "log_id", "first_line")
    chain = chain.with_columns(group=(~linked).cum_sum()).with_columns(run_id=identity.first().over("group"))
    pieces = pieces.join(chain.select("log_id", "piece", "run_id"), on=["log_id", "piece"], how="left").select(
        "log_id", "piece", run_id=pl.coalesce("run_id", identity)
    )
    joined = (
        ordered.join(pieces, on=["log_id", "piece"])
        .with_columns(log_started=pl.col("started_at").min().over("run_id", "log_id"))
        .sort("run_id", "log_started", "log_id", "attempt", nulls_last=True)
    )
    later_start = pl.col("start_iter").reverse().cum_min().reverse().shift(-1).over("run_id")
    redone = (pl.col("last_iter") - pl.max_horizontal(later_start, "start_iter")).clip(0)
    return joined.with_columns(
        superseded_iters=pl.when(pl.col("last_iter").is_null())
        .then(None)
        .when(later_start.is_null())
        .then(0)
        .otherwise(redone),
        turn=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("run_id"),
    ).drop("piece", "log_started")
