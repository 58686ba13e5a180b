"""Stages: the spans in which a learning rate stays, warms up or decays, found in the printed values alone.

A run's printed rates are first cut into plateaus (equal values in a row). Between two plateaus lies a border where one
lasts much longer than the other, where the direction turns, or where the rate jumps; what is left between borders is a
ramp (three values or more) or a constant. A ramp whose plateaus last several epochs is a staircase if it falls by one
factor, else a row of constants. Segments that come back in every cycle are one stage with `repeats`.
Every comparison is made with half a unit of the last printed digit: a shape is named only where it fits within that
and no other does. `shapes` fits them, on at most 33 points of a ramp.
"""

import polars as pl

from . import lr_periods, shapes
from .plateaus import KEY, digits, plateaus
from .stage_steps import by_update, counted

COARSE, CLEAR = 4.0, 3.0  # a plateau this many times as long as its neighbour is no tread of the same ramp
JUMP = 4.0  # a step this many times as high as both its neighbours parts two ramps
UNIT = 2.2  # steps up to this many half units of the last digit come from rounding
BY_EPOCH = "by schedule$"  # what the Keras parser calls a LearningRateScheduler's line, printed before its epoch
MOST = 20_000  # plateaus of one run beyond which its rates are no schedule that anybody planned, unless they are smooth
ROWS = 1_000  # stages of one run beyond which none is listed


def alternating(changed: pl.Expr, chain: list[str]) -> pl.Expr:
    """Which runs of equal things begin a part: each one behind a longer run; of runs of one, every second.

    For run-level frames (column `len`) within `chain`: up up up down up up up down has its border at each single down,
    and none at the ups behind it; up up down down has one at the first down.
    """
    at = pl.int_range(pl.len()).over(chain)
    reset = pl.when(pl.col("len").shift(1).over(chain) > 1).then(at).forward_fill().over(chain)
    return pl.when(reset.is_null()).then(at % 2 == 1).otherwise((at - reset) % 2 == 0) & changed


def segmented(levels: pl.DataFrame) -> pl.DataFrame:
    """`plateaus` with `segment` (dense over the frame): a ramp of three values and more, or one constant each."""
    span, following = pl.col("span").cast(pl.Float64), pl.col("span").shift(-1).over(KEY).cast(pl.Float64)
    step = pl.col("lr").shift(-1).over(KEY) - pl.col("lr")
    fine = step.abs() <= UNIT * pl.max_horizontal("tol", pl.col("tol").shift(-1).over(KEY))
    most = pl.when(fine).then(COARSE).otherwise(CLEAR)
    first, last = (
        pl.col("level") == pl.col("level").min().over(KEY),
        pl.col("level") == pl.col("level").max().over(KEY) - 1,
    )
    # the first and last plateau of a run may be cut short by the log's ends
    uneven = ((span >= most * following) & ~last) | ((following >= most * span) & ~first)
    logs = (pl.col("lr").shift(-1).over(KEY) / pl.col("lr")).log().abs()
    jumps = [
        (size > JUMP * pl.max_horizontal(size.shift(1).over(KEY), size.shift(-1).over(KEY)))
        & size.shift(1).over(KEY).is_not_null()
        & size.shift(-1).over(KEY).is_not_null()
        for size in (step.abs(), logs)
    ]
    marked = levels.with_columns(
        sign=step.sign(), fine=fine, part=step.is_null() | uneven | (jumps[0] & jumps[1] & ~fine)
    )
    marked = marked.with_columns(chain=(pl.col("part") & ~pl.col("part").shift(1).fill_null(True)).cum_sum())
    turned = marked.filter(~pl.col("part")).with_columns(
        turn=((pl.col("sign") != pl.col("sign").shift(1)) | (pl.col("chain") != pl.col("chain").shift(1)))
        .fill_null(True)
        .cum_sum()
    )
    runs = turned.group_by(KEY, "chain", "turn", maintain_order=True).agg(pl.len(), pl.col("level").first())
    runs = runs.filter(alternating(pl.lit(value=True), [KEY, "chain"]))
    parted = marked.join(runs.select("level", turns=True), on="level", how="left", maintain_order="left").with_columns(
        border=pl.col("part") | pl.col("turns").fill_null(False)
    )
    numbered = parted.with_columns(segment=pl.col("border").shift(1).fill_null(True).cum_sum())
    few = pl.len().over("segment") < 3
    alone = few & ((pl.len().over("segment") == 1) | (pl.col("n").max().over("segment") > 1))
    return renumbered(numbered.with_columns(alone=alone))


def renumbered(levels: pl.DataFrame) -> pl.DataFrame:
    """`levels` with the segments numbered anew, those marked `alone` cut into their plateaus."""
    begins = (pl.col("segment") != pl.col("segment").shift(1)).fill_null(True) | pl.col("alone")
    return levels.with_columns(segment=begins.cum_sum()).drop("turns", "border", "chain", "part", "alone", strict=False)


def units(levels: pl.DataFrame) -> pl.DataFrame:
    """Per segment: how often the rate changes (`unit`), whether its plateaus are long (`long`), and what shows it.

    cycle: each change falls on a border of cycles, with several epochs in each. epoch: each change falls on a border of
    epochs, and several rows of one epoch show the same rate. iteration: rows of one epoch differ.
    """
    inner = pl.col("segment") == pl.col("segment").shift(1)
    same_epoch = inner & (pl.col("first_place") == pl.col("last_place").shift(1))
    same_cycle = inner & (pl.col("first_cycle") == pl.col("last_cycle").shift(1))
    places = pl.when(inner).then(pl.col("first_place") - pl.col("first_place").shift(1))
    cycles = pl.when(inner).then(pl.col("first_cycle") - pl.col("first_cycle").shift(1))
    marked = levels.with_columns(
        same_epoch=same_epoch.fill_null(False), same_cycle=same_cycle.fill_null(False), places=places, cycles=cycles
    )
    several = (pl.col("n") > (pl.col("last_place") - pl.col("first_place") + 1)).any()
    by_cycle = ~pl.col("same_cycle").any() & (pl.col("cycles").max() == 1) & (pl.col("places").median() >= 2)
    rounded = pl.col("fine").slice(0, pl.len() - 1).mean() > 0.5
    long = (pl.col("places").median() >= 2) | (pl.col("first_place").is_null().all() & (pl.col("n").median() >= 5))
    return marked.group_by("segment", maintain_order=True).agg(
        unit=pl.when(pl.len() < 2)
        .then(None)
        .when(pl.col("same_epoch").any())
        .then(pl.lit("iteration"))
        .when(by_cycle)
        .then(pl.lit("cycle"))
        .when(pl.col("first_place").is_not_null().all())
        .then(pl.lit("epoch")),
        several=several,
        long=(long & ~by_cycle & ~rounded & (pl.len() >= 3)).fill_null(False),
        even=((pl.col("places").max() - pl.col("places").min()) <= 0).fill_null(False),
        levels=pl.len(),
    )


def found(points: pl.DataFrame) -> pl.DataFrame:
    """The stages of each run of `points`, in the columns of STAGES but run_id (`run`) and the numbering."""
    levels = plateaus(digits(points))
    crowded = pl.len().over(KEY) > MOST
    levels = peaks(segmented(levels.filter(~(crowded & (step_turns() > 0.2)))))
    kinds = units(levels).join(lr_periods.of_segments(levels), on="segment", how="left", maintain_order="left")
    levels = levels.join(kinds, on="segment", how="left", maintain_order="left")
    ramps = levels.filter(pl.col("levels") >= 3)
    fits = shapes.fitted(shapes.thinned(ramps.with_columns(x=abscissa())))
    of_ramp = kinds.join(fits, on="segment", how="left")
    stairs = pl.col("long") & pl.col("exponential").fill_null(False) & (pl.col("levels") >= 4) & pl.col("even")
    cut = of_ramp.filter(pl.col("long") & ~stairs).select("segment", alone=True)
    levels = levels.select(pl.exclude(*(name for name in kinds.columns if name != "segment")))
    old = levels.join(cut, on="segment", how="left", maintain_order="left").with_columns(
        old=pl.col("segment"), alone=pl.col("alone").fill_null(False)
    )
    known = of_ramp.with_columns(stairs=stairs).rename({"segment": "old"})
    return told(summed(renumbered(old)).join(known, on="old", how="left", maintain_order="left"))


def peaks(levels: pl.DataFrame) -> pl.DataFrame:
    """`segmented`, with the last plateau of a ramp given to the ramp behind it where it does not lie on a straight line
    that all before it lie on: a warm-up ends between two rows, and the row behind it shows the next schedule."""
    x = pl.coalesce("first_done", "first_place", "first_at").cast(pl.Float64)
    last = pl.col("level") == pl.col("level").max().over("segment")
    count = pl.len().over("segment")
    ramps = levels.with_columns(x=x).filter(count >= 5)
    inner = shapes.thinned(ramps.filter(~last))
    lines = shapes.straight(inner).filter(pl.col("far") <= shapes.FITS).select("segment", "a", "b")
    ends = ramps.with_columns(start_x=pl.col("x").first().over("segment"), end_x=pl.col("x").get(-2).over("segment"))
    at = (pl.col("x") - pl.col("start_x")) / (pl.col("end_x") - pl.col("start_x"))
    off = (pl.col("lr") - pl.col("a") - pl.col("b") * at).abs() > shapes.FITS * pl.col("tol")
    moved = ends.filter(last).join(lines, on="segment").filter(off & (at > 1)).select("level", moved=pl.lit(value=True))
    marked = levels.join(moved, on="level", how="left", maintain_order="left")
    ahead = pl.col("segment").shift(-1)
    follows = (pl.col(KEY) == pl.col(KEY).shift(-1)) & (pl.len().over("segment").shift(-1) >= 3)
    given = pl.col("moved").fill_null(False) & (pl.col(KEY) == pl.col(KEY).shift(-1)).fill_null(False)
    return (
        marked.with_columns(
            segment=pl.when(given & follows.fill_null(False)).then(ahead).otherwise("segment"),
            alone=given & ~follows.fill_null(False),
        )
        .pipe(renumbered)
        .drop("moved")
    )


def step_turns() -> pl.Expr:
    """How often the direction of a run's rates turns, as a share of its plateaus."""
    sign = pl.col("lr").diff().over(KEY).sign()
    return (sign != sign.shift(1)).fill_null(False).mean().over(KEY)


def abscissa() -> pl.Expr:
    """What a ramp is drawn against: cycles, epochs, or iterations."""
    return (
        pl.when(pl.col("unit") == "cycle")
        .then(pl.col("first_cycle").cast(pl.Float64))
        .when(pl.col("unit") == "epoch")
        .then(pl.col("first_place").cast(pl.Float64))
        .otherwise(pl.col("start").cast(pl.Float64))
    )


def summed(levels: pl.DataFrame) -> pl.DataFrame:
    """One row per segment: its rates, where it begins and ends, how many values it has."""
    return levels.group_by(KEY, "segment", maintain_order=True).agg(
        pl.col("old", "log_id", "line").first(),
        first_iter=pl.when(pl.col("first_done").first().is_not_null()).then(pl.col("from_iter").first()),
        last_iter=pl.col("last_done").last(),
        first_cycle=pl.col("first_cycle").first(),
        last_cycle=pl.col("last_cycle").last(),
        first_epoch=pl.col("first_epoch").first(),
        last_epoch=pl.col("last_epoch").last(),
        lr_first=pl.col("lr").first(),
        lr_last=pl.col("lr").last(),
        slack=(pl.col("tol") / pl.col("lr")).max(),
        n=pl.col("n").sum(),
        plateaus=pl.len(),
    )


def told(stages: pl.DataFrame) -> pl.DataFrame:
    """Kind, shape, factor, residual and what the scheduler steps by, of each segment."""
    constant = pl.col("plateaus") == 1
    both = pl.col("linear") & pl.col("exponential")
    shape = (
        pl.when(constant)
        .then(None)
        .when("stairs")
        .then(pl.lit("step"))
        .when(both)
        .then(None)
        .when("linear")
        .then(pl.lit("linear"))
        .when("exponential")
        .then(pl.lit("exponential"))
        .when("cosine")
        .then(pl.lit("cosine"))
    )
    marked = stages.with_columns(
        kind=pl.when(constant)
        .then(pl.lit("constant"))
        .when(pl.col("lr_last") > pl.col("lr_first"))
        .then(pl.lit("warmup"))
        .otherwise(pl.lit("decay")),
        shape=shape,
    )
    several = pl.col("several").fill_null(False)
    return marked.with_columns(
        factor=pl.when(pl.col("shape") == "exponential")
        .then("rate")
        .when(pl.col("shape") == "step")
        .then((pl.col("lr_last") / pl.col("lr_first")) ** (1 / (pl.col("plateaus") - 1))),
        residual=pl.when(constant)
        .then(0.0)
        .when(pl.col("shape") == "linear")
        .then("off_linear")
        .when(pl.col("shape").is_in(["exponential", "step"]))
        .then("off_exponential")
        .when(pl.col("shape") == "cosine")
        .then("off_cosine"),
        steps_per=pl.when(constant)
        .then(None)
        .when((pl.col("unit") == "epoch") & ~several)
        .then(None)
        .otherwise("unit"),
        evidence=pl.when(constant)
        .then(None)
        .when(pl.col("unit") == "iteration")
        .then(pl.lit("rows of one epoch show different rates"))
        .when(pl.col("unit") == "cycle")
        .then(pl.lit("the rate changes from cycle to cycle and never within one"))
        .when((pl.col("unit") == "epoch") & several)
        .then(pl.lit("rows of one epoch show one rate, and the next epoch another"))
        .when(pl.col("unit") == "epoch")
        .then(pl.lit("one rate an epoch is printed: steps within an epoch would not show")),
    )


def repeated(stages: pl.DataFrame) -> pl.DataFrame:
    """`told` with what comes back in consecutive cycles as one row: `repeats`, `cycle_factor` (rate to that before).

    Two cycles are alike where their segments have one kind, shape and place in the cycle, and their rates one ratio.
    """
    inside = pl.col("first_cycle") == pl.col("last_cycle")
    marked = stages.with_columns(inside=inside.fill_null(False)).with_columns(
        whole=pl.col("inside").all().over(KEY, "first_cycle"),
        of_cycle=pl.int_range(pl.len()).over(KEY, "first_cycle"),
    )
    cycles = (
        marked.filter("whole")
        .with_columns(
            mark=pl.format(
                "{} {} {} {}", "kind", pl.col("shape").fill_null("-"), pl.col("first_epoch"), pl.col("last_epoch")
            )
        )
        .group_by(KEY, "first_cycle", maintain_order=True)
        .agg(
            pl.col("mark").str.join(" | "),
            level=pl.col("lr_last").max(),
            low=pl.col("lr_first").min(),
            slack=4 * pl.col("slack").max(),
        )
        .with_columns(
            pl.col("level", "low", "mark", "first_cycle").shift(1).over(KEY).name.suffix("_before"),
        )
        .with_columns(q=pl.col("level") / pl.col("level_before"), q_low=pl.col("low") / pl.col("low_before"))
        .with_columns(
            alike=(pl.col("mark") == pl.col("mark_before"))
            & (pl.col("first_cycle") == pl.col("first_cycle_before") + 1)
            & ((pl.col("q") / pl.col("q_low") - 1).abs() <= 2 * pl.col("slack") + 1e-6)
        )
    )
    near = ((pl.col("q") / pl.col("q").shift(1) - 1).abs() <= 2 * pl.col("slack") + 1e-6) & (
        pl.col(KEY) == pl.col(KEY).shift(1)
    )
    cycles = cycles.with_columns(chain=(~pl.col("alike").fill_null(False)).cum_sum())
    pairs = cycles.filter(pl.col("alike")).with_columns(
        ratio_run=(~near | (pl.col("chain") != pl.col("chain").shift(1))).fill_null(True).cum_sum()
    )
    runs = pairs.group_by(KEY, "chain", "ratio_run", maintain_order=True).agg(pl.len(), pl.col("first_cycle").first())
    runs = runs.filter(alternating(pl.lit(value=True), [KEY, "chain"]))
    begins = cycles.join(
        runs.select(KEY, "first_cycle", turns=True), on=[KEY, "first_cycle"], how="left", maintain_order="left"
    ).with_columns(
        group=(~pl.col("alike").fill_null(False) | pl.col("turns").fill_null(False)).cum_sum(),
    )
    factors = begins.group_by("group").agg(cycle_factor=pl.col("q").slice(1).median())
    joined = marked.join(
        begins.select(KEY, "first_cycle", "group"), on=[KEY, "first_cycle"], how="left", maintain_order="left"
    ).join(factors, on="group", how="left", maintain_order="left")
    alone = pl.int_range(pl.len())
    return (
        joined.with_columns(group=pl.when("whole").then("group").otherwise(-1 - alone))
        .group_by(KEY, "group", "of_cycle", maintain_order=True)
        .agg(
            pl.col(
                *("log_id", "line", "kind", "shape", "first_iter", "first_cycle", "first_epoch", "lr_first", "lr_last"),
                *("factor", "steps_per", "evidence", "cycle_factor"),
            ).first(),
            pl.col("last_iter", "last_cycle", "last_epoch").last(),
            pl.col("n").sum(),
            pl.col("residual").max(),
            repeats=pl.len().cast(pl.Int32),
        )
        .with_columns(cycle_factor=pl.when(pl.col("repeats") > 1).then(pl.col("cycle_factor")))
    )


def scheduled(events: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """The runs in whose logs a scheduler announces each epoch's rate: run, and the line of the first announcement."""
    logs = points.select(KEY, "log_id").unique()
    said = events.filter((pl.col("kind") == "lr_change") & pl.col("message").str.contains(BY_EPOCH))
    return (
        said.join(logs, on="log_id")
        .group_by(KEY)
        .agg(announced=pl.len(), said_line=pl.col("line").min())
        .filter(pl.col("announced") >= 3)
        .drop("announced")
    )


def table(points: pl.DataFrame, runs: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The rows of STAGES of the runs in `points`; `runs` says which have cycles, and what counters count."""
    if not points.height:
        return pl.DataFrame(schema={"run_id": pl.String})
    each = pl.col("said_line").is_not_null() & (pl.col("unit") == "epoch")
    segments = (
        by_update(found(points), runs)
        .join(scheduled(events, points), on=KEY, how="left", maintain_order="left")
        .with_columns(
            steps_per=pl.when(each).then(pl.lit("epoch")).otherwise("steps_per"),
            evidence=pl.when(each)
            .then(pl.format("a scheduler sets it at the begin of each epoch (line {})", "said_line"))
            .otherwise("evidence"),
        )
    )
    stages = repeated(segments)
    turned = stages.join(
        runs.select("run_id", "cycles", "counter", "grad_accum"), left_on=KEY, right_on="run_id", maintain_order="left"
    )
    has = pl.col("cycles").is_not_null()
    return (
        counted(turned.filter(pl.len().over(KEY) <= ROWS))
        .with_columns(
            stage=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(KEY),
            first_cycle=pl.when(has).then("first_cycle"),
            last_cycle=pl.when(has).then("last_cycle"),
            repeats=pl.when(has).then("repeats"),
        )
        .drop("cycles", "group", "of_cycle")
        .rename({KEY: "run_id"})
    )
