"""Two logs that say the same of one process: the console's copy of what a framework also writes to its own log.

A logger with a stream and a file handler (mmengine, mmcv) puts the same records into the job's output and into the work
directory: same iterations, same printed numbers, same second. Two runs of one configuration, even started at once and
from one seed, differ in the measured times of their records. So two attempts are one where the records of iterations
that both printed are equal in all of them, stamps included; the year is left out, the console prints none.

Records without a stamp or a time, and logs that share no such record, prove nothing: they stay apart, but for two
that broke off before the first record (`started_at_once`).
"""

import polars as pl

from . import places

SAMPLED = 64  # records compared per attempt, chosen by iteration so that two copies choose the same ones
ENDS = 3  # the first and the last records are always compared: a copy may be cut at either end
SAME = 0.9  # share of the compared records that are equal; lines of a console may be torn by other processes' output
TOLD = ("clock_year_from", "work_dir")
SAID = ("done", "s_per_iter", "data_s_per_iter", "lr", "memory_mib")


def marks(rows: pl.DataFrame, cuts: pl.DataFrame, speaking: pl.DataFrame) -> pl.DataFrame:
    """Marks of some training records of each attempt: log_id, attempt, format, done, end, mark.

    `rows` are in order and carry `aid`; `mark` is a hash of what the record says, `end` tells the first and last few.
    Of n records those are taken whose hashed iteration is divisible by the power of two that leaves about SAMPLED:
    what is taken from a longer copy is taken from the shorter one too.
    """
    told = rows.lazy().filter(pl.col("train") & pl.col("logged_at").is_not_null() & pl.col("s_per_iter").is_not_null())
    each = told.select("aid", "logged_at", *SAID).with_columns(
        n=pl.len().over("aid"), at=pl.int_range(pl.len()).over("aid")
    )
    step = pl.lit(2, pl.UInt64).pow((pl.col("n") / SAMPLED).log(2).floor().clip(0).cast(pl.UInt32)).cast(pl.UInt64)
    end = (pl.col("at") < ENDS) | (pl.col("at") >= pl.col("n") - ENDS)
    moment = pl.col("logged_at").dt.strftime("%m-%d %H:%M:%S")
    return (
        each.with_columns(end=end)
        .filter(end | (pl.col("done").hash(0) % step == 0))
        .select("aid", "done", "end", mark=pl.struct(moment.alias("moment"), *SAID).hash(0))
        .collect()
        .join(cuts.select("aid", "log", "attempt"), on="aid")
        .join(speaking.select("log", "log_id", "format"), on="log")
        .select("log_id", "attempt", "format", "done", "end", "mark")
    )


def found(marks: pl.DataFrame, attempts: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Attempts that copy another: log_id, attempt, leader_log, leader_attempt. `told` are the facts named in TOLD.

    The leader has more training records; of as many the framework's own log (its stamps have a year, its path names
    the run), then the one with more lines. Two logs that a framework wrote itself are two runs, whatever they say.
    """
    names = ["log_id", "attempt"]
    yearless = told.filter(pl.col("name") == "clock_year_from")["log_id"]
    without_year = pl.col("log_id").is_in(yearless.implode())
    stamped = pl.col("path").str.contains(places.STAMPED_LOG)
    ranked = (
        attempts.with_columns(own=~without_year & (stamped | (pl.col("format") == "mmengine")))
        .sort("train_records", "own", "last_line", "path", *names, descending=[True, True, True, False, False, False])
        .with_row_index("place")
        .select(*names, "place", "own")
    )
    known = marks.join(ranked, on=names)
    first = pl.col("place") == pl.col("place").min().over("format", "mark")
    ends = known.filter("end").with_columns(leads=first)
    pairs = (
        ends.filter(~pl.col("leads"))
        .join(ends.filter("leads").unique(["format", "mark"]), on=["format", "mark"], suffix="_l")
        .filter((pl.col("log_id") != pl.col("log_id_l")) & ~(pl.col("own") & pl.col("own_l")))
        .select("place", "place_l")
        .unique()
    )
    compared = (
        pairs.join(known.select("place", "done", "mark"), on="place")
        .join(known.select(place_l="place", done="done", mark_l="mark").unique(), on=["place_l", "done"])
        .group_by("place", "place_l")
        .agg(same=(pl.col("mark") == pl.col("mark_l")).mean())
        .filter(pl.col("same") >= SAME)
        .sort("place", "place_l")
        .unique("place", keep="first", maintain_order=True)
    )
    # a leader that follows another log itself hands its copies on
    further = compared.select(place_l="place", place_ll="place_l")
    final = compared.join(further, on="place_l", how="left").select("place", place_l=pl.coalesce("place_ll", "place_l"))
    final = final.join(compared.select(place_l="place"), on="place_l", how="anti")
    before_training = started_at_once(attempts.filter(~without_year), attempts.filter(without_year), told)
    leading = ranked.rename({"place": "place_l", "log_id": "leader_log", "attempt": "leader_attempt", "own": "own_l"})
    by_records = (
        final.join(ranked, on="place")
        .join(leading, on="place_l")
        .filter(~(pl.col("own") & pl.col("own_l")))
        .select(*names, "leader_log", "leader_attempt")
    )
    return pl.concat([by_records, before_training]).sort(names)


def started_at_once(own: pl.DataFrame, consoles: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Consoles that follow an own log though neither holds a training record: both name one work directory and began
    in one second. mmengine names the log after that second, so that two processes would have written to one file; where
    more than one log on either side fits, none is taken.
    """
    dirs = told.filter(pl.col("name") == "work_dir").sort("log_id", "line").select("log_id", "line", work_dir="value")
    key = ["format", "second", "work_dir"]

    def silent(attempts: pl.DataFrame) -> pl.DataFrame:
        spans = attempts.filter((pl.col("train_records") == 0) & pl.col("started_at").is_not_null())
        spans = spans.with_columns(second=pl.col("started_at").dt.strftime("%m-%d %H:%M:%S"), line="first_line")
        named = spans.sort("line").join_asof(
            dirs.sort("line"), on="line", by="log_id", strategy="forward", check_sortedness=False
        )
        alone = named.filter(pl.col("work_dir").is_not_null() & (pl.len().over(key) == 1))
        return alone.select("log_id", "attempt", *key)

    leading = silent(own).rename({"log_id": "leader_log", "attempt": "leader_attempt"})
    return silent(consoles).join(leading, on=key).select("log_id", "attempt", "leader_log", "leader_attempt")


def placed(copies: pl.DataFrame, attempts: pl.DataFrame, measured: pl.DataFrame) -> pl.DataFrame:
    """The copies as rows of `attempts` with the run_id and turn of their leaders, and `copy_of`, the leader's log."""
    leaders = attempts.select(leader_log="log_id", leader_attempt="attempt", run_id="run_id", turn="turn")
    return (
        measured.join(copies, on=["log_id", "attempt"])
        .join(leaders, on=["leader_log", "leader_attempt"])
        .with_columns(copy_of="leader_log")
        .drop("leader_log", "leader_attempt")
    )
