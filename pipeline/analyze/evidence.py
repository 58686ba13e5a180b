"""Evidence: all that logs and user claim of each run's counts, one row a claim, in columns.

A claim keeps the line that it stands on. Claims need not agree: which of them hold is the counting's to say. What one
source states twice and differently in one attempt is none: nobody can tell which was meant.
"""

import polars as pl

from . import resolve, timeline, trainer_lines, update_counters
from .claims import NAMES
from .stats import ceil_div

COLUMNS = ["run_id", "name", "low", "high", "source", "log_id", "line", "text"]
SCHEMA = pl.Schema({name: pl.Int64 if name in ("low", "high", "line") else pl.String for name in COLUMNS})
MOST = 2**53
BARS_SPEAK = pl.col("format").is_in(timeline.BARS)
RECORDED = ("run_id", "turn", "log_id", "first_record_line")
TOTALS = ("iters_per_epoch", "iters_planned", "epochs_planned")


def claims(
    stated: pl.DataFrame, attempts: pl.DataFrame, signs: pl.DataFrame, lengths: pl.DataFrame, runs: pl.DataFrame
) -> pl.DataFrame:
    """The claims of every run, distinct, in order: run_id, name, low, high, source, log_id, line, text (of signs only).

    `stated` from `resolve.of_runs`; `attempts` with run_id and turn; `signs` (`signs.COLUMNS`) and `lengths`
    (`trainer_lines.epoch_lengths`) beside run_id and turn; `runs` from `runs.assembled`.
    """
    said = of_statements(stated)
    told = [said, printed(attempts, runs), of_bars(attempts, stated), defaults(runs), scaled(stated, said), signs]
    told += [of_header(stated), of_samples(runs), of_cycles(runs), trainer_lines.claims(lengths, said)]
    wanted = {**SCHEMA, "turn": pl.Int64}
    every = pl.concat(
        [
            frame.select(
                pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name)
                for name, dtype in wanted.items()
            )
            for frame in told
        ]
    )
    user = pl.col("source") == "user"
    latest = user | pl.col("turn").is_null() | (pl.col("turn") == pl.col("turn").max().over("run_id", "name", user))
    order = pl.col("name").replace_strict({name: k for k, name in enumerate(NAMES)}, default=99, return_dtype=pl.Int8)
    strength = pl.col("source").replace_strict(resolve.RANK, default=9, return_dtype=pl.Int8)
    torn = pl.col("source").is_in(["log", "config"]) & (pl.col("low").n_unique().over("run_id", "name", "source") > 1)
    copy = ~pl.col("log_id").is_in(attempts["log_id"].implode())
    return (
        every.filter(latest)
        .filter(~torn & pl.col("low").is_between(0, MOST) & pl.col("high").is_between(pl.col("low"), MOST))
        .sort("run_id", order, strength, "source", copy, "log_id", "line", "low", nulls_last=True)
        .unique(["run_id", "name", "low", "high", "source"], keep="first", maintain_order=True)
        .with_columns(log_id=pl.when(pl.col("source") != "user").then("log_id"))  # no log says what the user does
        .select(COLUMNS)
    )


def of_statements(stated: pl.DataFrame) -> pl.DataFrame:
    """What facts and the user state: of several attempts the last that says it.

    A configured number of updates overrules the configured epochs (Hugging Face Trainer's max_steps, 4.20 to 5.x), and
    those that the Trainer's header derives from it.
    """
    number = pl.col("number")
    least = pl.when(pl.col("name") == "drop_last").then(0.0).otherwise(1.0)
    known = stated.filter(
        pl.col("name").is_in(NAMES) & (number >= least) & (number < MOST) & (number == number.floor())
    )
    user = pl.col("source") == "user"
    last = known.filter(user | (pl.col("turn") == pl.col("turn").max().over("run_id", "name", user)))
    configured = last.filter((pl.col("name") == "updates_planned") & (pl.col("source") == "config"))
    told = stated.filter((pl.col("name") == "planned_in") & (pl.col("text") == "updates"))
    capped = pl.concat([configured.select("run_id"), told.select("run_id")])
    of_header = capped.join(trainers(stated), on="run_id", how="semi")
    derived = [
        (pl.col("source") == source) & pl.col("run_id").is_in(of_runs["run_id"].implode())
        for source, of_runs in (("config", capped), ("log", of_header))
    ]
    return last.filter((pl.col("name") != "epochs_planned") | ~pl.any_horizontal(derived)).select(
        "run_id", "turn", "name", "source", "log_id", "line", low=number.cast(pl.Int64), high=number.cast(pl.Int64)
    )


def printed(attempts: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Totals that the records print, of the last attempt that prints them. A counter of samples prints none."""
    of_samples = runs.filter(pl.col("counter") == "samples").select("run_id")
    records = attempts.filter(~BARS_SPEAK).join(of_samples, on="run_id", how="anti")
    epochs = attempts.filter(~BARS_SPEAK).join(of_samples, on="run_id", how="semi").select(*RECORDED, "epochs_planned")
    return totals(pl.concat([records.select(*RECORDED, *TOTALS), epochs], how="diagonal"))


def totals(records: pl.DataFrame) -> pl.DataFrame:
    """Columns of attempts as claims, each from the last attempt that has it."""
    names = [name for name in records.columns if name not in RECORDED]
    long = records.with_columns(pl.col(names).cast(pl.Int64)).unpivot(
        names, index=list(RECORDED), variable_name="name", value_name="low"
    )
    known = long.filter(pl.col("low") > 0)
    return known.filter(pl.col("turn") == pl.col("turn").max().over("run_id", "name")).select(
        "run_id", "turn", "name", "log_id", source=pl.lit("log"), line="first_record_line", low="low", high="low"
    )


def of_bars(attempts: pl.DataFrame, stated: pl.DataFrame) -> pl.DataFrame:
    """What a bar's total is: the updates where it counts them (`update_counters`), the samples where the log states as
    many of them, the iterations of an epoch where the bar begins anew with each epoch, else those of the whole run."""
    bars = attempts.filter(BARS_SPEAK & (pl.col("iters_per_epoch") > 0)).rename({"iters_per_epoch": "total"})
    samples = stated.filter(pl.col("name") == "num_samples").select(
        "run_id", total=pl.col("number").cast(pl.Int64, strict=False)
    )
    of_samples = bars.join(samples, on=["run_id", "total"], how="semi").select("run_id", of_samples=True).unique()
    bars = bars.join(of_samples, on="run_id", how="left")
    anew = (pl.col("last_epoch") > 1) | pl.col("epochs_planned").is_not_null()
    kind = (
        pl.when(update_counters.NO_EPOCH)
        .then(pl.lit("updates_planned"))
        .when(pl.col("of_samples").fill_null(False))
        .then(pl.lit("num_samples"))
        .when(anew)
        .then(pl.lit("iters_per_epoch"))
        .otherwise(pl.lit("iters_planned"))
    )
    of_totals = bars.select(
        "run_id", "turn", "log_id", name=kind, source=pl.lit("log"), line="first_record_line", low="total", high="total"
    )
    of_epochs = totals(bars.select(*RECORDED, "epochs_planned"))
    return pl.concat([of_totals, of_epochs.select(of_totals.columns)])


def defaults(runs: pl.DataFrame) -> pl.DataFrame:
    """What mmengine does where its dumped configuration sets nothing: accumulation 1, and torch's loader keeps the last
    batch (0.1.0 to 0.10.7)."""
    silent = {
        "grad_accum": (1, pl.col("grad_accum_default"), "the configuration sets no accumulation"),
        "drop_last": (
            0,
            pl.col("dumped") & pl.col("drop_last_from").is_null() & (pl.col("format") == "mmengine"),
            "the configuration does not set drop_last",
        ),
    }
    return pl.concat(
        [
            runs.filter(unsaid.fill_null(False)).select(
                "run_id",
                name=pl.lit(name),
                low=pl.lit(value, pl.Int64),
                high=pl.lit(value, pl.Int64),
                source=pl.lit("default"),
                text=pl.lit(text),
            )
            for name, (value, unsaid, text) in silent.items()
        ]
    )


def of_cycles(runs: pl.DataFrame) -> pl.DataFrame:
    """Turns of an outer loop: those that the log plans, else those that were seen to begin."""
    planned = runs.filter(pl.col("cycles_planned") > 0).select(
        "run_id",
        name=pl.lit("cycles"),
        low="cycles_planned",
        high="cycles_planned",
        source="cycles_planned_from",
        log_id="cycles_planned_log",
        line="cycles_planned_line",
        text=pl.lit(None, pl.String),
    )
    counted = runs.filter((pl.col("cycles") > 1) & pl.col("cycles_planned").is_null()).select(
        "run_id",
        name=pl.lit("cycles"),
        low=pl.col("cycles").cast(pl.Int64),
        high=pl.col("cycles").cast(pl.Int64),
        source=pl.lit("counted"),
        log_id="first_log",
        line=pl.lit(None, pl.Int64),
        text=pl.lit("the epoch counter starts again while the model goes on"),
    )
    return pl.concat([planned, counted])


def of_samples(runs: pl.DataFrame) -> pl.DataFrame:
    """Iterations of an epoch where the counter counts samples: ⌈samples / batch size⌉, the last one smaller."""
    counted = runs.filter((pl.col("samples_per_epoch") > 0) & (pl.col("batch_size") > 0))
    iters = ceil_div(pl.col("samples_per_epoch"), pl.col("batch_size"))
    return counted.select(
        "run_id",
        name=pl.lit("iters_per_epoch"),
        low=iters,
        high=iters,
        source=pl.lit("counted"),
        log_id="batch_size_log",
        line="batch_size_line",
        text=pl.lit("the counter counts samples, and grows by the batch size"),
    )


def scaled(stated: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """Ranks from mmengine's `the current batch size is W·B` (Runner.scale_lr, 0.1.0 to 0.10.7) where B is stated."""
    per_rank = said.filter((pl.col("name") == "batch_size") & (pl.col("low").n_unique().over("run_id", "name") == 1))
    both = stated.filter((pl.col("name") == "auto_scale_batch") & (pl.col("number") > 0)).join(
        per_rank.select("run_id", batch="low").unique(), on="run_id"
    )
    whole = pl.col("number").cast(pl.Int64, strict=False)
    ranks = both.filter(whole % pl.col("batch") == 0)
    return ranks.select(
        "run_id",
        "turn",
        "log_id",
        "line",
        name=pl.lit("world_size"),
        source=pl.lit("log"),
        low=whole // pl.col("batch"),
        high=whole // pl.col("batch"),
    )


def trainers(stated: pl.DataFrame) -> pl.DataFrame:
    """Runs whose log has the header of the Hugging Face Trainer: run_id, trainer."""
    printed = stated.filter(pl.col("source") == "log").group_by("run_id").agg("name")
    header = pl.all_horizontal(pl.col("name").list.contains(name) for name in ("updates_planned", "total_batch_size"))
    return printed.filter(header).select("run_id", trainer=pl.lit(True))


def of_header(stated: pl.DataFrame) -> pl.DataFrame:
    """Samples per update from `Total train batch size (w. parallel, distributed & accumulation)`. Elsewhere a total
    batch size may or may not count accumulation."""
    total = stated.filter((pl.col("name") == "total_batch_size") & (pl.col("source") == "log") & (pl.col("number") > 0))
    whole = pl.col("number").cast(pl.Int64, strict=False)
    return total.join(trainers(stated), on="run_id", how="semi").select(
        "run_id", "turn", "log_id", "line", source=pl.lit("log"), name=pl.lit("global_batch"), low=whole, high=whole
    )


def frameworks(runs: pl.DataFrame, stated: pl.DataFrame) -> pl.DataFrame:
    """The framework and the sampler's class of each run: run_id, framework, sampler.

    Of a bar the framework is not known, unless the log has the header of the Hugging Face Trainer. xtuner is known by
    its sampler; the version that its log prints is mmengine's, and left out.
    """
    known = runs.select("run_id", "format", "sampler").join(trainers(stated), on="run_id", how="left")
    return known.select(
        "run_id",
        framework=pl.when(pl.col("sampler").str.starts_with("xtuner."))
        .then(pl.lit("xtuner"))
        .when(~pl.col("format").is_in(timeline.BARS))
        .then("format")
        .when(pl.col("trainer"))
        .then(pl.lit("huggingface")),
        sampler=pl.col("sampler").str.split(".").list.last(),
    )


def with_texts(claims: pl.DataFrame, sources: pl.LazyFrame) -> pl.DataFrame:
    """Claims with the words that they stand in, where `sources` (log_id, line, text) has the line."""
    cited = claims.lazy().select("log_id", "line").drop_nulls().unique()
    lines = sources.join(cited, on=["log_id", "line"], how="semi").select("log_id", "line", words="text")
    one = lines.unique(["log_id", "line"], keep="first").collect()
    joined = claims.join(one, on=["log_id", "line"], how="left", maintain_order="left")
    return joined.with_columns(text=pl.coalesce("text", pl.col("words").str.strip_chars())).drop("words")
