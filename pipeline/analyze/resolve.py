"""What the logs and the user state about a run: one value per name, with its source, and where statements disagree."""

import polars as pl

NUMBERS = (
    *("num_samples", "val_samples", "batch_size", "world_size", "grad_accum", "gpus_visible", "epochs_planned"),
    *("iters_planned", "iters_per_epoch", "val_iters", "sequence_parallel", "drop_last", "round_up", "sampler_batch"),
    "cycles_planned",
)
TEXTS = ("gpu_name", "sampler", "counter", "planned_in", "job_id", "array_task", "host", "experiment")
# names of a configuration that the counting needs, and what they are called here
DOTTED = {
    "train_dataloader.sampler.per_device_batch_size": "sampler_batch",
    "train_dataloader.sampler.round_up": "round_up",
    "sampler_window": "sampler_batch",
    "sampler_round_up": "round_up",
}
# numbers that only the counting of claims asks for
CLAIMED = (
    *("raw_samples", "repeats", "cycles", "updates_planned", "updates_per_epoch"),
    *("total_batch_size", "auto_scale_batch"),
)
# a dumped optimizer wrapper that sets no accumulation has the default
WRAPPER = "optim_wrapper."
NAMES = tuple(dict.fromkeys([*NUMBERS, *TEXTS, *DOTTED, *CLAIMED]))
RANK = {"user": 0, "log": 1, "config": 2}


def statements(facts: pl.LazyFrame) -> pl.LazyFrame:
    """The facts that the analysis reads, out of all those that a configuration dump gives: pushed down to the scan."""
    return facts.filter(pl.col("name").is_in(NAMES) | pl.col("name").str.starts_with(WRAPPER))


def of_runs(facts: pl.DataFrame, attempts: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Each statement beside the run that it is about: run_id, turn, name, text, number, source, log_id, line.

    A statement with a line belongs to the attempt whose lines hold it, one without (the user's) to every run of the
    log. `members` (run_id, log_id) adds what stands in copies. `true` and `false` count as 1 and 0.
    """
    text = pl.col("value").str.strip_chars(" '\"")
    known = facts.with_columns(
        name=pl.col("name").replace(DOTTED),
        text=text,
        number=pl.coalesce(
            "number",
            text.str.to_lowercase().replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64),
        ),
    )
    columns = ["run_id", "turn", "name", "text", "number", "source", "log_id", "line"]
    return beside_runs(known, attempts, members).select(columns)


def beside_runs(known: pl.DataFrame, attempts: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Rows of logs (log_id, line) with the run_id and turn that they belong to; see `of_runs`."""
    spans = attempts.select("run_id", "turn", "log_id", "first_line").sort("log_id", "first_line")
    lined = (
        known.filter(pl.col("line").is_not_null())
        .sort("log_id", "line")
        .join_asof(spans, left_on="line", right_on="first_line", by="log_id", check_sortedness=False)
        .filter(pl.col("run_id").is_not_null())
    )
    every = members.join(attempts.group_by("run_id").agg(pl.col("turn").max()), on="run_id")
    told = known.filter(pl.col("line").is_null()).join(every, on="log_id")
    copied = (
        known.filter(pl.col("line").is_not_null())
        .join(members, on="log_id")
        .join(attempts.select("log_id").unique(), on="log_id", how="anti")
        .with_columns(turn=pl.lit(1, pl.Int32))
    )
    columns = ["run_id", "turn", *known.columns]
    return pl.concat([part.select(columns) for part in (lined, told, copied)])


def chosen(stated: pl.DataFrame) -> pl.DataFrame:
    """One row per run and name: what counts (text, number), its source, log_id and line, and `torn`.

    The user goes before the log, the log before the configuration. Between attempts the last one counts. Two
    values from one source in one attempt leave both null: `torn`, never "the first wins".
    """
    best = stated.with_columns(rank=pl.col("source").replace_strict(RANK, default=9, return_dtype=pl.Int8)).filter(
        pl.col("rank") == pl.col("rank").min().over("run_id", "name")
    )
    best = best.filter(pl.col("turn") == pl.col("turn").max().over("run_id", "name"))
    torn = pl.col("said").n_unique() > 1
    return (
        best.with_columns(said=said())
        .sort("run_id", "name", "log_id", "line")
        .group_by("run_id", "name", maintain_order=True)
        .agg(
            pl.when(~torn).then(pl.col("text").first()).alias("text"),
            pl.when(~torn).then(pl.col("number").first()).alias("number"),
            pl.col("source", "log_id", "line").first(),
            torn.alias("torn"),
        )
    )


def said() -> pl.Expr:
    """What a statement says, so that 8, 8.0 and "8" are one."""
    return pl.coalesce(pl.col("number").cast(pl.String), "text")


def conflicts(stated: pl.DataFrame) -> pl.DataFrame:
    """Pairs of statements of one attempt that differ: run_id, name, and text, source, log_id, line of `a` and `b`.

    `a` is the stronger (user, log, config), at equal strength the earlier. What the user says holds for every attempt.
    """
    ranked = (
        stated.with_columns(rank=pl.col("source").replace_strict(RANK, default=9, return_dtype=pl.Int8), said=said())
        .filter(pl.col("said").n_unique().over("run_id", "name") > 1)
        .sort("run_id", "name", "rank", "turn", "log_id", "line")
        .unique(["run_id", "name", "turn", "source", "said"], keep="first", maintain_order=True)
    )
    first = ranked.unique(["run_id", "name", "turn"], keep="first", maintain_order=True)
    same_attempt = first.join(ranked, on=["run_id", "name", "turn"], suffix="_b").filter(
        pl.col("said") != pl.col("said_b")
    )
    user = ranked.filter(pl.col("source") == "user").unique(["run_id", "name"], keep="first", maintain_order=True)
    against_user = user.join(ranked.filter(pl.col("source") != "user"), on=["run_id", "name"], suffix="_b").filter(
        pl.col("said") != pl.col("said_b")
    )
    columns = ["run_id", "name", "text", "source", "log_id", "line", "text_b", "source_b", "log_id_b", "line_b"]
    return (
        pl.concat([same_attempt.select(columns), against_user.select(columns)])
        .unique()
        .sort("run_id", "name", "source", "line", "source_b", "line_b", "text_b")
    )


def wide(chosen: pl.DataFrame, run_ids: pl.DataFrame) -> pl.DataFrame:
    """One row per run of `run_ids` (run_id): each name as a column with `<name>_from`, `_log`, `_line`, and `dumped`.

    Numbers are f64 (whole numbers are cast where they are used), texts str; null where nothing clear is said.
    """
    frame = run_ids.select("run_id")
    for name in dict.fromkeys([*NUMBERS, *TEXTS]):
        value = pl.col("text") if name in TEXTS else pl.col("number")
        one = chosen.filter(pl.col("name") == name).select(
            "run_id",
            value.alias(name),
            pl.when(value.is_not_null()).then("source").alias(f"{name}_from"),
            pl.col("log_id").alias(f"{name}_log"),
            pl.col("line").alias(f"{name}_line"),
            pl.col("torn").alias(f"{name}_torn"),
        )
        frame = frame.join(one, on="run_id", how="left")
    dumped = chosen.filter((pl.col("source") == "config") & pl.col("name").str.starts_with(WRAPPER))
    return frame.join(dumped.select("run_id", dumped=True).unique(), on="run_id", how="left").with_columns(
        pl.col("dumped").fill_null(False)
    )
