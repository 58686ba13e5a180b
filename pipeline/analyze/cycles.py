"""Cycles: an epoch counter that starts again while the model goes on, told from a model that starts over.

Keras prints `Epoch 1/10` for each `fit()`. A hundred of them in one process are a hundred cycles of one run where they
train one model, and a hundred runs where each has a model of its own (a search, a cross-validation). What tells, in
this order: a process that starts, a resume, another plan; then the losses. A turn's first losses are held against the
last ones of the turn before and the first ones of all: a model that goes on begins where the last turn ended, a new
one begins where the first turn began and falls again. A loss that jumps and stays up (another weight in it) is no new
model. Losses that hardly moved, within their own noise, tell nothing: such a turn follows the others of its log, and
where none tells, the counter alone is taken for a cycle. The sentence of each decision names its lines.
"""

import polars as pl

from . import timeline
from .words import grouped

FEW = 5  # losses at each end of a turn that are looked at, at most; a tenth of the turn where that is less
TELLING = 3.0  # the way from first to last losses, in units of their noise, from which on they tell something
NEAR, FAR = 0.4, 0.6  # share of that way that a turn's first losses lie back: up to NEAR it went on, from FAR anew
BEYOND = 2.0  # further back than any new model: another loss
FALLS_AGAIN = 0.3  # a new model's losses fall, for their height, by at least this share of the first turn's fall
MEASURED = 3  # losses of a turn from which on its noise is its own; else that of the first losses of all turns
SAME = ("log", "life")


def none(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` of logs whose counters never start again: `cycle` 1, `base` 0."""
    return rows.with_columns(cycle=pl.lit(1, pl.Int32), base=pl.lit(0, pl.Int64))


BEGINS = "epochs_planned"  # the fact that the Keras parser states at each `Epoch 1/…`
AGAIN = pl.Schema({"key": pl.Int64(), "log": pl.UInt32(), "line": pl.Int64(), "before": pl.Int64()})


def begun(facts: pl.LazyFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """The lines at which Keras begins its first epoch: log_id, line; one for each `fit()`."""
    of_keras = speaking.filter(pl.col("format") == "keras")["log_id"]
    said = (pl.col("name") == BEGINS) & (pl.col("source") == "log") & pl.col("log_id").is_in(of_keras.implode())
    return facts.filter(said).select("log_id", "line").unique().collect(engine="streaming")


def repeated(rows: pl.DataFrame, begun: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Training rows (`AGAIN`) of a first epoch behind another one, where the counter stays and a line of `begun` (with
    key, in order) stands between: `Epoch 1/1` with one record each. `before` is the key of the row ahead."""
    if not begun.height:
        return pl.DataFrame(schema=AGAIN)
    at, first = pl.col("key").shift(1), pl.col("epoch") == 1
    train = rows.lazy().filter("train").select("key", "log", "line", "epoch", "done").collect()
    pairs = train.with_columns(before=at).filter(
        first
        & first.shift(1)
        & (pl.col("log") == pl.col("log").shift(1))
        & ~(pl.col("done") != pl.col("done").shift(1)).fill_null(value=False)
    )
    starts = events.filter(pl.col("kind") == "start").select("key", start="key")
    between = (
        pairs.join_asof(begun.select("key", header="key"), on="key", check_sortedness=False)
        .join_asof(starts, on="key", check_sortedness=False)
        .filter((pl.col("header") > pl.col("before")) & ~(pl.col("start") > pl.col("before")).fill_null(value=False))
    )
    return between.select(pl.col(name).cast(dtype) for name, dtype in AGAIN.items())


def turns(rows: pl.DataFrame, cuts: pl.DataFrame, losses: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """One row per cut of the logs whose counter fell back: its plan, how far it came, its first and last losses.

    `rows` carry aid; `losses` (key, value) are the train losses of those logs in order; `events` come from `keyed`.
    `life` numbers what lies between two process starts, resumes or begins of a log; `turn` counts within it.
    """
    logs = cuts.filter(pl.col("begun_by") == "counter").select("log").unique()
    own = cuts.join(logs, on="log", how="semi").sort("key")
    step = pl.col("done").diff()
    reach = (
        rows.lazy()
        .join(own.lazy().select("aid"), on="aid", how="semi", maintain_order="left")
        .filter("train")
        .group_by("aid")
        .agg(
            pl.col("iters_per_epoch", "epochs_planned").drop_nulls().last(),
            pl.col("epoch").drop_nulls().first().alias("first_epoch"),
            pl.col("epoch").max().alias("last_epoch"),
            pl.col("done").max().alias("last_done"),
            pl.col("done").drop_nulls().first().alias("first_done"),
            step.filter(step > 0).median().alias("line_iters"),
        )
        .collect()
    )
    stops = (
        timeline.in_attempts(events.filter(pl.col("kind") == "early_stop").select("key"), own).select("aid").unique()
    )
    per_epoch = pl.col("iters_per_epoch")
    full = pl.col("epochs_planned").cast(pl.Int64) * per_epoch
    near_plan = pl.col("last_done") > full - pl.coalesce("line_iters", pl.lit(1.0))
    return (
        own.join(reach, on="aid", how="left")
        .join(ends(timeline.in_attempts(losses, own)), on="aid", how="left")
        .join(stops.with_columns(stopped=True), on="aid", how="left")
        .with_columns(
            stopped=pl.col("stopped").fill_null(False),
            reached=pl.coalesce(near_plan, pl.col("last_epoch") >= pl.col("epochs_planned")),
            start=pl.when(per_epoch.is_not_null()).then(
                (pl.col("first_epoch").cast(pl.Int64) - 1).fill_null(0) * per_epoch
            ),
            end=pl.when(near_plan).then(full).otherwise("last_done"),
            life=(pl.col("begun_by") != "counter").cum_sum().over("log"),
        )
        .sort("key")
        .with_columns(
            turn=pl.int_range(1, pl.len() + 1).over(SAME),
            whole=((pl.col("end") % per_epoch == 0) | pl.col("end").is_null()).fill_null(False),
        )
    )


def ends(losses: pl.DataFrame) -> pl.DataFrame:
    """Per aid: how many losses, the medians of the first and last ones, their lines, and the noise of a single value.

    Noise: the spread of the first values, and the second differences, which a smooth fall leaves near zero
    (σ = 1.4826 · median |Δ²| / √6 of independent values).
    """
    finite = losses.lazy().filter(pl.col("value").is_finite())
    value, few = pl.col("value"), (pl.len() // 10).clip(1, FEW)
    bend = value.diff().diff().abs().median() * (1.4826 / 6**0.5)
    first, last = value.head(few), value.tail(few)
    return (
        finite.group_by("aid")
        .agg(
            head=first.median(),
            tail=last.median(),
            head_line=(pl.col("key") % (1 << timeline.KEY_BITS)).first(),
            tail_line=(pl.col("key") % (1 << timeline.KEY_BITS)).last(),
            losses=pl.len(),
            noise=pl.max_horizontal(bend.fill_null(0), (first.max() - first.min()) / 2),
        )
        .collect()
    )


def judge(turns: pl.DataFrame) -> pl.DataFrame:
    """`turns` with `goes_on` (a cycle of what stands before it), `begun_by` where it does not, and `sign`.

    sign: losses, others (of the log), counter (nothing tells), plan (another one), unfinished; null for a first turn.
    """
    before = {
        name: pl.col(name).shift(1).over(SAME)
        for name in ("iters_per_epoch", "epochs_planned", "tail", "noise", "reached", "stopped", "whole", "end")
    }
    same_plan = pl.all_horizontal(
        pl.col(name).eq_missing(before[name]) for name in ("iters_per_epoch", "epochs_planned")
    )
    head_1, tail_1, noise_1 = (pl.col(name).first().over(SAME) for name in ("head", "tail", "noise"))
    scatter = pl.col("head").diff().abs().median().over(SAME) * (1.4826 / 2**0.5)
    scattered = (pl.len().over(SAME) > 2) & (pl.col("losses") < MEASURED)
    noise = pl.max_horizontal("noise", before["noise"], noise_1, pl.when(scattered).then(scatter))
    way = head_1 - before["tail"]
    place = (pl.col("head") - before["tail"]) / way
    fall, fall_1 = 1 - pl.col("tail") / pl.col("head"), 1 - tail_1 / head_1
    told = ((way > TELLING * noise) & (way > 0)).fill_null(False)
    follows = pl.col("turn") > 1
    marked = turns.with_columns(
        same_plan=same_plan,
        done_before=before["reached"].fill_null(False) | before["stopped"],
        whole_before=before["whole"],
        head_1=head_1,
        tail_before=before["tail"],
        on=follows & told & (place <= NEAR),
        over=follows & told & place.is_between(FAR, BEYOND) & (fall >= FALLS_AGAIN * fall_1),
    )
    count_on, count_over = (pl.col(name).fill_null(False).sum().over(SAME) for name in ("on", "over"))
    finished_over = (pl.col("over") & pl.col("done_before")).fill_null(False).any().over(SAME)
    told = pl.col("on") | pl.col("over")
    on = pl.when(told).then("on").otherwise(count_on >= count_over)
    goes_on = (
        follows & pl.col("same_plan") & pl.when("done_before").then(on).otherwise(pl.col("on") & pl.col("whole_before"))
    ).fill_null(False)
    return marked.with_columns(goes_on=goes_on).with_columns(
        begun_by=pl.when(~follows | pl.col("goes_on"))
        .then("begun_by")
        .when(~pl.col("same_plan"))
        .then(pl.lit("plan"))
        .when(pl.col("done_before") | (pl.col("over") & finished_over))
        .then(pl.lit("anew"))
        .otherwise("begun_by"),
        sign=pl.when(~follows)
        .then(None)
        .when(~pl.col("same_plan"))
        .then(pl.lit("plan"))
        .when(told)
        .then(pl.lit("losses"))
        .when(~pl.col("done_before"))
        .then(pl.lit("unfinished"))
        .when(count_on + count_over > 0)
        .then(pl.lit("others"))
        .otherwise(pl.lit("counter")),
    )


def numbered(judged: pl.DataFrame) -> pl.DataFrame:
    """`judged` with cycle (1-based within its attempt), base, first_iter and last_iter.

    base is what has to be added to the printed count to have that of the attempt: a turn that begins at `start` goes on
    where the one before it ended. All null where the log counts no iterations.
    """
    ordered = judged.sort("key").with_columns(joined=(~pl.col("goes_on")).cum_sum())
    gained = pl.col("end") - pl.col("start")
    first = pl.col("start").first().over("joined")
    return ordered.with_columns(
        cycle=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("joined"),
        base=(gained.cum_sum().over("joined") - gained + first - pl.col("start")).cast(pl.Int64),
    ).with_columns(
        first_iter=pl.col("base") + pl.col("start") + 1,
        last_iter=pl.col("base") + pl.col("end").cast(pl.Int64),
    )


def merged(cuts: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """`cuts` without those at which the model goes on, numbered anew, each with what it was found to be begun by."""
    told = judged.select("key", "goes_on", why="begun_by")
    kept = cuts.join(told, on="key", how="left").filter(~pl.col("goes_on").fill_null(False))
    return timeline.with_key(kept.select("log", "first_line", begun_by=pl.coalesce("why", "begun_by")))


def counted(rows: pl.DataFrame, numbered: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `cycle` and `base`, and `done` counted on over the cycles."""
    begins = numbered.select("key", "cycle", "base", cycle_log="log").sort("key")
    found = rows.select("key", "log").join_asof(begins, on="key", check_sortedness=False)
    here = pl.col("cycle_log") == pl.col("log")
    borders = found.select(cycle=pl.when(here).then("cycle").fill_null(1), base=pl.when(here).then("base").fill_null(0))
    return rows.hstack(borders).with_columns(done=pl.col("done") + pl.col("base"))


def table(numbered: pl.DataFrame, cuts: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """The turns with the attempts that they are part of: log_id, attempt, cycle, first_line, base, iterations, sign."""
    held = timeline.in_attempts(numbered.drop("aid", "attempt").sort("key"), cuts)
    return (
        held.join(cuts.select("aid", "attempt"), on="aid")
        .join(speaking.select("log", "log_id"), on="log")
        .select(
            *("log_id", "attempt", "cycle", "turn", "first_line", "base", "first_iter", "last_iter", "goes_on", "sign"),
            *("begun_by", "epochs_planned", "last_epoch", "head", "head_1", "tail_before", "head_line", "reached"),
        )
    )


EMPTY = pl.DataFrame(
    schema={
        "log_id": pl.String,
        "attempt": pl.Int32,
        "cycle": pl.Int32,
        "turn": pl.Int64,
        "first_line": pl.Int64,
        "base": pl.Int64,
        "first_iter": pl.Int64,
        "last_iter": pl.Int64,
        "goes_on": pl.Boolean,
        "sign": pl.String,
        "begun_by": pl.String,
        "epochs_planned": pl.Int32,
        "last_epoch": pl.Int32,
        "head": pl.Float64,
        "head_1": pl.Float64,
        "tail_before": pl.Float64,
        "head_line": pl.Int64,
        "reached": pl.Boolean,
    }
)


def findings(table: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """What was decided where a counter started again, as rows of FINDINGS with the line of the first case.

    code: cycles (one row a run), new_model and new_plan (one row for each run that such a turn begins).
    """
    runs = attempts.select("log_id", "attempt", "run_id")
    again = table.filter(pl.col("turn") > 1).join(runs, on=["log_id", "attempt"]).sort("log_id", "first_line")
    line, told = pl.col("head_line").fill_null(pl.col("first_line")), pl.col("sign") == "losses"
    losses = pl.format(
        "{} at the begin, {} at the end of the turn before, {} at the very first",
        *(pl.col(name).round_sig_figs(4) for name in ("head", "tail_before", "head_1")),
    )
    times = pl.format("{} times", grouped(pl.col("times")))
    some = pl.format("{} of these turns", grouped(pl.col("by_losses")))
    shown_by = pl.when(pl.col("times") == 1).then(pl.lit("this turn")).otherwise(some)
    on = (
        again.filter("goes_on")
        .group_by("run_id", "log_id", maintain_order=True)
        .agg(
            times=pl.len(),
            by_losses=told.sum(),
            epochs=pl.col("epochs_planned").last(),
            line=pl.coalesce(line.filter(told).first(), line.first()),
            example=losses.filter(told).first(),
            untold=pl.format("line {}: {}", line, losses).drop_nulls().first(),
        )
        .select(
            "run_id",
            "log_id",
            "line",
            code=pl.lit("cycles"),
            message=pl.format(
                "the epochs{} begin again {} {}",
                pl.coalesce(pl.when(pl.col("epochs") > 1).then(pl.format(" 1 to {}", "epochs")), pl.lit("")),
                pl.when(pl.col("times") == 1).then(pl.lit("once")).otherwise(times),
                pl.coalesce(
                    pl.format(
                        "and the model goes on, as the losses of {} show (line {}: {})", shown_by, "line", "example"
                    ),
                    pl.format(
                        "and are taken for cycles of one model, because the plan stays the same; the losses ({}) lie "
                        "too close together, for how much they scatter, to tell it from a new one",
                        "untold",
                    ),
                    pl.lit(
                        "and are taken for cycles of one model, because the plan stays the same; no losses are printed "
                        "that would tell it from a new one"
                    ),
                ),
            ),
        )
    )
    begun = again.filter(pl.col("begun_by").is_in(["anew", "plan"])).select(
        "run_id",
        "log_id",
        line=line,
        code=pl.when(pl.col("begun_by") == "anew").then(pl.lit("new_model")).otherwise(pl.lit("new_plan")),
        message=pl.when(pl.col("begun_by") == "plan")
        .then(pl.lit("the epochs begin again with another plan: a run of its own"))
        .when(told)
        .then(pl.format("the epochs begin again and so do the losses ({}): a new model, a run of its own", losses))
        .otherwise(pl.lit("the epochs begin again, as where the losses show a new model: a run of its own")),
    )
    columns = ["run_id", "code", "message", "log_id", "line"]
    return pl.concat([on.select(columns), begun.select(columns)]).with_columns(
        severity=pl.lit("info"), advice=pl.lit(None, pl.String)
    )


def into_attempts(attempts: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """`attempts` with `cycles`: how many turns each holds, null where the counter never started again; the epoch of the
    last one; and `epochs_before`, those of the turns before it as far as they are named."""
    last = pl.col("last_epoch").sort_by("cycle")
    count = (
        table.group_by("log_id", "attempt")
        .agg(
            turns=pl.col("cycle").max(),
            named=last.last(),
            epochs_before=last.slice(0, pl.len() - 1).sum().cast(pl.Int64),
        )
        .filter(pl.col("turns") > 1)
    )
    return (
        attempts.join(count, on=["log_id", "attempt"], how="left")
        .with_columns(cycles="turns", last_epoch=pl.coalesce("named", "last_epoch"))
        .drop("turns", "named")
    )
