"""Batch sizes compared: runs of one experiment that differ in their batch size, and what a larger batch brought.

Who is compared with whom: runs of one format with equal ranks, GPU and number of samples (unknown equals unknown) that
1. are of one experiment (a folder, or what the user calls so), or
2. whose experiment or name is the same but for the batch size in it (`meld_b32` and `meld_b128`), or
3. state the same settings throughout, at least FEWEST_EQUAL of them, but for the batch size and what follows from it.

What else differs within such a group is named, not hidden. Throughput is that of one rank, batch_size / s_per_iter: it
needs no number of ranks, and within a group they are equal. Nothing here is a prediction but the two lines.
"""

import polars as pl

from ..tables import SCALING
from .stats import line, ratio
from .words import brief, grouped

PAYS = 0.2
"""A doubling of the batch that brings less than this share more samples a second does not pay."""
FEWEST_EQUAL = 5
MOST_ALIKE = 1000
"""Runs whose settings are compared with each other; where more are left alone, they stay alone."""
MOST_NAMED = 12
LONGEST_VALUE = 40

OUT_OF_MEMORY = "out_of_memory"
ALIKE = ["format", "world_size", "gpu_name", "num_samples"]
FROM_BATCH = (
    r"(?i)(batch|^bs$|samples_per_gpu|iters|iterations|^(num_|total_|max_|warmup_)?steps?|updates|instantaneous"
    r"|total_samples|memory)"
)
"""Settings, and measures, that follow from the batch size."""
OF_A_PROCESS = (
    r"(?i)(dir|path|file|folder|output|save|name|^exp|experiment|host|port|url|time|date|stamp|job|task|^id$|_id$|rank"
    r"|pid|resume|address|^gpus?$|device|command|log)"
)
"""Settings that name a process or a place: they differ between any two runs."""


def table(runs: pl.DataFrame, facts: pl.LazyFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Rows of SCALING: one per run of each group with at least two batch sizes.

    runs: as in RUNS. facts: log_id, name, value of all that is stated. members: run_id, log_id.
    """
    able = runs.filter(
        pl.col("batch_size").is_not_null() & (pl.col("s_per_iter").is_not_null() | failed_by_memory())
    ).select(
        *("run_id", "name", "experiment", *ALIKE, "batch_size", "s_per_iter", "iters_per_epoch"),
        memory_mib="memory_peak_mib",
        fits=~failed_by_memory(),
    )
    grouped = groups(able, settings(facts), members)
    if grouped.is_empty():
        return SCALING.empty()
    measured = grouped.with_columns(rank_samples_per_s=ratio(pl.col("batch_size"), pl.col("s_per_iter")))
    fitted = measured.group_by("group").agg(
        *line(pl.col("batch_size"), pl.col("memory_mib"), "memory"),
        *line(pl.col("batch_size"), pl.col("s_per_iter"), "iter"),
        fails_batch=pl.col("batch_size").filter(~pl.col("fits")).min(),
    )
    other = pl.concat([different_settings(measured, settings(facts), members), different_data(measured)])
    differs = other.sort("group", "text").group_by("group", maintain_order=True).agg(pl.col("text").alias("differs"))
    climbed = steps(measured)
    smallest = climbed.group_by("group").agg(pl.col("at").first().alias("smallest"))
    return (
        measured.join(fitted, on="group")
        .join(climbed.drop("at"), on=["group", "batch_size"], how="left")
        .join(smallest, on="group", how="left")
        .join(knees(climbed), on="group", how="left")
        .join(differs, on="group", how="left")
        .select(
            *("run_id", "group", "experiment", "batch_size", "world_size", "s_per_iter", "rank_samples_per_s"),
            samples_per_s=pl.col("rank_samples_per_s") * pl.col("world_size"),
            relative_throughput=ratio(pl.col("rank_samples_per_s"), pl.col("smallest")),
            **{name: pl.col(name) for name in ("step_from", "step_gain", "step_efficiency", "doubling_gain")},
            memory_mib="memory_mib",
            memory_base_mib="memory_base",
            memory_mib_per_sample="memory_slope",
            memory_residual_mib="memory_residual",
            memory_points="memory_points",
            iter_base_s="iter_base",
            iter_s_per_sample="iter_slope",
            iter_residual_s="iter_residual",
            iter_points="iter_points",
            fits="fits",
            knee_batch="knee_batch",
            fails_batch="fails_batch",
            differs=pl.col("differs").fill_null(pl.lit([], pl.List(pl.String))),
        )
        .sort("experiment", "group", "batch_size", "run_id")
    )


def failed_by_memory() -> pl.Expr:
    return pl.col("ended_by").eq(OUT_OF_MEMORY).fill_null(False)


# ── who is compared ──────────────────────────────────────────────────────────────────────────────────────────────────


def groups(runs: pl.DataFrame, settings: pl.LazyFrame, members: pl.DataFrame) -> pl.DataFrame:
    """`runs` that are compared, with `group` (run_id of its first run) and `experiment` as the group is called."""
    found: list[pl.DataFrame] = []
    left = runs
    for ways in (by_experiment, by_family):
        taken = several(ways(left))
        found.append(taken)
        left = left.join(taken, on="run_id", how="anti")
    if several(left.with_columns(key=pl.lit(""))).height and left.height <= MOST_ALIKE:
        found.append(several(by_settings(left, settings, members)))
    named = pl.concat(found).sort("batch_size", "run_id")
    identity = ["key", *ALIKE]
    return named.with_columns(group=pl.col("run_id").first().over(identity), experiment="key").drop("key", "name")


def several(keyed: pl.DataFrame) -> pl.DataFrame:
    """The rows whose `key`, with equal facts beside it, has several batch sizes."""
    return keyed.filter(pl.col("key").is_not_null(), pl.col("batch_size").n_unique().over("key", *ALIKE) > 1)


def by_experiment(runs: pl.DataFrame) -> pl.DataFrame:
    return runs.with_columns(key="experiment")


def by_family(runs: pl.DataFrame) -> pl.DataFrame:
    """`key`: the experiment, else the name, with `*` for its batch size; null where neither holds it as a number."""
    starred = runs.with_columns(pl.col("experiment", "name").name.suffix("_whole"))
    for column in ("experiment", "name"):
        parts = (
            starred.select("run_id", "batch_size", part=pl.col(column).str.extract_all(r"\d+|\D+"))
            .explode("part", empty_as_null=True)
            .with_columns(is_batch=pl.col("part").str.strip_chars_start("0") == pl.col("batch_size").cast(pl.String))
            .group_by("run_id", maintain_order=True)
            .agg(
                pl.when(pl.col("is_batch").any())
                .then(pl.when("is_batch").then(pl.lit("*")).otherwise("part").str.join(""))
                .alias(f"{column}_starred")
            )
        )
        starred = starred.join(parts, on="run_id", how="left")
    return starred.with_columns(key=pl.coalesce("experiment_starred", "name_starred")).select(*runs.columns, "key")


def settings(facts: pl.LazyFrame) -> pl.LazyFrame:
    """log_id, name, value of settings that say how a run was set up, without those that follow from its batch size or
    name a place."""
    leaf = pl.col("name").str.extract(r"([^.]+)$")
    return facts.filter(~leaf.str.contains(FROM_BATCH) & ~leaf.str.contains(OF_A_PROCESS)).select(
        "log_id", "name", pl.col("value").str.slice(0, 200)
    )


def by_settings(runs: pl.DataFrame, settings: pl.LazyFrame, members: pl.DataFrame) -> pl.DataFrame:
    """`key`: what the run is called whose settings are the same throughout, with its own settings' number."""
    logs = members.join(runs.select("run_id"), on="run_id", how="semi")
    said = (
        settings.join(logs.lazy(), on="log_id")
        .select("run_id", setting=pl.concat_str("name", pl.lit("\x00"), pl.col("value").fill_null("")))
        .unique()
        .group_by("run_id")
        .agg(pl.col("setting").sort().str.join("\x01"), pl.len().alias("count"))
        .filter(pl.col("count") >= FEWEST_EQUAL)
        .collect()
    )
    alike = pl.format("like {}", pl.col("name").sort_by("batch_size", "name").first().over("setting", *ALIKE))
    keyed = runs.join(said, on="run_id", how="left").with_columns(
        key=pl.when(pl.col("setting").is_not_null()).then(alike)
    )
    return keyed.select(*runs.columns, "key")


# ── what differs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def different_settings(grouped: pl.DataFrame, settings: pl.LazyFrame, members: pl.DataFrame) -> pl.DataFrame:
    """group, text: settings with several values in a group, with their values, the first MOST_NAMED by name."""
    logs = members.join(grouped.select("run_id", "group"), on="run_id")
    value = pl.col("value").fill_null("").str.slice(0, LONGEST_VALUE)
    return (
        settings.join(logs.lazy(), on="log_id")
        .group_by("group", "name")
        .agg(value.unique().sort().alias("values"))
        .filter(pl.col("values").list.len() > 1)
        .sort("group", pl.col("name").str.contains(".", literal=True), "name")
        .group_by("group", maintain_order=True)
        .head(MOST_NAMED)
        .select("group", text=pl.format("{}: {}", "name", pl.col("values").list.head(4).list.join(", ")))
        .collect()
    )


def different_data(grouped: pl.DataFrame) -> pl.DataFrame:
    """group, text: where iterations and batch size cannot be of one number of samples, last batch kept or dropped."""
    iters, batch = pl.col("iters_per_epoch"), pl.col("batch_size")
    least = ((iters - 1) * batch + 1).max()
    most = ((iters + 1) * batch - 1).min()
    return (
        grouped.group_by("group")
        .agg(apart=least > most, fewest=(iters * batch).min(), largest=(iters * batch).max())
        .filter("apart")
        .select("group", text=pl.format("samples of a rank and epoch: {} to {}", "fewest", "largest"))
    )


# ── what a larger batch brought ──────────────────────────────────────────────────────────────────────────────────────


def steps(measured: pl.DataFrame) -> pl.DataFrame:
    """Per group and batch size with a pace, smallest first: `at` (samples/s of a rank, the median of its runs), and the
    step up to it: step_from (the batch before), step_gain (throughput over that before), step_efficiency (that over the
    growth of the batch) and doubling_gain (the share that each doubling within the step brought)."""
    sizes = (
        measured.filter(pl.col("rank_samples_per_s").is_not_null())
        .group_by("group", "batch_size")
        .agg(at=pl.col("rank_samples_per_s").median())
        .sort("group", "batch_size")
        .with_columns(step_from=pl.col("batch_size").shift(1).over("group"), before=pl.col("at").shift(1).over("group"))
    )
    growth = pl.col("batch_size") / pl.col("step_from")
    gain = ratio(pl.col("at"), pl.col("before"))
    return sizes.with_columns(
        step_gain=gain, step_efficiency=gain / growth, doubling_gain=gain ** (1 / growth.log(2)) - 1
    ).drop("before")


def knees(climbed: pl.DataFrame) -> pl.DataFrame:
    """group, knee_batch: the batch from which the next measured step does not pay; only groups that have one."""
    return (
        climbed.filter(pl.col("doubling_gain") < PAYS)
        .sort("group", "batch_size")
        .group_by("group", maintain_order=True)
        .agg(knee_batch=pl.col("step_from").first())
    )


# ── findings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def findings(compared: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Rows of FINDINGS: per group, the newest run with a batch size beside which a larger one was measured that pays.

    compared: SCALING. runs: run_id, started_at, first_log.
    """
    measured = compared.filter(pl.col("rank_samples_per_s").is_not_null(), "fits").join(
        runs.select("run_id", "started_at", "first_log"), on="run_id"
    )
    best = (
        measured.sort("group", "rank_samples_per_s", "batch_size")
        .group_by("group", maintain_order=True)
        .agg(pl.col("batch_size", "rank_samples_per_s", "memory_mib").last().name.prefix("best_"))
    )
    newest = (
        measured.join(best, on="group")
        .with_columns(times=ratio(pl.col("best_rank_samples_per_s"), pl.col("rank_samples_per_s")))
        .filter(pl.col("best_batch_size") > pl.col("batch_size"), pl.col("times") >= 1 + PAYS)
        .sort("group", "started_at", "batch_size", descending=[False, True, False], nulls_last=True)
        .unique("group", keep="first", maintain_order=True)
    )
    needed = pl.format(", in {} GiB of memory", (pl.col("best_memory_mib") / 1024).round(1))
    return newest.select(
        "run_id",
        code=pl.lit("larger_batch_pays"),
        severity=pl.lit("info"),
        message=pl.format(
            "batch size {} trains {} samples/s a rank; batch size {} was measured at {} ({} times as many){}",
            grouped(pl.col("batch_size")),
            brief(pl.col("rank_samples_per_s")),
            grouped(pl.col("best_batch_size")),
            brief(pl.col("best_rank_samples_per_s")),
            pl.col("times").round(2),
            needed.fill_null(""),
        ),
        advice=pl.lit(
            "Take the larger batch, or accumulate less, if the training bears it: an update that sees more samples may "
            "want another learning rate."
        ),
        log_id="first_log",
        line=pl.lit(None, pl.Int64),
    )
