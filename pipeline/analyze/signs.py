"""Signs of an epoch's length and of accumulation in a log's records, beyond the totals that they print.

Each function gives statements, one a row: the log, a line that shows it, the quantity and the range that it allows.
What cannot be told apart from chance is no sign: a pause has to come back in step, an odd line has to be the only one.
"""

import polars as pl

from . import lr_periods, plateaus, stages, timeline
from .stats import ceil_div
from .words import grouped

COLUMNS = ["log_id", "line", "name", "low", "high", "source", "text"]
SCHEMA = pl.Schema(
    {name: pl.Int64 if name in ("line", "low", "high") else pl.String for name in COLUMNS}  # one shape for all signs
)
SHAPE = {"log": pl.UInt32(), "line": pl.Int64(), "low": pl.Int64(), "high": pl.Int64(), "text": pl.String()}
NAMED_EVERY = 1000  # LoggerHook.interval_exp_name, mmengine 0.1.0 to 0.10.7
WINDOW = 10  # LogProcessor.window_size: a printed time is the mean of so many iterations
PAUSE_S = 2.0  # _InfiniteDataloaderIterator sleeps so long before it begins again
FEWEST = 2  # pauses: one alone may be chance
NOISE = (0.9, 3.0)  # of a pause: what a bump of data_time may be (workers that start anew take their time)


def of_records(rows: pl.DataFrame, events: pl.DataFrame, cuts: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """All signs of a batch of logs: log_id, line, name, low, high, source (`counted`), text.

    `rows` as `timeline.in_attempts` gives them, `events` from `timeline.keyed`, `cuts` from `timeline.cuts`.
    """
    train = rows.filter(pl.col("train") & pl.col("done").is_not_null())
    by_iter = train.filter(pl.col("iters_planned").is_not_null() & pl.col("iter").is_null())
    happened = timeline.in_attempts(events, cuts)
    resumed = happened.filter(pl.col("kind") == "resume").select("aid").unique()
    from_start = by_iter.join(resumed, on="aid", how="anti")
    found = [
        odd_name(by_iter, happened),
        first_wrap(from_start, happened.join(resumed, on="aid", how="anti")),
        pauses(from_start),
        running_on(train),
        last_lines(rows.filter("train")),
    ]
    signs = [(frame, "iters_per_epoch") for frame in found] + [(rate_periods(train), "grad_accum")]
    every = pl.concat([frame.with_columns(name=pl.lit(name), source=pl.lit("counted")) for frame, name in signs])
    return every.join(speaking.select("log", "log_id"), on="log").select(
        pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()
    )


def between(by_iter: pl.DataFrame, events: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Events of a kind with the iterations of the train lines before and after: `after` (0: none), `before` (the plan
    where none follows)."""
    lines = by_iter.sort("key").select("key", "aid", "done")
    plans = by_iter.group_by("aid").agg(pl.col("iters_planned").last())
    of_kind = events.filter(pl.col("kind") == kind).select("key", "aid", "log", "line").sort("key")
    ahead = lines.rename({"done": "before"})
    return (
        of_kind.join_asof(lines.rename({"done": "after"}), on="key", by="aid", check_sortedness=False)
        .join_asof(ahead, on="key", by="aid", strategy="forward", check_sortedness=False)
        .join(plans, on="aid")
        .with_columns(after=pl.col("after").fill_null(0), before=pl.coalesce("before", "iters_planned"))
    )


def odd_name(by_iter: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """mmengine's `Exp name` line out of step: it stands at every 1,000th iteration, and once behind iteration
    len(dataloader), because by iteration the batch index runs on (LoggerHook.after_train_iter, 0.1.0 to 0.10.7)."""
    placed = between(by_iter, events, "exp_name")
    odd = placed.filter(pl.col("before") // NAMED_EVERY == pl.col("after") // NAMED_EVERY)
    return odd.filter(pl.len().over("aid") == 1).select(
        "log",
        "line",
        low=pl.col("after") + 1,
        high="before",
        text=pl.format(
            "the odd `Exp name` line between iterations {} and {}",
            grouped(pl.col("after")),
            grouped(pl.col("before")),
        ),
    )


def first_wrap(by_iter: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """mmengine's note that the loader begins again, which it prints once, while it fetches iteration I + 1."""
    placed = between(by_iter, events, "data_wrap").unique("aid", keep="first", maintain_order=True)
    return placed.filter(pl.col("before") > 1).select(
        "log",
        "line",
        low=pl.col("after").clip(1),
        high=pl.col("before") - 1,
        text=pl.format(
            "the loader begins again between iterations {} and {}", grouped(pl.col("after")), grouped(pl.col("before"))
        ),
    )


def pauses(by_iter: pl.DataFrame) -> pl.DataFrame:
    """Where `data_time` is 0.2 s higher: the loader's pause of 2 s in a mean of ten, after every I-th iteration.

    Line b shows it where k·I lies in [b − 10, b − 1]. It is a sign where lines are no further apart than the mean is
    long, and where at least two pauses stand at all multiples of one I that the log reaches, and nowhere else. What
    takes longer (a checkpoint) may hide a pause: behind the last one it leaves the sign unread.
    """
    mean = PAUSE_S / WINDOW
    timed = by_iter.filter(pl.col("data_s_per_iter").is_not_null()).with_columns(
        step=pl.col("done").diff().over("aid"),
        extra=pl.col("data_s_per_iter") - pl.col("data_s_per_iter").median().over("aid"),
        reached=pl.col("done").max().over("aid"),
    )
    dense = timed.filter((pl.col("step").max().over("aid") <= WINDOW) & pl.col("step").is_not_null())
    bumps = dense.filter(pl.col("extra").is_between(NOISE[0] * mean, NOISE[1] * mean)).with_columns(
        nth=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("aid")
    )
    hidden = dense.filter(pl.col("extra") > NOISE[1] * mean).group_by("aid").agg(hidden=pl.col("done").max())
    fitted = (
        bumps.group_by("aid", maintain_order=True)
        .agg(
            pl.col("log", "line", "reached").first(),
            low=ceil_div(pl.col("done") - WINDOW, pl.col("nth")).max(),
            high=((pl.col("done") - 1) // pl.col("nth")).min(),
            next=pl.len().cast(pl.Int64) + 1,
            at=grouped(pl.col("done")).head(4).str.join(", "),
        )
        .join(hidden, on="aid", how="left")
        .filter((pl.col("next") > FEWEST) & ~(pl.col("hidden") > pl.col("next") * pl.col("low")).fill_null(False))
        .with_columns(low=pl.max_horizontal("low", (pl.col("reached") - 1) // pl.col("next") + 1))
    )
    return fitted.filter((pl.col("low") <= pl.col("high")) & (pl.col("low") > 0)).select(
        "log",
        "line",
        "low",
        "high",
        text=pl.format("data_time is 0.2 s higher at {} (the loader's pause between epochs)", "at"),
    )


def running_on(train: pl.DataFrame) -> pl.DataFrame:
    """A second counter that runs on over epochs: `Epoch [2/5], Batch [50/312], Step [362/1560]` → (362 − 50) / 1."""
    printed = pl.col("iters_planned").is_not_null() | pl.col("iters_per_epoch").is_null()
    both = train.filter((pl.col("epoch") > 1) & pl.col("iter").is_not_null() & printed).with_columns(
        before=pl.col("done") - pl.col("iter"), turns=pl.col("epoch").cast(pl.Int64) - 1
    )
    exact = (pl.col("before") == pl.col("before") // pl.col("turns") * pl.col("turns")).all().over("aid")
    per_epoch = pl.col("before") // pl.col("turns")
    return (
        both.filter(exact & (per_epoch.n_unique().over("aid") == 1) & (per_epoch > 0))
        .unique("aid", keep="first", maintain_order=True)
        .select(
            "log",
            "line",
            low=per_epoch,
            high=per_epoch,
            text=pl.format(
                "the counter runs on: {} at {} of epoch {}",
                grouped(pl.col("done")),
                grouped(pl.col("iter")),
                "epoch",
            ),
        )
    )


def last_lines(train: pl.DataFrame) -> pl.DataFrame:
    """Where a line comes every d iterations and prints no total, the last one of every epoch that was followed by
    another: an epoch has from its number to d − 1 more."""
    counted = train.filter(
        pl.col("epoch").is_not_null() & pl.col("iter").is_not_null() & pl.col("iters_per_epoch").is_null()
    )
    step = pl.col("iter").diff().drop_nulls()
    of_epochs = (
        counted.group_by("aid", "epoch", maintain_order=True)
        .agg(
            pl.col("log").first(),
            pl.col("line").last(),
            first=pl.col("iter").first(),
            last=pl.col("iter").last(),
            step=step.first(),
            even=(step.n_unique() == 1),
        )
        .with_columns(zero=pl.col("first") == 0)
        .filter((pl.col("epoch") < pl.col("epoch").max().over("aid")) & (pl.col("step") > 0))
    )
    in_step = (pl.col("even") & (pl.col("zero") | (pl.col("first") == pl.col("step")))).all().over("aid")
    same = (pl.struct("first", "last", "step").n_unique() == 1).over("aid")
    low = pl.col("last") + pl.col("zero").cast(pl.Int64)
    return (
        of_epochs.filter(in_step & same)
        .unique("aid", keep="first", maintain_order=True)
        .select(
            "log",
            "line",
            low=low,
            high=low + pl.col("step") - 1,
            text=pl.format(
                "the last line of an epoch is at {}, one comes every {}",
                grouped(pl.col("last")),
                grouped(pl.col("step")),
            ),
        )
    )


def rate_periods(train: pl.DataFrame) -> pl.DataFrame:
    """A, where every iteration of numbered epochs is printed and the learning rate changes at every A-th."""
    whole = train.group_by("aid").agg(every=pl.col("done").max() - pl.col("done").min() + 1 == pl.len())
    dense = train.join(whole.filter("every"), on="aid", how="semi", maintain_order="left")
    shown = dense.filter((pl.col("lr") > 0) & pl.col("lr").is_finite() & pl.col("epoch").is_not_null())
    changing = (
        shown.group_by("aid")
        .agg(rows=pl.len(), steps=(pl.col("done").diff() != 1).sum(), changes=(pl.col("lr").diff() != 0).sum())
        .filter((pl.col("steps") == 0) & pl.col("changes").is_between(lr_periods.FEWEST, pl.col("rows") // 2))
    )
    points = shown.join(changing, on="aid", how="semi", maintain_order="left").with_columns(
        since=pl.lit(None, pl.Int64), log_id=pl.col("log").cast(pl.String), run="aid"
    )
    if not points.height:
        return pl.DataFrame(schema=SHAPE)
    logs = points.select("run", "log").unique()
    levels = stages.segmented(plateaus.plateaus(plateaus.digits(points)))
    return (
        lr_periods.of_logs(levels)
        .join(logs, on="run")
        .select(
            "log",
            "line",
            low="period",
            high="period",
            text=pl.format("the learning rate changes every {} iterations", "period"),
        )
    )


def of_updates(progress: pl.LazyFrame) -> pl.LazyFrame:
    """Signs of logs whose records count iterations and updates side by side: A = iterations / updates where that is one
    whole number in all of them (DeepSpeed's micro_step and global_step), and the printed total of updates."""
    both = progress.filter((pl.col("update") > 0) & (pl.col("global_iter") > 0))
    ratio = pl.col("global_iter") // pl.col("update")
    exact = ((pl.col("global_iter") % pl.col("update") == 0).all() & (ratio.n_unique() == 1)).alias("exact")
    accumulated = (
        both.group_by("log_id")
        .agg(pl.col("line", "global_iter", "update").first(), exact, low=ratio.first())
        .filter("exact")
        .select(
            "log_id",
            "line",
            name=pl.lit("grad_accum"),
            low="low",
            high="low",
            source=pl.lit("counted"),
            text=pl.format("{} iterations are {} updates", grouped(pl.col("global_iter")), grouped(pl.col("update"))),
        )
    )
    planned = (
        progress.filter(pl.col("updates_planned") > 0)
        .group_by("log_id")
        .agg(pl.col("line").first(), total=pl.col("updates_planned").last(), same=pl.col("updates_planned").n_unique())
        .filter(pl.col("same") == 1)
        .select(
            "log_id",
            "line",
            name=pl.lit("updates_planned"),
            low="total",
            high="total",
            source=pl.lit("log"),
            text=pl.lit(None, pl.String),
        )
    )
    return pl.concat([accumulated, planned])
