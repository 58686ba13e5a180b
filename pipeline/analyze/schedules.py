"""Schedules that a run can never go through, held against its plan: only from what the logs state.

Read are mmengine's `param_scheduler` (begin, end, milestones; in epochs unless by_epoch is False, mmengine 0.1.0 to
0.10.7) and mmcv's `lr_config` (step; likewise, mmcv 1.0 to 1.7), echoed arguments that name the epoch behind which a
rate decays, and totals of steps that a scheduler was planned with.
"""

import polars as pl

from .words import brief, grouped

# names, without what encloses them
DECAY_FROM = (
    r"(?i)(^|[._])(lr_)?(decay_(start|begin|after)(_at)?(_epochs?)|(start|begin)_decay_epochs?|epochs?_decay_start)$"
)
TOTAL = r"(?i)(^|[._])(total_steps|num_training_steps|lr_decay_iters|t_max|total_updates)$"
MMCV = ("lr_config.step", "lr_config.by_epoch")
OPEN = 1e8  # mmengine's end of a schedule without end


def statements(facts: pl.LazyFrame) -> pl.LazyFrame:
    """The facts that speak of schedules, out of all those of a dump."""
    name = pl.col("name")
    return facts.filter(
        name.str.starts_with("param_scheduler.")
        | name.is_in(MMCV)
        | name.str.contains(DECAY_FROM)
        | name.str.contains(TOTAL)
    )


def findings(stated: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """What can never be reached, as rows of FINDINGS.

    `stated` is `resolve.of_runs` of `statements`; `runs` the headline. A cycle's plan counts where a run has cycles.
    """
    plan = runs.select(
        "run_id", "epochs_planned", "iters_planned", "updates_planned", "iters_per_epoch", "grad_accum", "cycles"
    )
    known = stated.filter(pl.col("number").is_not_null()).join(plan, on="run_id")
    found = [late_decays(known), late_schedulers(stated, plan), late_milestones(stated, plan), floored(known)]
    return pl.concat(found).unique(["run_id", "code", "message"], keep="first", maintain_order=True)


def rows(frame: pl.DataFrame, code: str, message: pl.Expr, advice: str) -> pl.DataFrame:
    return frame.sort("run_id", "log_id", "line").select(
        "run_id",
        "log_id",
        "line",
        code=pl.lit(code),
        severity=pl.lit("warning"),
        message=message,
        advice=pl.lit(advice),
    )


def late_decays(known: pl.DataFrame) -> pl.DataFrame:
    """A decay behind the last epoch of the run, or of each cycle."""
    hit = known.filter(pl.col("name").str.contains(DECAY_FROM) & (pl.col("number") >= pl.col("epochs_planned")))
    whole = pl.when(pl.col("cycles").is_not_null()).then(pl.lit("each cycle")).otherwise(pl.lit("the run"))
    message = pl.format(
        "{} = {}, and {} has {} epochs: the decay is never reached",
        pl.col("name").str.split(".").list.last(),
        brief(pl.col("number")),
        whole,
        grouped(pl.col("epochs_planned")),
    )
    return rows(hit, "unreachable_schedule", message, "Let it begin earlier, or count its epochs over all cycles.")


def late_schedulers(stated: pl.DataFrame, plan: pl.DataFrame) -> pl.DataFrame:
    """mmengine's schedulers that begin behind the end of the run, or are planned beyond it."""
    own = in_schedulers(stated)
    ends = limited(
        own.filter(pl.col("part").is_in(["begin", "end"]) & (pl.col("number") < OPEN)).join(
            beside(own, "by_epoch"), on=SCHEDULER, how="left"
        ),
        plan,
    )
    told = [
        pl.col("kind").fill_null("a scheduler"),
        pl.col("unit"),
        brief(pl.col("number")),
        pl.col("unit"),
        grouped(pl.col("limit")),
    ]
    never = pl.format("{} begins behind {} {}, and the plan ends at {} {}: it is never reached", *told)
    cut = pl.format("{} is planned to {} {}, and the plan ends at {} {}: its end is never reached", *told)
    begins = ends.filter((pl.col("part") == "begin") & (pl.col("number") >= pl.col("limit")) & (pl.col("number") > 0))
    beyond = ends.filter((pl.col("part") == "end") & (pl.col("number") > pl.col("limit")))
    advice = "Plan the schedule and the training to the same end."
    return pl.concat(
        [rows(begins, "unreachable_schedule", never, advice), rows(beyond, "unreachable_schedule", cut, advice)]
    )


def late_milestones(stated: pl.DataFrame, plan: pl.DataFrame) -> pl.DataFrame:
    """Milestones behind the end of the run: a rate that falls after epoch 12 of 12 never falls. mmengine counts them
    from the scheduler's begin."""
    own = in_schedulers(stated)
    of_mmengine = (
        own.filter(pl.col("part") == "milestones")
        .join(beside(own, "by_epoch"), on=SCHEDULER, how="left")
        .join(beside(own, "begin"), on=SCHEDULER, how="left")
    )
    by_epoch = stated.filter(pl.col("name") == MMCV[1]).select("run_id", "log_id", by_epoch="number")
    of_mmcv = (
        stated.filter(pl.col("name") == MMCV[0])
        .join(by_epoch.unique(["run_id", "log_id"]), on=["run_id", "log_id"], how="left")
        .with_columns(kind=pl.lit("lr_config"), begin=pl.lit(0.0))
    )
    columns = ["run_id", "log_id", "line", "kind", "text", "by_epoch", "begin"]
    both = limited(pl.concat([of_mmengine.select(columns), of_mmcv.select(columns)]), plan)
    numbers = pl.col("text").str.extract_all(r"\d[\d.eE+]*").list.eval(pl.element().cast(pl.Float64, strict=False))
    at = pl.col("step") + pl.col("begin").fill_null(0)
    missed = at.filter((at >= pl.col("limit")) & (at < OPEN))
    late = (
        both.with_columns(step=numbers)
        .explode("step")
        .group_by("run_id", "log_id", "line", "kind", "unit", "limit", maintain_order=True)
        .agg(of=pl.len(), n=missed.len(), steps=brief(at).str.join(", "), missed=brief(missed).str.join(", "))
        .filter(pl.col("n") > 0)
    )
    message = pl.format(
        "{} steps at {} {}, and the plan ends at {} {}: {} {} never reached",
        pl.col("kind").fill_null("a scheduler"),
        pl.when(pl.col("of") > 1).then(pl.col("unit") + "s").otherwise("unit"),
        pl.col("steps"),
        pl.col("unit"),
        grouped(pl.col("limit")),
        pl.col("missed"),
        pl.when(pl.col("n") > 1).then(pl.lit("are")).otherwise(pl.lit("is")),
    )
    return rows(late, "unreachable_schedule", message, "Plan the schedule and the training to the same end.")


SCHEDULER = ["run_id", "log_id", "scheduler"]


def beside(own: pl.DataFrame, part: str) -> pl.DataFrame:
    """The number that each scheduler has under the name `part`."""
    return own.filter(pl.col("part") == part).select(*SCHEDULER, pl.col("number").alias(part)).unique(SCHEDULER)


def limited(schedulers: pl.DataFrame, plan: pl.DataFrame) -> pl.DataFrame:
    """Rows with `limit`, the end of the plan in what their scheduler counts, and `unit`, its word for it."""
    by_iter = pl.col("by_epoch") == 0
    return schedulers.join(plan, on="run_id").with_columns(
        limit=pl.when(by_iter).then("iters_planned").otherwise(pl.col("epochs_planned").cast(pl.Int64)),
        unit=pl.when(by_iter).then(pl.lit("iteration")).otherwise(pl.lit("epoch")),
    )


def in_schedulers(stated: pl.DataFrame) -> pl.DataFrame:
    """The facts of `param_scheduler` with `part`, and the line and kind of the scheduler that each is of.

    A list of schedulers gives one name several times. New dumps sort the keys, so that the type stands last; older ones
    keep the file's order, where it stands first.
    """
    by = ["run_id", "log_id"]
    part = pl.col("name").str.strip_prefix("param_scheduler.")
    is_type, line = pl.col("part") == "type", pl.col("line")
    own = (
        stated.filter(pl.col("name").str.starts_with("param_scheduler."))
        .with_columns(part=part)
        .sort(*by, "line")
        .with_columns(type_last=(is_type & (line == line.max().over(by))).any().over(by))
    )
    kinds = own.filter(is_type).select(*by, "line", scheduler="line", kind=pl.col("text").str.split(".").list.last())
    last = own.filter("type_last").join_asof(kinds, on="line", by=by, strategy="forward", check_sortedness=False)
    first = own.filter(~pl.col("type_last")).join_asof(kinds, on="line", by=by, check_sortedness=False)
    return pl.concat([last, first])


def floored(known: pl.DataFrame) -> pl.DataFrame:
    """A scheduler planned with E · ⌊I / A⌋ updates where training makes another number of them."""
    floor = pl.col("epochs_planned").cast(pl.Int64) * (pl.col("iters_per_epoch") // pl.col("grad_accum"))
    hit = known.filter(
        pl.col("name").str.contains(TOTAL) & (pl.col("number") == floor) & (floor != pl.col("updates_planned"))
    )
    message = pl.format(
        "{} = {} is what whole windows of {} iterations give, {} an epoch; training makes {} updates",
        pl.col("name").str.split(".").list.last(),
        brief(pl.col("number")),
        grouped(pl.col("grad_accum")),
        grouped(pl.col("iters_per_epoch") // pl.col("grad_accum")),
        grouped(pl.col("updates_planned")),
    )
    return rows(hit, "schedule_miscounted", message, "Plan the schedule with the updates that training really makes.")
