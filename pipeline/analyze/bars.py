"""Runs that only progress bars tell of: which bar counts training, its turns, its attempt, its epochs.

A tqdm bar counts whatever the script feeds it; nothing in it says "training". A bar makes a run only in a log where no
other format speaks, and only if its description is not one of the known kinds that do not train (`NOT_TRAINING`).
Elapsed time leaves out what a resumed bar (`initial=`) had done before; the printed rate is smoothed until the bar
closes (tqdm 4.x, `smoothing=0.3`), so the pace is taken from differences of n and elapsed.
"""

import polars as pl

from ..tables import ATTEMPTS
from . import bar_cycles, timeline
from .stats import product, spread

# (pattern on the description, case ignored; one description as it is printed)
NOT_TRAINING: tuple[tuple[str, str], ...] = (
    (r"^download", "Downloading data"),
    (r"^upload", "Upload 3 LFS files"),
    (r"^fetching", "Fetching 4 files"),
    (r"^loading", "Loading checkpoint shards"),
    (r"\bcheckpoint shards?\b", "Converting checkpoint shards"),
    (r"^(map|filter|flatten|casting|saving|creating|resolving|computing)\b", "Map (num_proc=8)"),
    (r"^generating\b", "Generating train split"),
    (r"\btokeni[sz]", "Running tokenizer on dataset"),
    (r"^(files|docs|documents|shards)$", "files"),
    (r"\.(safetensors|bin|json|txt|model|pth?|ckpt|gz|tar|zip|tgz|parquet|arrow|pkl)\b", "pytorch_model.bin"),
    (r"^(pre-?)?processing (prompts|requests|files|images|examples|documents|data)", "Processing prompts"),
    (r"^(reading|parsing|scanning|indexing|caching|converting|preparing|grouping|shuffling)\b", "Caching images"),
    (r"^(encoding|decoding|collecting|merging|quantizing|packing|unpacking|extracting)\b", "Extracting files"),
    (r"^(train|val|test): scanning", "train: Scanning labels"),
    (r"\bval(id(at\w*)?)?\b", "Validation DataLoader 0"),
    (r"\btest(ing)?\b", "Testing DataLoader 0"),
    (r"\beval(uat\w*)?\b", "Evaluating"),
    (r"\b(predict\w*|inference|inferring|sampling|rendering|generation)\b", "Predicting"),
    (r"^sanity check", "Sanity Checking"),
    (r"\bcuda graph", "Capturing CUDA graph shapes"),
)
OTHER_WORK = "(?i)" + "|".join(f"(?:{pattern})" for pattern, _ in NOT_TRAINING)
NUMBER = r"[-+]?\d+([.,]\d+)*(e[-+]?\d+)?|\b(nan|inf)\b"
EPOCH = r"(?i)\bepochs?\b\W{0,3}(\d{1,9})(?:\s*/\s*(\d{1,9}))?"
ONE_EPOCH = r"(?i)\bepochs?\b\W{0,3}#"  # in a kind: the bar of one numbered epoch
TICK_S = 30.0  # pace from differences of frames at least this far apart: elapsed is printed in whole seconds
SHORT_S = 20.0  # below this the second of the elapsed time is too coarse for a pace
TOO_FAST = 100_000.0  # per second: a bar that fast counts bytes or rows
LONG_TURN_S, MANY_TURNS = 120.0, 5  # this many turns this long: each turn as a whole is one value
CURSOR_ROW = r"^row \d+$"
RESUMED_AT = r"^resumed at update (\d+)$"  # what the Trainer's parser calls the line of its global step


def rows(progress: pl.LazyFrame, speaking: pl.DataFrame) -> pl.LazyFrame:
    """The bar rows of logs where bars speak, without the kinds that do not train; narrow, with `key`."""
    return (
        progress.filter(pl.col("format").is_in(timeline.BARS) & pl.col("iter").is_not_null())
        .filter(~pl.col("bar").fill_null("").str.contains(OTHER_WORK))
        .select(
            "log_id",
            "format",
            "line",
            "redraw",
            "piece",
            "bar",
            "elapsed_s",
            "eta_s",
            "s_per_iter",
            n="iter",
            total="iters_per_epoch",
        )
        .with_columns(log=timeline.number(speaking))
        .filter(pl.col("log").is_not_null())
        .with_columns(
            key=timeline.key("log", "line"),
            kind=pl.when(~pl.col("bar").str.contains(CURSOR_ROW))
            .then(pl.col("bar").str.replace_all(NUMBER, "#"))
            .otherwise("bar"),
        )
        .drop("log_id", "format")
    )


def turned(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `rows` in order, with `turn`: how often the bar of this log, description and total has begun anew.

    A bar begins anew where n or the elapsed time falls: `initial=` may lift n, but never the elapsed time.
    """
    bar = ["log", "kind", "total"]
    fell = (pl.col("n").diff() < 0) | (pl.col("elapsed_s").diff() < -1)
    return rows.with_columns(turn=fell.over(bar).fill_null(False).cum_sum().over(bar))


def resumes(rows: pl.DataFrame, events: pl.DataFrame, of_updates: pl.DataFrame) -> pl.DataFrame:
    """Turns of bars that count updates (`of_updates`) whose process resumed: log, kind, total, turn, resumed, and
    resumed_at (the update that the log names, else null). `rows` from `turned`, `events` from `timeline.keyed`.

    The event stands before the turn's last frame and behind those of the turn before.
    """
    bar = ["log", "kind", "total", "turn"]
    counted = rows.join(of_updates, on=["log", "total"], how="semi")
    ends = counted.group_by(bar).agg(pl.col("line").max().alias("last_line")).sort("last_line")
    said = events.filter(pl.col("kind") == "resume").select(
        "log", "line", resumed_at=pl.col("message").str.extract(RESUMED_AT).cast(pl.Int64, strict=False)
    )
    found = said.sort("line").join_asof(
        ends, left_on="line", right_on="last_line", by="log", strategy="forward", check_sortedness=False
    )
    return (
        found.drop_nulls("last_line")
        .group_by(bar)
        .agg(pl.col("resumed_at").drop_nulls().last(), resumed=pl.lit(value=True))
    )


def without_jumps(rows: pl.DataFrame, resumed: pl.DataFrame) -> pl.DataFrame:
    """`rows` without the frames at 0 of resumed turns: the bar jumps from there to the first update that is done, and
    what lies between was done by the process before."""
    bar = ["log", "kind", "total", "turn"]
    at_zero = resumed.select(*bar, n=pl.lit(0, pl.Int64))
    return rows.join(at_zero, on=[*bar, "n"], how="anti", nulls_equal=True, maintain_order="left")


def turns(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per turn of a bar: log, kind, total, turn, first/last line, n, elapsed and frames, closing pace."""
    return (
        rows.lazy()
        .group_by("log", "kind", "total", "turn")
        .agg(
            pl.col("line").min().alias("first_line"),
            pl.col("line").max().alias("last_line"),
            pl.len().alias("frames"),
            *(pl.col(name).first().alias(f"first_{name}") for name in ("n", "elapsed_s")),
            *(pl.col(name).last().alias(f"last_{name}") for name in ("n", "elapsed_s", "eta_s", "s_per_iter")),
            pl.col("bar").last(),
        )
        .collect()
        .with_columns(
            whole=(pl.col("last_n") == pl.col("total")).fill_null(False),
            spent_n=pl.when((pl.col("frames") == 1) & (pl.col("last_elapsed_s") > 0))
            .then("last_n")
            .otherwise(pl.col("last_n") - pl.col("first_n")),
            spent_s=pl.when(pl.col("frames") == 1)
            .then("last_elapsed_s")
            .otherwise(pl.col("last_elapsed_s") - pl.col("first_elapsed_s")),
            named_epoch=pl.col("bar").str.extract(EPOCH, 1).cast(pl.Int64, strict=False),
            named_epochs=pl.col("bar").str.extract(EPOCH, 2).cast(pl.Int64, strict=False),
        )
    )


def speaking_bars(turns: pl.DataFrame, of_updates: pl.DataFrame) -> pl.DataFrame:
    """One row per log: the bar that counts iterations, with its turns and the epochs that its outer bar counts.

    Of several bars those of a numbered epoch go first, and of them the one speaks that counted most in all its turns,
    or would have (the inner one of a nest; a training that never moved before a short bar that did). A bar around it,
    whose total its turns fit, counts epochs: outer_total, outer_n, and outer_turns where it begins again. A bar of
    `of_updates` (log, total, of_lines) behind the Trainer's lines goes before all.
    """
    slow_enough = pl.col("last_n") <= TOO_FAST * pl.col("last_elapsed_s").fill_null(0).clip(1)
    bars = (
        turns.filter(slow_enough)
        .group_by("log", "kind", "total")
        .agg(
            turns=pl.len(),
            whole=pl.col("whole").sum(),
            counted=pl.max_horizontal(pl.col("last_n").sum(), pl.col("total").max()),
            frames=pl.col("frames").sum(),
            first_line=pl.col("first_line").min(),
            last_line=pl.col("last_line").max(),
            n=pl.col("last_n").last(),
        )
        .with_columns(epoch=pl.col("kind").str.contains(ONE_EPOCH).fill_null(False))
        .join(of_updates.select("log", "total", "of_lines"), on=["log", "total"], how="left")
        .with_columns(of_lines=(pl.col("of_lines") & pl.col("kind").is_null()).fill_null(False))
    )
    best = bars.sort(
        ["log", "of_lines", "epoch", "counted", "frames", "first_line", "kind", "total"],
        descending=[False, True, True, True, True, False, False, False],
    ).unique("log", keep="first", maintain_order=True)
    others = bars.join(best.select("log", "kind", "total"), on=["log", "kind", "total"], how="anti", nulls_equal=True)
    outer_done = pl.col("total") * (pl.col("turns").cast(pl.Int64) - 1) + pl.col("n")
    outer = (
        others.join(best, on="log", suffix="_in")
        .filter(
            ((pl.col("turns") == 1) | (pl.col("whole") >= pl.col("turns") - 1))
            & (pl.col("total") * pl.col("turns") >= pl.col("turns_in"))
            & ((outer_done.cast(pl.Int64) - pl.col("whole_in").cast(pl.Int64)).abs() <= 1)
            & (pl.col("first_line") <= pl.col("first_line_in") + 1)
            & (pl.col("last_line") >= pl.col("last_line_in") - 2)
        )
        .sort("log", "total", "kind")
        .unique("log", keep="first", maintain_order=True)
        .select("log", outer_total="total", outer_n="n", outer_turns="turns")
    )
    aside = others.group_by("log").agg(other_bars=pl.len())
    return (
        best.join(outer, on="log", how="left")
        .join(aside, on="log", how="left")
        .with_columns(pl.col("other_bars").fill_null(0))
    )


def spoken_turns(
    turns: pl.DataFrame, bars: pl.DataFrame, of_updates: pl.DataFrame, resumed: pl.DataFrame
) -> pl.DataFrame:
    """The turns of the speaking bars as epochs: epoch (1-based), epochs_planned, and the iterations up to each.

    `of_updates` (log, total, told) names totals that are a stated number of updates: the turns of such a bar are
    attempts without epochs, each with its own count. Where only an argument states it (not `told` by a result), or the
    bar is that of a numbered epoch, a bar that begins anew is taken for one of epochs. `resumed` from `resumes`.
    """
    chosen = (
        turns.join(
            bars.select("log", "kind", "total", "turns", "outer_total", "outer_n", "outer_turns", "other_bars"),
            on=["log", "kind", "total"],
            nulls_equal=True,
        )
        .join(of_updates, on=["log", "total"], how="left")
        .join(resumed, on=["log", "kind", "total", "turn"], how="left", nulls_equal=True)
        .sort("log", "turn")
        .with_columns(
            nth=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("log"),
        )
        .with_columns(named_epoch=pl.coalesce("named_epoch", bar_cycles.OF_OUTER))
        .with_columns(
            zero_based=(pl.col("named_epoch").min() == 0).over("log"),
            of_updates=(pl.col("told").is_not_null() & (pl.col("told") | (pl.col("turns") == 1)))
            & pl.col("named_epoch").is_null(),
        )
    )
    named = pl.col("named_epoch") + pl.col("zero_based").cast(pl.Int64)
    in_step = (named.diff().over("log").fill_null(1) == 1).all().over("log") & named.is_not_null().all().over("log")
    before = pl.col("last_n").cum_sum().over("log") - pl.col("last_n")
    chosen = chosen.with_columns(
        attempt=pl.when("of_updates").then("nth").otherwise(1),
        epoch=pl.when("of_updates").then(None).when(in_step).then(named).otherwise(pl.col("nth").cast(pl.Int64)),
        before=pl.when("of_updates").then(0).otherwise(before),
        in_step=in_step,
    )
    skipped = (
        pl.when("in_step").then((pl.col("epoch").first().over("log") - 1) * pl.col("total")).otherwise(0).fill_null(0)
    )
    return chosen.with_columns(
        start=pl.col("before")
        + skipped
        + pl.coalesce("resumed_at", pl.when(pl.col("frames") > 1).then("first_n").otherwise(0)),
        end=pl.col("before") + skipped + pl.col("last_n"),
        epochs_planned=pl.coalesce(small("named_epochs"), small("outer_total")),
    )


def small(name: str) -> pl.Expr:
    """A count of epochs, null where it is none that a run could have."""
    return pl.when(pl.col(name).is_between(1, 2**31 - 1)).then(pl.col(name))


def paced(rows: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Seconds per iteration over stretches of the speaking bars: log, turn, value, by_clock.

    A log with several long turns gives one value per turn. Otherwise a turn gives one value per tenth of its time, half
    a minute at least; one too short for that gives one as a whole; where not even that is long against the second of
    the elapsed time, the printed rate of its last frame is taken.
    """
    bar = ["log", "kind", "total", "turn"]
    timed = chosen.with_columns(
        tick_s=pl.max_horizontal(pl.lit(TICK_S), pl.col("spent_s") / 10),
        many=(pl.col("spent_s") >= LONG_TURN_S).sum().over("log") >= MANY_TURNS,
    )
    ticks = (
        rows.lazy()
        .join(
            timed.lazy().filter(~pl.col("many")).select(*bar, "tick_s"), on=bar, nulls_equal=True, maintain_order="left"
        )
        .group_by("log", "turn", tick=(pl.col("elapsed_s") / pl.col("tick_s")).floor())
        .agg(pl.col("n", "elapsed_s").first())
        .sort("log", "turn", "tick")
        .with_columns(pl.col("n", "elapsed_s").diff().over("log", "turn"))
        .filter((pl.col("n") > 0) & (pl.col("elapsed_s") > 0))
        .select("log", "turn", value=pl.col("elapsed_s") / pl.col("n"), by_clock=True)
        .collect()
    )
    enough = ticks.group_by("log", "turn").len().filter(pl.col("len") >= 3)
    resolved = ((pl.col("spent_s") >= SHORT_S) & (pl.col("spent_n") > 0)).fill_null(False)
    whole = timed.join(enough, on=["log", "turn"], how="anti").select(
        "log",
        "turn",
        value=pl.when(resolved).then(pl.col("spent_s") / pl.col("spent_n")).otherwise("last_s_per_iter"),
        by_clock=resolved,
    )
    return pl.concat([ticks.join(enough, on=["log", "turn"], how="semi"), whole]).filter(pl.col("value") > 0)


def rates(rows: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """The rows of the speaking bars that show a learning rate, as `plateaus.points` asks for them, with log, attempt.

    `done` is what the bar counts: updates, where it counts these.
    """
    bar = ["log", "kind", "total", "turn"]
    shown = rows.filter(pl.col("lr").is_not_null()).join(
        chosen.select(*bar, "attempt", "epoch", "cycle", "base", offset=pl.col("end") - pl.col("last_n")),
        on=bar,
        nulls_equal=True,
        maintain_order="left",
    )
    return shown.select(
        "log",
        "attempt",
        "key",
        "line",
        "lr",
        "epoch",
        aid=pl.struct("log", "attempt").rank("dense"),
        done=pl.col("n") + pl.col("offset"),
        cycle="cycle",
        base="base",
        since=pl.lit(None, pl.Int64),
        train=pl.lit(value=True),
    )


def attempts(chosen: pl.DataFrame, paced: pl.DataFrame, clocks: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """The attempts of `spoken_turns`, in the columns of `timeline.MEASURED`. One that counts updates has no epoch."""
    own = ["log", "attempt"]
    trusted = pl.col("by_clock") | ~pl.col("by_clock").any().over(own)
    pace = (
        paced.join(chosen.select("log", "turn", "attempt"), on=["log", "turn"])
        .filter(trusted)
        .group_by(own)
        .agg(
            *spread(pl.col("value"), "s_per_iter"),
            pl.when(pl.col("by_clock").all())
            .then(pl.lit("timestamps"))
            .otherwise(pl.lit("log"))
            .alias("s_per_iter_from"),
        )
    )
    single = pl.when((pl.len() == 1) & pl.col("named_epoch").is_null().all()).then(1)
    begins = pl.col("last_line").shift(1).over("log") + 1
    frame = (
        chosen.with_columns(begins=begins)
        .group_by(own, maintain_order=True)
        .agg(
            pl.when(pl.col("attempt").first() > 1).then(pl.col("begins").first()).otherwise(1).alias("first_line"),
            pl.col("first_line").min().alias("first_record_line"),
            pl.col("last_line").max(),
            (pl.col("end") - pl.col("start")).sum().alias("iters"),
            pl.col("frames").sum().cast(pl.Int64).alias("train_records"),
            pl.col("start").first().alias("start_iter"),
            pl.col("resumed_at").first().alias("resume_iter"),
            pl.col("end").last().alias("last_iter"),
            pl.col("last_line").last().alias("last_record_line"),
            pl.col("total").last().alias("iters_per_epoch"),
            product(pl.col("total").last(), pl.coalesce(pl.col("epochs_planned").last(), single)).alias(
                "iters_planned"
            ),
            pl.col("epochs_planned").last(),
            small("epoch").last().alias("last_epoch"),
            pl.col("begun_by").first().alias("why"),
            pl.when("resumed").then("last_elapsed_s").otherwise("spent_s").sum().alias("elapsed_s"),
            pl.col("last_eta_s").last().alias("eta_s"),
        )
    )
    begun = frame.select(*own, "first_line").sort("first_line")
    stamps = (
        clocks.sort("line")
        .join_asof(begun, left_on="line", right_on="first_line", by="log", check_sortedness=False)
        .group_by(own)
        .agg(started_at=pl.col("logged_at").min(), ended_at=pl.col("logged_at").max())
    )
    known = (
        frame.join(pace, on=own, how="left")
        .join(stamps, on=own, how="left")
        .join(speaking.select("log", "log_id", "format", "folder", "parent", "path"), on="log")
        .with_columns(
            begun_by=pl.when(pl.col("attempt") == 1)
            .then(pl.lit("log"))
            .otherwise(pl.coalesce("why", pl.lit("counter"))),
            first_iter=pl.col("start_iter"),
            last_record_iter=pl.col("last_iter"),
        )
    )
    return known.select(
        name if name in known.columns else pl.lit(None, ATTEMPTS.schema[name]).alias(name) for name in timeline.MEASURED
    )


def epoch_measures(chosen: pl.DataFrame, paced: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """Median and mean pace per turn of the speaking bars, by log_id, attempt, cycle and epoch."""
    pace = paced.group_by("log", "turn").agg(
        s_per_iter=pl.col("value").median(), s_per_iter_mean=pl.col("value").mean()
    )
    return (
        chosen.select("log", "turn", "attempt", "cycle", "epoch")
        .drop_nulls("epoch")
        .join(pace, on=["log", "turn"])
        .join(speaking.select("log", "log_id"), on="log")
        .group_by("log_id", "attempt", "cycle", "epoch")
        .agg(pl.col("s_per_iter", "s_per_iter_mean").mean())
    )
