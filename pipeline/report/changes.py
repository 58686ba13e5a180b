"""What a second run of the command says first: which runs moved since the last report that found any moved. Pure."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from . import words
from .overview import counts_updates, local_clock, records

MOST = 5
SAME_PACE = 0.05


@dataclass(frozen=True, eq=False)
class Before:
    """The runs as they stood at the last report that found something new, and when that was."""

    runs: pl.DataFrame
    written_at: datetime


def since(before: Before, runs: pl.DataFrame, now: datetime) -> str:
    """One line: `New since 09:14: resnet_cifar 45 %, pace unchanged. Everything else as before.`"""
    moment = local_clock(before.written_at)
    clock = moment.strftime("%H:%M" if moment.date() == local_clock(now).date() else "%Y-%m-%d %H:%M")
    told = ("state", "iters_done", "iters_planned", "epochs_done", "s_per_iter", "num_samples", "batch_size")
    told = (*told, "world_size", "grad_accum", "updates_done")
    both = runs.join(before.runs.select("run_id", *told), on="run_id", how="left", suffix="_before")
    is_new = ~pl.col("run_id").is_in(before.runs["run_id"].implode())
    moved = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in told)
    changed = both.with_columns(is_new=is_new).filter(is_new | moved).sort("is_new", "name", descending=[True, False])
    if changed.is_empty():
        return f"Nothing new since {clock}."
    news = [_news(run) for run in records(changed.head(MOST))]
    more = f"; and {changed.height - MOST:,} more" if changed.height > MOST else ""
    rest = " Everything else as before." if changed.height < runs.height else ""
    return f"New since {clock}: {'; '.join(news)}{more}.{rest}"


def _news(run: dict) -> str:
    name = words.one_line(run["name"] or run["run_id"], 80)
    if run["is_new"]:
        return f"{name} is new ({run['state']})"
    said: list[str] = []
    if run["state"] != run["state_before"]:
        said.append(f"{run['state_before']} → {run['state']}")
    unit = "updates" if counts_updates(run) else "iters"
    done, planned = run[f"{unit}_done"], run[f"{unit}_planned"]
    if done is not None and done != run[f"{unit}_done_before"]:
        noun = "updates" if unit == "updates" else "iterations"
        said.append(f"{done / planned * 100:.0f} %" if planned and done <= planned else f"{words.count(done)} {noun}")
    pace, pace_before = run["s_per_iter"], run["s_per_iter_before"]
    if pace is not None and pace_before is not None and said:
        steady = abs(pace - pace_before) <= SAME_PACE * pace_before
        said.append("pace unchanged" if steady else f"{words.measured(pace_before)} → {words.measured(pace)} s/iter")
    stated = ("num_samples", "batch_size", "world_size", "grad_accum")
    said += [f"{n} {words.count(run[n])}" for n in stated if run[n] is not None and run[n] != run[f"{n}_before"]]
    return f"{name} {', '.join(said) or 'counted anew'}"
