"""Rows of `progress` and `metrics` → what a chart draws: points over training iterations, few enough to draw. Pure.

A million points are reduced to buckets of equal width that keep the lowest, the mean and the highest value, so that a
spike of one iteration is still seen. Values that are no finite numbers become points of the series `odd`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from . import words
from .model import Chart, Mark, Span

BUCKETS = 500
MOST_POINTS = 3 * BUCKETS
LONGEST_BRIDGE = 10
MOST_EPOCH_MARKS = 60
MOST_EPOCHS_BEHIND = 12  # behind rates, whose stages are marked too
MOST_NAMED = 6
MOST_CHANGES = 10_000  # a saw tooth of a few points has to stay one, so rates are reduced late

KEYS = ("log_id", "line", "redraw", "piece")
PROGRESS_COLUMNS = (
    *KEYS,
    *("rank", "phase", "epoch", "iter", "iters_per_epoch", "global_iter", "s_per_iter", "data_s_per_iter", "lr"),
)
LOSS_COLUMNS = (*KEYS, "phase", "value")

_TRAIN = pl.col("phase").is_null() | (pl.col("phase") == "train")


def curve_records(
    progress: pl.DataFrame,
    losses: pl.DataFrame,
    attempts: pl.DataFrame,
    *,
    iters_per_epoch: int | None = None,
    iters_planned: int | None = None,
    cycles: int | None = None,
) -> pl.DataFrame:
    """One row per record of the run's logs, on one axis: x f64, axis str, phase, loss, s_per_iter, data_s_per_iter, lr.

    `progress` has PROGRESS_COLUMNS and `losses` LOSS_COLUMNS (metrics of that name). Where a resume did iterations
    again, the later attempt's record stands. x is the global iteration; where a record prints none, it is counted from
    epoch and iteration, from the restarts of a bar, or, where only epochs are printed, it is the epoch. In a run with
    cycles a counter that begins again goes on behind the last point of the cycle before.
    """
    both = (
        progress.select(PROGRESS_COLUMNS)
        .join(losses.select(LOSS_COLUMNS).rename({"value": "loss"}), on=KEYS, how="full", coalesce=True)
        .with_columns(pl.coalesce("phase", "phase_right").alias("phase"))
    )
    placed = _of_attempts(both, attempts).filter(
        pl.col("rank").is_null() | (pl.col("rank") == pl.col("rank").min()),
        _training_bar(both, iters_per_epoch, iters_planned),
    )
    epoch_length = pl.coalesce("iters_per_epoch", pl.lit(iters_per_epoch, pl.Int64))
    train_iter = pl.when(_TRAIN).then("iter")
    turns = (train_iter < train_iter.forward_fill().shift(1)).fill_null(False).cum_sum()
    by_epoch = (pl.col("epoch") - 1) * epoch_length + pl.col("iter")
    by_turn = turns * pl.coalesce(epoch_length, pl.col("iter").max()) + pl.col("iter")
    placed = placed.sort("turn", *KEYS).with_columns(
        pl.coalesce("global_iter", by_epoch, by_turn).alias("train_x"), pl.int_range(1, pl.len() + 1).alias("ordinal")
    )
    trains = placed.filter(_TRAIN)
    if trains["train_x"].is_not_null().any():
        axis, train_x = "iteration", pl.col("train_x")
        val_epoch = pl.col("epoch") * pl.lit(iters_per_epoch, pl.Int64)
    elif trains["epoch"].is_not_null().any():
        axis, train_x, val_epoch = "epoch", pl.col("epoch"), pl.col("epoch")
    else:
        axis, train_x, val_epoch = "record", pl.col("ordinal"), pl.lit(None, pl.Int64)
    placed = placed.with_columns(pl.when(_TRAIN).then(train_x).alias("train_x"))
    if cycles is not None:
        placed = placed.with_columns(_over_cycles(pl.col("train_x")))
        val_epoch = pl.lit(None, pl.Int64)
    val_x = pl.coalesce(val_epoch, pl.col("train_x").forward_fill(), pl.col("global_iter"))
    return placed.select(
        pl.when(_TRAIN).then("train_x").otherwise(val_x).cast(pl.Float64).alias("x"),
        pl.lit(axis).alias("axis"),
        "phase",
        "loss",
        "s_per_iter",
        "data_s_per_iter",
        "lr",
    ).filter(pl.col("x").is_not_null())


def _over_cycles(counter: pl.Expr) -> pl.Expr:
    """A counter of each attempt (`turn`) that does not fall: where it begins again, what it had reached is added."""
    before = counter.forward_fill().shift(1)
    reached = pl.when(counter < before).then(before).otherwise(0).cum_sum()
    return (counter + reached).over("turn")


def in_iterations(progress: pl.DataFrame, batch_size: int | None) -> pl.DataFrame:
    """`progress` of a counter that counts samples, in batches of so many; without a batch size only epochs are left."""
    batch = pl.lit(batch_size, pl.Int64)
    counters = ("iter", "iters_per_epoch", "global_iter")
    return progress.with_columns(*((pl.col(name) / batch).ceil().cast(pl.Int64) for name in counters)).with_columns(
        global_iter=(pl.col("epoch") - 1) * pl.col("iters_per_epoch") + pl.col("iter"),
        s_per_iter=pl.col("s_per_iter") * batch,
    )


def of_updates(progress: pl.DataFrame, total: int | None, grad_accum: int | None) -> pl.DataFrame:
    """`progress` of the bar that counts the run's updates, with seconds per iteration where A is known; and of records
    without a counter (the Trainer's dict lines), which stand at the update of the redraw behind them."""
    bar = progress.filter(pl.col("iters_per_epoch") == total).with_columns(
        global_iter="iter", s_per_iter=pl.col("s_per_iter") / pl.lit(grad_accum, pl.Int64)
    )
    lines = progress.filter(pl.col("iter").is_null() & pl.col("global_iter").is_null())
    both = pl.concat([bar, lines]).sort(KEYS)
    return both.with_columns(pl.col("global_iter").backward_fill().over("log_id"))


def at_updates(progress: pl.DataFrame, grad_accum: int | None) -> pl.DataFrame:
    """`progress` with the iterations of records that count updates alone (`analyze/engines`), where A is known."""
    alone = pl.all_horizontal(pl.col("iter", "global_iter").is_null().all().over("log_id"))
    iters = pl.col("update") * pl.lit(grad_accum, pl.Int64)
    return progress.with_columns(global_iter=pl.when(alone).then(iters).otherwise("global_iter")).drop("update")


def at_fractions(progress: pl.DataFrame, fractions: pl.DataFrame) -> pl.DataFrame:
    """`progress` with the fraction of an epoch at which a record stands (KEYS, value) in `epoch`, where it has one."""
    joined = progress.join(fractions.select(*KEYS, "value"), on=KEYS, how="left", maintain_order="left")
    return joined.with_columns(epoch=pl.coalesce("value", pl.col("epoch").cast(pl.Float64))).drop("value")


def _of_attempts(records: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """Only the lines of the run's attempts, with `turn`, the order of these attempts in time."""
    if attempts.is_empty():
        return records.with_columns(pl.lit(0).alias("turn"))
    spans = (
        attempts.sort("started_at", "log_id", "first_line", nulls_last=True)
        .select("log_id", "first_line", "last_line")
        .with_row_index("turn")
    )
    first, last = pl.col("first_line").fill_null(0), pl.col("last_line").fill_null(2**62)
    return records.join(spans, on="log_id", how="inner").filter(pl.col("line").is_between(first, last))


def _training_bar(records: pl.DataFrame, *totals: int | None) -> pl.Expr:
    """Of several bars (records that print nothing but n of a total), those with the first of these totals that any has;
    everything where none has one.
    """
    bar = pl.col("epoch").is_null() & pl.col("global_iter").is_null() & pl.col("iter").is_not_null()
    printed = records.filter(bar)["iters_per_epoch"].unique()
    total = next((total for total in totals if total is not None and total in printed), None)
    return pl.lit(True) if total is None else ~bar | (pl.col("iters_per_epoch") == total)


def loss_chart(records: pl.DataFrame, marks: tuple[Mark, ...]) -> Chart | None:
    """Train loss: printed values and their running mean; validation loss as points. None where no loss was printed."""
    train, val = (_series(records.filter(which), "loss") for which in (_TRAIN, pl.col("phase") == "val"))
    if train.is_empty() and val.is_empty():
        return None
    window = min(max(train.height // 40, 5), 200)
    finite = _finite(train)
    smooth = finite.with_columns(pl.col("y").rolling_mean(window, min_samples=1, center=True))
    smoothed = 2 * window < finite.height <= MOST_POINTS  # reduced points are means already
    points = _points(raw=train, mean=smooth if smoothed else finite.clear(), val=val)
    odd = train.height + val.height - finite.height - _finite(val).height
    alt = f"Loss over training: {words.plural(train.height, 'printed value')}"
    if finite.height:
        first, last, lowest = finite.select(pl.first("y"), pl.last("y").alias("last"), pl.min("y").alias("lowest")).row(
            0
        )
        alt += f", from {words.loss(first)} to {words.loss(last)}, lowest {words.loss(lowest)}"
    if val.height:
        alt += f"; {words.plural(val.height, 'validation value')}"
    if odd:
        alt += f"; {words.plural(odd, 'value')} NaN or infinite"
    label = f"mean of {window}" if smoothed else ""
    return Chart("loss", "Loss", alt, _axis(records), "loss", points, marks, level_label=label)


def pace_chart(records: pl.DataFrame, marks: tuple[Mark, ...], s_per_iter: float | None) -> Chart | None:
    """Seconds per iteration as printed, the part spent waiting for data, the run's median. None where nothing was."""
    train = records.filter(_TRAIN)
    pace, wait = _series(train, "s_per_iter"), _series(train, "data_s_per_iter")
    if pace.is_empty():
        return None
    values = _finite(pace)
    alt = f"Seconds per iteration: {words.plural(pace.height, 'printed value')}"
    if values.height:
        low, high = (words.number(end) for end in values.select(pl.min("y"), pl.max("y").alias("high")).row(0))
        alt += f", {low} to {high} s" if low != high else f", {low} s throughout"
    if s_per_iter is not None:
        alt += f", median of the run {words.number(s_per_iter)} s"
    if wait.height:
        alt += "; waiting for data shaded"
    label = "" if s_per_iter is None else f"median {words.number(s_per_iter)} s"
    points = _points(raw=pace, wait=wait)
    return Chart("pace", "Pace", alt, _axis(records), "seconds per iteration", points, marks, s_per_iter, label)


def lr_chart(records: pl.DataFrame, stages: Sequence[Mapping[str, Any]], marks: tuple[Mark, ...] = ()) -> Chart | None:
    """The learning rate as printed, with the run's rows of `stages`. None where no two printed rates differ."""
    train = _series(records.filter(_TRAIN), "lr")
    rates = _finite(train)
    if rates["y"].n_unique() < 2:
        return None
    first, last, low, high = rates.select(
        *(pl.first("y"), pl.last("y").alias("last"), pl.min("y").alias("low"), pl.max("y").alias("high"))
    ).row(0)
    spans = stage_spans(stages, _axis(records), rates["x"].min(), rates["x"].max())
    alt = f"Learning rate over training: {words.plural(train.height, 'printed value')}"
    alt += f", from {words.loss(first)} to {words.loss(last)}, between {words.loss(low)} and {words.loss(high)}"
    if spans:
        alt += f"; {words.listed(span.label for span in spans[:MOST_NAMED])}"
        alt += f" and {len(spans) - MOST_NAMED} more" if len(spans) > MOST_NAMED else ""
    changes = rates.filter(
        ((pl.col("y") != pl.col("y").shift(1)) | (pl.col("y") != pl.col("y").shift(-1))).fill_null(True)
    )
    points = _points(MOST_CHANGES, raw=pl.concat([changes, train.filter(~pl.col("y").is_finite())]))
    shown = tuple(m for m in marks if m.kind == "resume" or (m.kind == "epoch" and len(m.xs) <= MOST_EPOCHS_BEHIND))
    return Chart("lr", "Learning rate", alt, _axis(records), "", points, shown, spans=spans)


def stage_spans(stages: Sequence[Mapping[str, Any]], axis: str, first: Any, last: Any) -> tuple[Span, ...]:
    """Where the stages lie on an axis of iterations or, without cycles, of epochs that is drawn from `first` to `last`:
    each to the begin of the next. None where one of them has no place on it.
    """
    column = {"iteration": "first_iter", "epoch": "first_epoch"}.get(axis)
    if column is None or (axis == "epoch" and any(stage["first_cycle"] is not None for stage in stages)):
        return ()
    if not stages or any(stage[column] is None for stage in stages):
        return ()
    starts = [max(float(stage[column]), first) for stage in stages]
    ends = [*starts[1:], last]
    named = [words.stage(stage["kind"], stage["shape"]) for stage in stages]
    if len(stages) > 1:
        named = [f"{stage['stage']} {name}" for stage, name in zip(stages, named, strict=True)]
    spans = (Span(*span) for span in zip(starts, ends, named, strict=True))
    return tuple(span for span in spans if span.start < span.end)


def chart_marks(
    epoch_ends: Sequence[int | None], events: pl.DataFrame, iters_per_epoch: int | None
) -> tuple[Mark, ...]:
    """Where epochs end, checkpoints were saved and attempts were resumed, in iterations; epoch ends where few."""
    ends = sorted({float(end) for end in epoch_ends if end is not None})[:-1]
    at = pl.coalesce("global_iter", pl.col("epoch") * pl.lit(iters_per_epoch, pl.Int64)).cast(pl.Float64)
    marks = [Mark("epoch", tuple(ends))] if len(ends) <= MOST_EPOCH_MARKS else []
    for kind in ("checkpoint", "resume"):
        xs = events.filter(pl.col("kind") == kind).select(at.alias("x"))["x"].drop_nulls().unique().sort()
        marks.append(Mark(kind, tuple(xs.to_list()[-MOST_POINTS:])))
    return tuple(mark for mark in marks if mark.xs)


def reduce(points: pl.DataFrame, most: int = MOST_POINTS) -> pl.DataFrame:
    """x, y → x, y, lo, hi with at most BUCKETS rows where there were more than `most`: mean, lowest and highest of
    each bucket of equal width in x. `points` holds finite values only. A row of nulls parts what no line may bridge: a
    stretch of more than LONGEST_BRIDGE buckets without a value.
    """
    if points.height <= most:
        return points.select("x", "y", pl.col("y").alias("lo"), pl.col("y").alias("hi"))
    low, width = pl.col("x").min(), pl.col("x").max() - pl.col("x").min()
    bucket = ((pl.col("x") - low) / width * BUCKETS).floor().clip(0, BUCKETS - 1)
    reduced = (
        points.group_by(bucket.alias("bucket"))
        .agg(pl.mean("x"), pl.mean("y"), pl.min("y").alias("lo"), pl.max("y").alias("hi"))
        .sort("bucket")
    )
    after_gap = reduced.filter(pl.col("bucket").diff() > LONGEST_BRIDGE).select(
        "bucket", "x", *(pl.lit(None, pl.Float64).alias(name) for name in ("y", "lo", "hi"))
    )
    return pl.concat([after_gap, reduced]).sort("bucket", maintain_order=True).drop("bucket")


def _series(records: pl.DataFrame, column: str) -> pl.DataFrame:
    """x, y of one column; of several values at one x the last stands."""
    seen = records.select("x", pl.col(column).alias("y")).drop_nulls("y")
    return seen.unique("x", keep="last", maintain_order=True).sort("x")


def _finite(points: pl.DataFrame) -> pl.DataFrame:
    return points.filter(pl.col("y").is_finite())


def _points(most: int = MOST_POINTS, **series: pl.DataFrame) -> pl.DataFrame:
    frames = [
        reduce(_finite(points), most).select(pl.lit(name).alias("series"), pl.all()) for name, points in series.items()
    ]
    odd = pl.concat([points.filter(~pl.col("y").is_finite()) for points in series.values()]).unique("x").sort("x")
    odd = odd.gather_every(max(1, -(-odd.height // BUCKETS))).with_columns(lo=pl.col("y"), hi=pl.col("y"))
    return pl.concat([*frames, odd.select(pl.lit("odd").alias("series"), pl.all())])


def _axis(records: pl.DataFrame) -> str:
    return "record" if records.is_empty() else records["axis"][0]
