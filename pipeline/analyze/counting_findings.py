"""What the counting finds: claims that do not hold, samples drawn twice or left out, iterations without an update.

Everything rests on the verdict on a run's claims: `claims` and `explanations` are the tables of these names.
"""

import polars as pl

from . import raw_samples
from .findings import COLUMNS, SPOKEN, rows, shown
from .stats import product
from .words import brief, grouped

MUCH = 0.01  # of an epoch: a share of samples that is worth a warning
NAMED = {
    "num_samples": "samples_low",
    "epochs_planned": "epochs",
    **{
        name: name
        for name in (
            *("batch_size", "grad_accum", "world_size", "repeats", "iters_per_epoch", "iters_planned", "cycles"),
            *("updates_per_epoch", "updates_planned", "global_batch"),
        )
    },
}
"""Claimed quantity → column of `explanations` that has its number."""
WORDS = SPOKEN | {
    "raw_samples": "raw samples",
    "repeats": "repeats of the data set",
    "drop_last": "dropping the last batch",
    "cycles": "cycles",
    "updates_per_epoch": "updates per epoch",
    "updates_planned": "updates in all",
    "global_batch": "samples per update",
    "sampler_batch": "samples that the sampler fills up to",
}
WITNESSES = ("iters_per_epoch", "iters_planned", "updates_planned", "num_samples")
"""Lines that show best what the run counted."""
LOOK = "Look at how the counts come about (trainqc explain), and take back what does not hold."


def table(runs: pl.DataFrame, claims: pl.DataFrame, explanations: pl.DataFrame, stated: pl.DataFrame) -> pl.DataFrame:
    """All findings of the counting. `runs` from `runs.headline`, `stated` from `resolve.of_runs`."""
    agreed = of_fits(explanations)
    return pl.concat(
        [
            contradicted(claims, explanations, runs),
            unexplained(claims, explanations),
            padded(agreed, claims),
            undivided(agreed, claims),
            without_update(agreed, claims),
            changed(stated),
            raw_samples.findings(claims, runs),
        ]
    ).select(COLUMNS)


def of_fits(explanations: pl.DataFrame) -> pl.DataFrame:
    """One row per run whose claims stand: each number on which all its explanations agree that are not far-fetched."""
    names = [
        *("samples_low", "samples_high", "batch_size", "world_size", "grad_accum", "iters_per_epoch", "iters_planned"),
        *("updates_per_epoch", "updates_planned", "padded_samples_per_epoch", "dropped_samples_per_epoch"),
    ]
    near = explanations.filter(pl.col("fits") & ~pl.col("far") & pl.col("verdict").is_in(["consistent", "ambiguous"]))
    return near.group_by("run_id", maintain_order=True).agg(
        *(pl.when(pl.col(name).n_unique() == 1).then(pl.col(name).first()).alias(name) for name in names),
        pl.col("updates_rule").first(),
    )


def at(claims: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The line of each run (run_id, log_id, line) that shows the first of these quantities that has one."""
    order = {name: place for place, name in enumerate(names)}
    lines = claims.filter(pl.col("name").is_in(names) & pl.col("line").is_not_null())
    return (
        lines.sort("run_id", pl.col("name").replace_strict(order, return_dtype=pl.Int8), maintain_order=True)
        .unique("run_id", keep="first", maintain_order=True)
        .select("run_id", "log_id", "line")
    )


def contradicted(claims: pl.DataFrame, explanations: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """What is claimed and does not hold if everything else does."""
    best = explanations.filter((pl.col("position") == 1) & (pl.col("verdict") == "contradicted"))
    gone = claims.filter(~pl.col("holds")).unique(["run_id", "name"], keep="first", maintain_order=True)
    instead = pl.coalesce(
        pl.when(pl.col("name") == name).then(pl.col(column).cast(pl.Float64)) for name, column in NAMED.items()
    )
    known = gone.join(best, on="run_id").with_columns(instead=instead)
    stands = claims.filter(pl.col("holds"))
    beside = at(stands, *WITNESSES).rename({"log_id": "other_log", "line": "other_line"})
    same = (
        stands.filter(pl.col("line").is_not_null())
        .unique(["run_id", "name"], keep="first", maintain_order=True)
        .select("run_id", "name", same_log="log_id", same_line="line", same_source="source")
    )
    known = (
        known.join(beside, on="run_id", how="left")
        .join(same, on=["run_id", "name"], how="left")
        .join(runs.select("run_id", "first_log"), on="run_id", how="left")
        .with_columns(
            text=pl.when(pl.col("name") == "drop_last")
            .then(pl.when(pl.col("low") == 1).then(pl.lit("yes")).otherwise(pl.lit("no")))
            .when(pl.col("low") == pl.col("high"))
            .then(grouped(pl.col("low")))
            .otherwise(pl.format("{} to {}", grouped(pl.col("low")), grouped(pl.col("high"))))
        )
        .with_columns(
            shown_line=pl.coalesce("line", "same_line", "other_line"),
            shown_log=pl.when(pl.col("line").is_not_null())
            .then("log_id")
            .when(pl.col("same_line").is_not_null())
            .then("same_log")
            .when(pl.col("other_line").is_not_null())
            .then("other_log")
            .otherwise("first_log"),
        )
    )
    what = pl.col("name").replace(WORDS)
    said = shown("text", "source", "line")
    counts = pl.format("{} iterations an epoch", grouped(pl.col("iters_per_epoch")))
    per_update = pl.when((pl.col("world_size") > 0) & (pl.col("low") == pl.col("high"))).then(
        product(pl.col("global_batch") // pl.col("world_size"), pl.col("low"))
    )
    of_ranks = pl.when(pl.col("name") == "world_size").then(
        pl.format(
            "{}: {}, counted {}: an update has {} samples, not {}",
            what,
            said,
            brief(pl.col("instead")),
            grouped(pl.col("global_batch")),
            grouped(per_update),
        )
    )
    drawn = product(pl.col("iters_per_epoch"), pl.col("batch_size"), pl.col("world_size"))
    of_samples = pl.when(pl.col("name") == "num_samples").then(
        pl.format("{}: {}, but an epoch draws {} ({})", what, said, grouped(drawn), counts)
    )
    of_dropping = pl.when(pl.col("name") == "drop_last").then(
        pl.format(
            "{}: {}, but {} show that it is {}",
            what,
            said,
            counts,
            pl.when(pl.col("low") == 1).then(pl.lit("kept")).otherwise(pl.lit("dropped")),
        )
    )
    plain = pl.format("{}: {}, but the counts hold with {} ({})", what, said, brief(pl.col("instead")), counts)
    bare = pl.format("{}: {} does not fit the other counts", what, said)
    message = pl.coalesce(of_ranks, of_samples, of_dropping, plain, bare)
    return rows(known, "contradicted", "warning", message, LOOK, log="shown_log", line="shown_line")


def unexplained(claims: pl.DataFrame, explanations: pl.DataFrame) -> pl.DataFrame:
    """Claims that no explanation fits, with one or two of them let go."""
    none = explanations.filter((pl.col("verdict") == "contradicted") & pl.col("rule").is_null()).select("run_id")
    shown_at = none.join(at(claims, *WITNESSES), on="run_id")
    message = pl.lit("the counts of this run contradict each other, and letting go of one or two explains nothing")
    return rows(shown_at, "contradicted", "warning", message, LOOK, log="log_id", line="line")


def padded(agreed: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
    """Samples that an epoch draws twice, or leaves out."""
    known = agreed.filter(pl.col("samples_low") == pl.col("samples_high")).join(
        at(claims, "num_samples", "iters_per_epoch", "iters_planned"), on="run_id"
    )
    parts: list[pl.DataFrame] = []
    for column, code, text, advice in (
        (
            "padded_samples_per_epoch",
            "padded",
            "{} of {} samples are drawn twice in each epoch to fill it up ({} %)",
            "A batch size, accumulation and number of ranks whose product divides the samples pads nothing.",
        ),
        (
            "dropped_samples_per_epoch",
            "dropped",
            "{} of {} samples are left out of each epoch ({} %)",
            "Keep the last batch (drop_last=False), or shuffle, so that others are left out each time.",
        ),
    ):
        some = known.filter(pl.col(column) > 0)
        share = pl.col(column) / pl.col("samples_low")
        message = pl.format(text, grouped(pl.col(column)), grouped(pl.col("samples_low")), (share * 100).round(2))
        for much, severity in ((True, "warning"), (False, "info")):
            these = some.filter((share > MUCH) == much)
            parts.append(rows(these, code, severity, message, advice if much else None, log="log_id", line="line"))
    return pl.concat(parts)


def undivided(agreed: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
    """Accumulation that does not divide an epoch, and what becomes of its last window."""
    a, i = pl.col("grad_accum"), pl.col("iters_per_epoch")
    hit = agreed.filter((a > 1) & (i % a != 0)).join(at(claims, "grad_accum", "iters_per_epoch"), on="run_id")
    message = pl.format(
        "accumulation of {} does not divide the {} iterations of an epoch, {} are over: {}",
        grouped(a),
        grouped(i),
        grouped(i % a),
        "updates_rule",
    )
    advice = "Where it matters, choose an accumulation that divides them."
    return rows(hit, "undivided", "info", message, advice, log="log_id", line="line")


def without_update(agreed: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
    """Iterations of a run that come to no update: windows that are never filled."""
    total = pl.col("iters_planned")
    lost = total - product(pl.col("updates_planned"), pl.col("grad_accum"))
    hit = agreed.filter(lost > 0).join(at(claims, "updates_planned", "iters_planned", "grad_accum"), on="run_id")
    message = pl.format(
        "{} of {} iterations come to no update: {} updates of {} are all",
        *map(grouped, (lost, total)),
        grouped(pl.col("updates_planned")),
        grouped(pl.col("grad_accum")),
    )
    advice = "Choose an accumulation that divides the iterations, or count on fewer updates."
    parts = [
        rows(hit.filter((lost > MUCH * total) == much), "no_update", severity, message, advice, "log_id", "line")
        for much, severity in ((True, "warning"), (False, "info"))
    ]
    return pl.concat(parts)


def changed(stated: pl.DataFrame) -> pl.DataFrame:
    """Samples per update that differ between the attempts of one run: B, A and W as each attempt states them."""
    names = ("batch_size", "grad_accum", "world_size")
    clear = stated.filter(pl.col("name").is_in(names) & (pl.col("source") != "user") & (pl.col("number") > 0)).filter(
        pl.col("number").n_unique().over("run_id", "turn", "name") == 1
    )
    first = clear.unique(["run_id", "turn", "name"], keep="first", maintain_order=True)
    whole = first.group_by("run_id", "turn").agg(
        group=pl.col("number").product(),
        said=pl.col("name").sort().str.join("+"),
        log_id=pl.col("log_id").first(),
        line=pl.col("line").max(),
    )
    before = whole.sort("run_id", "turn").with_columns(
        was=pl.col("group").shift(1).over("run_id"), was_said=pl.col("said").shift(1).over("run_id")
    )
    hit = before.filter((pl.col("said") == pl.col("was_said")) & (pl.col("group") != pl.col("was")))
    message = pl.format(
        "samples per update changed between attempts: {}, then {}", brief(pl.col("was")), brief(pl.col("group"))
    )
    advice = "Learning rate and schedule were chosen for one of them."
    return rows(hit, "batch_changed", "warning", message, advice, log="log_id", line="line")
