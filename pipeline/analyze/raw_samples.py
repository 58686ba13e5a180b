"""Raw samples, the rows of a file, beside those that the loader sees: repeated, filtered or packed, or neither."""

from collections.abc import Iterable

import polars as pl

from .claims import Explanation, Verdict
from .findings import rows
from .phrases import many, percent
from .stats import product
from .words import grouped

UNLIKE = "the rows were cut into several samples, or one of the numbers counts something else"
MOST_REPEATS = 1024  # `boxes.BOUNDS`: more are another count


def repeats(samples: int, raw: int) -> int:
    """How often `raw` is repeated in `samples`, 1 where that is no whole number of times."""
    times, over = divmod(samples, raw) if raw else (1, 0)
    return times if not over and 1 <= times <= MOST_REPEATS else 1


def step(one: Explanation, verdict: Verdict) -> Iterable[str]:
    """The first line of a derivation, where samples are not the raw ones or may not be."""
    n, r = one.samples_low, one.repeats or 1
    if n is None or n != one.samples_high:
        return
    claims = verdict.claims.of("raw_samples") if "raw_samples" not in one.contradicts else ()
    raw = next((claim.low for claim in claims if claim.exact is not None), None)
    if raw is None:
        if r > 1 and n % r == 0:
            yield f"{n // r:,} raw samples × {r:,} = {many(n, 'sample')}."
        return
    told = f"{raw:,} raw samples × {r:,} = {many(raw * r, 'sample')}" if r > 1 else many(raw, "raw sample")
    if n > raw * r:
        share = f", {n / raw:,.2f} times as many" if r == 1 else ""
        yield f"{told}, and the loader sees {n:,}{share}: {UNLIKE}."
    elif n < raw * r:
        fewer = f"{raw * r - n:,} fewer, {percent(raw * r - n, raw * r)}"
        yield f"{told}, of which {n:,} are left (filtered or packed: {fewer})."
    elif r > 1:
        yield f"{told}."


def findings(claims: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """What becomes of raw samples where both counts are claimed and hold: repeated, filtered, or samples_unlike."""
    exact = claims.filter((pl.col("low") == pl.col("high")) & pl.col("holds").fill_null(value=True))
    one = exact.unique(["run_id", "name"], keep="first", maintain_order=True)
    raw, n, r = pl.col("raw"), pl.col("low"), pl.col("times")
    known = (
        one.filter(pl.col("name") == "num_samples")
        .join(
            one.filter(pl.col("name") == "raw_samples").select("run_id", raw="low", raw_log="log_id", raw_line="line"),
            on="run_id",
        )
        .join(one.filter(pl.col("name") == "repeats").select("run_id", times="low"), on="run_id", how="left")
        .join(runs.select("run_id", "first_log"), on="run_id", how="left")
        .with_columns(
            shown_log=pl.coalesce("raw_log", "log_id", "first_log"),
            shown_line=pl.when(pl.col("raw_log").is_not_null()).then("raw_line").otherwise("line"),
            times=pl.coalesce(r, pl.when((n % raw == 0) & (n // raw <= MOST_REPEATS)).then(n // raw), pl.lit(1)),
        )
        .with_columns(all=product(raw, r))
    )
    of_all = pl.when(r > 1).then(pl.format(" ({} times {} raw ones)", grouped(r), grouped(raw))).otherwise(pl.lit(""))
    repeated = pl.format(
        "the data set is repeated {} times: {} samples of {} raw ones", grouped(r), grouped(n), grouped(raw)
    )
    left = pl.format(
        "{} of {} {} are left{}: filtered or packed, {} fewer ({} %)",
        grouped(n),
        grouped(pl.col("all")),
        pl.when(r > 1).then(pl.lit("samples")).otherwise(pl.lit("raw samples")),
        of_all,
        grouped(pl.col("all") - n),
        ((pl.col("all") - n) / pl.col("all") * 100).round(2),
    )
    unlike = pl.format(
        "{} samples of {} raw ones{}: {}",
        grouped(n),
        grouped(raw),
        pl.when(r > 1).then(pl.format(", {} times", grouped(r))).otherwise(pl.lit("")),
        pl.lit(UNLIKE),
    )
    place = {"log": "shown_log", "line": "shown_line"}
    advice = "Count the samples that the loader sees: len(dataset)."
    return pl.concat(
        [
            rows(known.filter((n == pl.col("all")) & (r > 1)), "repeated", "info", repeated, **place),
            rows(known.filter(n < pl.col("all")), "filtered", "info", left, **place),
            rows(known.filter(n > pl.col("all")), "samples_unlike", "warning", unlike, advice, **place),
        ]
    )
