"""Dict lines of the Hugging Face Trainer beside its bar: the bar counts, the lines hold the values.

The lines have no counter; the Trainer's bar is unnamed, counts updates, and is redrawn behind each line with the exact
count (transformers 4.20 to 5.23, through `tqdm.write`). So in a log that holds both the bar makes the run, and losses,
rates and the run's format are those of the lines. Where the lines stand alone (`disable_tqdm`), they make the run.

A line's `epoch` e is the fraction of the data that was seen: full epochs, and A iterations an update within one. With
the count s beside it, it tells x = I/A, the updates of an epoch before the last window is rounded:
- in the first epoch s / e = x; in a later one between two lines Δs / Δe = x, whatever becomes of the last window;
- e is rounded: to two decimals (4.x; 4.40 not at all), to four significant digits (5.x). What the numbers of a log show
  is taken: e ± half of the last digit.
All lines together leave a range of x. Iterations of an epoch are A·x; its updates are ⌊x⌋ or ⌈x⌉.
"""

import polars as pl

from . import timeline
from .words import grouped

FORMAT = "huggingface"
PLACE = ["log_id", "line", "redraw", "piece"]
IN_LOG = {"line": pl.Int64, "redraw": pl.Int32, "piece": pl.Int32}
VALUES = {"lr": pl.Float64, "fraction": pl.Float64, "updates": pl.Int64, "total": pl.Int64}
OF_BAR = {f"bar_{name}": dtype for name, dtype in IN_LOG.items()}
NOTHING = pl.DataFrame(schema={"log_id": pl.String, **IN_LOG, **VALUES, **OF_BAR})
"""No line beside a bar."""
RARE = 0.1  # of a log's lines: so few stand before a bar of this total by chance
HALF_HUNDREDTH = 0.005
EXACT = 1e-9  # of a fraction that is printed as it is
SLACK = 1e-6  # of what is computed from fractions
ENDED_AT = "epochs_trained"
NAMED = "values_of"


def beside_bars(progress: pl.LazyFrame, metrics: pl.LazyFrame, logs: pl.DataFrame) -> pl.DataFrame:
    """Training lines with the redraw behind each: PLACE, lr, fraction, updates (n), total, and the redraw's place as
    bar_line, bar_redraw, bar_piece; only those before a bar that many lines of the log stand before. `logs` has log_id
    and formats: where none has both kinds of records nothing is read."""
    holds = [pl.col("formats").list.contains(name) for name in (FORMAT, *timeline.BARS)]
    both_kinds = logs.filter(pl.all_horizontal(holds))["log_id"]
    if not len(both_kinds):
        return NOTHING
    of_logs = pl.col("log_id").is_in(both_kinds.implode())
    is_line = (pl.col("format") == FORMAT) & (pl.col("phase") == "train")
    lines = progress.filter(of_logs & is_line).select(*PLACE, "lr")
    unnamed = pl.col("format").is_in(timeline.BARS) & pl.col("bar").is_null() & pl.col("iter").is_not_null()
    bars = progress.filter(of_logs & unnamed).select(*PLACE, updates="iter", total="iters_per_epoch")
    fractions = metrics.filter((pl.col("format") == FORMAT) & (pl.col("name") == "epoch") & of_logs)
    told = lines.join(fractions.select(*PLACE, fraction="value"), on=PLACE, how="left").with_columns(is_line=True)
    of_bar = pl.struct("line", "redraw", "piece", "updates", "total")
    both = (
        pl.concat([told, bars], how="diagonal")
        .sort(PLACE)
        .with_columns(bar=pl.when(pl.col("is_line").is_null() & pl.col("total").is_not_null()).then(of_bar))
        .with_columns(pl.col("bar").backward_fill().over("log_id"))
        .filter("is_line")
        .drop("updates", "total", "is_line")
        .drop_nulls("bar")
        .with_columns(pl.col("bar").struct.rename_fields(["bar_line", "bar_redraw", "bar_piece", "updates", "total"]))
        .unnest("bar")
    )
    often = pl.len().over("log_id", "total") >= RARE * pl.len().over("log_id")
    return both.filter(often).select(NOTHING.columns).collect(engine="streaming")


def counted(beside: pl.DataFrame) -> pl.DataFrame:
    """Logs whose lines are counted by a bar: log_id, format."""
    return beside.select("log_id", format=pl.lit(FORMAT)).unique()


def totals(beside: pl.DataFrame) -> pl.DataFrame:
    """The totals of these bars, each a number of updates: log_id, total."""
    return beside.select("log_id", "total").unique()


def rates(beside: pl.DataFrame) -> pl.DataFrame:
    """The learning rates of the lines at the redraws behind them, as `rates.printed` has those of metrics."""
    place = {name: f"bar_{name}" for name in PLACE[1:]}
    return beside.select("log_id", "lr", **place).unique(PLACE, keep="last", maintain_order=True)


def spoken(frame: pl.DataFrame, speaking: pl.DataFrame, log_id: str) -> pl.DataFrame:
    """`frame` with the format of its lines where bars speak for them; `log_id` names the column of its log."""
    of_logs = speaking.select(pl.col("log_id").alias(log_id), pl.col(NAMED))
    renamed = frame.join(of_logs, on=log_id, how="left", maintain_order="left")
    is_bar = pl.col("format").is_in(timeline.BARS)
    return renamed.with_columns(format=pl.when(is_bar).then(pl.coalesce(NAMED, "format")).otherwise("format")).drop(
        NAMED
    )


def epoch_lengths(beside: pl.DataFrame) -> pl.DataFrame:
    """What the lines say of an epoch's length x = I/A: log_id, line, low, high, text; one row for each log and total
    whose lines agree. `line` is one that bounds it closest."""
    lines = digits(beside.drop_nulls("fraction").filter(pl.col("fraction").is_finite() & (pl.col("updates") > 0)))
    own, half = ["log_id", "total"], pl.col("half")
    s, e = pl.col("updates"), pl.col("fraction")
    epoch = e.floor()
    inside = lines.filter((e > half) & ((e - e.round()).abs() > half)).with_columns(epoch=epoch)
    first = inside.filter(pl.col("epoch") == 0).select(
        *own, "line", "updates", "fraction", low=s / (e + half), high=s / (e - half)
    )
    ahead = {"from_s": s.first(), "from_e": e.first()}
    later = (
        inside.with_columns(turn=(s.diff() < 0).fill_null(False).cum_sum().over(own))
        .filter(pl.col("epoch") > 0)
        .with_columns(value.over(*own, "turn", "epoch").alias(name) for name, value in ahead.items())
        .with_columns(ds=s - pl.col("from_s"), de=e - pl.col("from_e"), both=2 * half)
        .filter((pl.col("ds") > 0) & (pl.col("de") > pl.col("both")))
        .select(
            *own,
            "line",
            "updates",
            "fraction",
            low=pl.col("ds") / (pl.col("de") + pl.col("both")),
            high=pl.col("ds") / (pl.col("de") - pl.col("both")),
        )
    )
    bounds = pl.concat([first, later])
    narrow = pl.col("high") - pl.col("low")
    place = pl.col("line", "updates", "fraction").sort_by(narrow, "line").first()
    agreed = bounds.group_by(own, maintain_order=True).agg(place, pl.col("low").max(), pl.col("high").min())
    return agreed.filter(pl.col("low") <= pl.col("high") + SLACK).select(
        "log_id",
        "line",
        "low",
        "high",
        text=pl.format("update {} stands at epoch {}", grouped(pl.col("updates")), pl.col("fraction").round(4)),
    )


def fractions(beside: pl.DataFrame, facts: pl.LazyFrame) -> pl.DataFrame:
    """Every fraction that is told, at a line or by the closing summary: log_id, line, fraction."""
    closing = facts.filter((pl.col("name") == ENDED_AT) & (pl.col("source") == "log"))
    ends = closing.select("log_id", "line", fraction="number").collect(engine="streaming")
    every = pl.concat([beside.select(ends.columns), ends])
    return every.filter(pl.col("fraction").is_finite())


def reached(told: pl.DataFrame) -> pl.DataFrame:
    """How far each run came, by the last fraction of its last attempt: run_id, fraction. `told` are `fractions` with
    run_id and turn."""
    return told.sort("run_id", "turn", "line").group_by("run_id").agg(pl.col("fraction").last())


def claims(lengths: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """`epoch_lengths` of runs (run_id, turn) as claims: iterations of an epoch where one accumulation is claimed in
    `said` (claims), else its updates."""
    accumulated = said.filter((pl.col("name") == "grad_accum") & (pl.col("low").n_unique().over("run_id", "name") == 1))
    each = lengths.join(accumulated.select("run_id", a="low").unique(), on="run_id", how="left")
    least, most = pl.col("low") * pl.col("a"), pl.col("high") * pl.col("a")
    return each.select(
        "run_id",
        "turn",
        "log_id",
        "line",
        "text",
        source=pl.lit("counted"),
        name=pl.when(pl.col("a").is_null()).then(pl.lit("updates_per_epoch")).otherwise(pl.lit("iters_per_epoch")),
        low=pl.coalesce((least - SLACK).ceil(), (pl.col("low") + SLACK).floor()).clip(1).cast(pl.Int64),
        high=pl.coalesce((most + SLACK).floor(), (pl.col("high") - SLACK).ceil()).cast(pl.Int64),
    ).filter(pl.col("low") <= pl.col("high"))


def digits(lines: pl.DataFrame) -> pl.DataFrame:
    """`lines` in order with `half`: half of the last digit that the fractions of their log show. Without the logs whose
    lines do not stand by their redraws: stdout that is buffered comes in bursts, several lines before one redraw."""
    e = pl.col("fraction")
    hundredths = ((e * 100 - (e * 100).round()).abs() < 1e-6).all().over("log_id")
    significant = (((e.round_sig_figs(4) - e) / e.clip(1e-12)).abs() < 1e-9).all().over("log_id")
    magnitude = 10.0 ** (e.clip(1e-12).log10().floor() - 3)
    half = (
        pl.when(hundredths)
        .then(pl.max_horizontal(pl.lit(HALF_HUNDREDTH), magnitude / 2))
        .when(significant)
        .then(magnitude / 2)
        .otherwise(EXACT)
    )
    shared = pl.struct("bar_line", "bar_redraw", "bar_piece")
    bursts = (shared == shared.shift(1).over("log_id")).fill_null(False).any().over("log_id")
    return lines.sort(PLACE).with_columns(half=half).filter(~bursts)
