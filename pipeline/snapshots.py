"""How the runs stood at each report: the table `snapshots`, from which "new since" and trends are read.

A report appends the runs that have changed since their last row; one that finds nothing changed appends nothing; the
first one of a month (UTC) appends all. So a run stood at a moment as its last row up to then says (`standing`), and
nobody needs to read further back than the first of that month. Where a run_id has gone from `runs` (its log was found
to belong to another run), its last row says `gone`. What changes with the clock alone is no change: the reason of a
state ("last written 3 h ago") and the expected end.

Rows are kept for good: a finished run costs one row a month, a running one a row a report, about 100 bytes each. They
lie in one part a month, which a report rewrites with its rows behind the others, so that a cron job does not leave a
file an hour; a commit makes them visible, as all tables (store.py).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from .store import Store, StoreBusy
from .tables import RUNS, SNAPSHOTS, conform

CLOCKWORK = ("state_reason", "eta_s", "finish_at")
DIGITS = 9  # sums over threads differ in their last digits
AS_OF = pl.Datetime("us", "UTC")


def take(out: Path, now: datetime) -> int:
    """Append what has changed in `runs` to `snapshots`, as of `now` (aware), and return how many rows that were.

    While another command writes, nothing is taken (0): the tables are about to change, and its report takes it. Raises
    StoreError where the rows cannot be written.
    """
    store = Store(out)
    try:
        with store.writer("report") as writer:
            before = recent(store)
            as_of = moment(before, now)
            fresh = changed(before, store.read(RUNS), as_of)
            if fresh.height:
                same = before.filter(month(pl.col("as_of")) == as_of.strftime("%Y_%m"))
                writer.replace(SNAPSHOTS, pl.concat([same, fresh]), part=as_of.strftime("%Y_%m"))
                writer.commit()
    except StoreBusy:
        return 0
    return fresh.height


def recent(store: Store) -> pl.DataFrame:
    """The rows of the last month that has any: they hold every run's last row."""
    rows = store.scan(SNAPSHOTS)
    last: datetime | None = rows.select(pl.col("as_of").max()).collect().item()
    if last is None:
        return SNAPSHOTS.empty()
    first = last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return rows.filter(pl.col("as_of") >= first).collect()


def month(as_of: pl.Expr) -> pl.Expr:
    return as_of.dt.strftime("%Y_%m")


def moment(before: pl.DataFrame, now: datetime) -> datetime:
    """`now`, or just behind the last row where the machine's clock was set back: later rows have later times."""
    last: datetime | None = before.select(pl.col("as_of").max()).item()
    return max(now.astimezone(UTC), last + timedelta(microseconds=1)) if last else now.astimezone(UTC)


def standing(snapshots: pl.DataFrame, at: datetime | None = None) -> pl.DataFrame:
    """The runs as they stood at a moment (aware; None: at the last snapshot): the last row of each up to then."""
    rows = snapshots if at is None else snapshots.filter(pl.col("as_of") <= at)
    last = rows.sort("as_of").unique("run_id", keep="last", maintain_order=True)
    return last.filter(~pl.col("gone"))


def changed(snapshots: pl.DataFrame, runs: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Rows of SNAPSHOTS for the runs that differ from their last row, and for those that are gone; in a new month for
    all runs."""
    before = standing(snapshots)
    at = pl.lit(as_of, AS_OF)
    told = [name for name in RUNS.schema if name not in (*CLOCKWORK, "run_id")]
    both = _comparable(runs, told).join(_comparable(before, told), on="run_id", how="left", suffix="_before")
    moved = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in told)
    known = pl.col("run_id").is_in(before["run_id"].implode())
    same_month = snapshots.select((month(pl.col("as_of")) == as_of.strftime("%Y_%m")).any()).item()
    ids = both.filter(moved | ~known | (not same_month)).select("run_id")
    new = runs.join(ids, on="run_id", how="semi").with_columns(as_of=at, gone=pl.lit(False))
    lost = before.join(runs, on="run_id", how="anti").select("run_id", "name", as_of=at, gone=pl.lit(True))
    return pl.concat([conform(new, SNAPSHOTS), conform(lost, SNAPSHOTS)])


def _comparable(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    lists = [name for name in names if RUNS.schema[name] == pl.List(pl.String())]
    return frame.select("run_id", *names).with_columns(
        pl.col(pl.Float64).round_sig_figs(DIGITS), *(pl.col(name).list.join("\n") for name in lists)
    )
