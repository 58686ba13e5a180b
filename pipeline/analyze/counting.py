"""The identities: samples, iterations, updates; each result with the source of what it rests on.

Notation in formulas: N samples, B per-rank batch, W ranks, A iterations per update, E epochs, I iterations per epoch,
T iterations in all. Only direct identities are used here; solving for what no log says is left to its own room.
"""

from collections.abc import Callable

import polars as pl

from .identities import Updates, windows
from .stats import ceil_div, product

INFINITE = "InfiniteSampler"
# stated counts and where they stop being counts: 2^31 for what fits a machine, 2^53 for what is counted
WHOLE = {
    "num_samples": 2**53,
    "val_samples": 2**53,
    "iters_planned": 2**53,
    "iters_per_epoch": 2**53,
    "val_iters": 2**53,
    "batch_size": 2**31,
    "sampler_batch": 2**31,
    "world_size": 2**31,
    "gpus_visible": 2**31,
    "grad_accum": 2**31,
    "epochs_planned": 2**31,
    "cycles_planned": 2**31,
    "sequence_parallel": 2**31,
}


TURNS = pl.coalesce("cycles_planned", "cycles", pl.lit(1)).cast(pl.Int64)
STATED = ("num_samples", "batch_size", "world_size", "grad_accum")


def whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Stated counts as whole numbers: a fraction, zero or less states nothing to count with, and has no source."""
    fits = {
        name: (pl.col(name) > 0) & (pl.col(name) == pl.col(name).floor()) & (pl.col(name) < most)
        for name, most in WHOLE.items()
    }
    return frame.with_columns(
        *(pl.when(good).then(pl.col(name)).cast(pl.Int64).alias(name) for name, good in fits.items()),
        *(pl.when(good).then(f"{name}_from").alias(f"{name}_from") for name, good in fits.items()),
    )


def planned_cycles(frame: pl.DataFrame) -> pl.DataFrame:
    """`cycles_planned` where the turns that have begun may be these: the model goes on over them, or it is the only run
    of its log and in the first; and no more have begun. Else they were planned of something else."""
    begun, alone = pl.col("cycles"), pl.len().over("first_log") == 1
    first = begun.is_null() & alone & pl.col("log_epochs_planned").is_not_null()
    holds = (first | begun.is_not_null()) & (pl.col("cycles_planned") >= begun.fill_null(1))
    return frame.with_columns(cycles_planned=pl.when(holds).then("cycles_planned"))


def defaults(frame: pl.DataFrame) -> pl.DataFrame:
    """grad_accum = 1 where a dumped configuration sets none: OptimWrapper's default in mmengine 0.1.0 to 0.10.7."""
    silent = (
        pl.col("grad_accum").is_null()
        & ~pl.col("grad_accum_torn").fill_null(False)
        & pl.col("dumped")
        & (pl.col("format") == "mmengine")
    )
    return frame.with_columns(
        grad_accum=pl.when(silent).then(1).otherwise("grad_accum"),
        grad_accum_from=pl.when(silent).then(pl.lit("config")).otherwise("grad_accum_from"),
        grad_accum_default=silent,
    )


def inferred(frame: pl.DataFrame, agreed: pl.DataFrame) -> pl.DataFrame:
    """`frame` with what nobody says and all explanations of the counting agree on: stated counts where they are null,
    the others as agreed_<name> for `count`."""
    names = {name: f"agreed_{name}" for name in agreed.columns if name not in ("run_id", "samples_lo", "samples_hi")}
    joined = frame.join(agreed.rename(names), on="run_id", how="left")
    open_ = {name: pl.col(name).is_null() & pl.col(f"agreed_{name}").is_not_null() for name in STATED}
    return joined.with_columns(
        *(pl.coalesce(name, f"agreed_{name}").alias(name) for name in STATED),
        *(
            pl.when(fills).then(pl.lit("inferred")).otherwise(f"{name}_from").alias(f"{name}_from")
            for name, fills in open_.items()
        ),
    )


def sampler(name: str) -> pl.Expr:
    return pl.col("sampler").str.ends_with(name).fill_null(False)


def count(runs: pl.DataFrame) -> pl.DataFrame:
    """The counts of each run. `runs` holds the columns of `resolve.wide` (through `whole`, `defaults`) and, from the
    attempts, log_iters_per_epoch, log_iters_planned, log_epochs_planned, iters_done, cycles; and samples_per_epoch, the
    epoch of a counter that counts samples (`sample_counters`).

    Adds iters_per_epoch, iters_planned, epochs_planned, epochs_done, updates_*, global_batch and samples_done, with
    `*_from` where TABLES.md has one. What nothing says is taken from agreed_<name> (`inferred`).
    """
    runs = runs.with_columns(
        epochs_planned=pl.coalesce("epochs_planned", "log_epochs_planned", "agreed_epochs_planned"),
        epochs_planned_from=pl.coalesce(
            "epochs_planned_from",
            pl.when(pl.col("log_epochs_planned").is_not_null()).then(pl.lit("log")),
            pl.when(pl.col("agreed_epochs_planned").is_not_null()).then(pl.lit("inferred")),
        ),
        turns=TURNS,
        log_iters_planned=product(pl.col("log_iters_planned"), TURNS),
    ).with_columns(
        total=pl.coalesce("log_iters_planned", "iters_planned"),
        total_from=pl.when(pl.col("log_iters_planned").is_not_null())
        .then(pl.lit("log"))
        .otherwise("iters_planned_from"),
        expected_iters=pl.coalesce(
            ceil_div(pl.col("samples_per_epoch"), pl.col("batch_size")), "agreed_iters_per_epoch"
        ),
    )
    runs = one_epoch(runs)
    return samples(updates(plan(runs)))


def one_epoch(runs: pl.DataFrame) -> pl.DataFrame:
    """I: as printed, else as the user says, else T / (C · E) where E is stated and divides T, else as all explanations
    have it."""
    turns_of_all = product(pl.col("epochs_planned"), pl.col("turns"))
    divides = pl.col("total") % turns_of_all == 0
    by_total = pl.when(divides & (pl.col("total") >= turns_of_all)).then(pl.col("total") // turns_of_all)
    endless = sampler(INFINITE)
    share = pl.when(~endless).then(by_total)
    told = pl.col("iters_per_epoch")
    ways = [
        ("log", pl.col("log_iters_per_epoch")),
        ("told", told),
        ("share", share),
        ("inferred", pl.col("expected_iters")),
    ]
    source = pl.lit(None, pl.String)
    for name, value in reversed(ways):
        origin = {"told": pl.col("iters_per_epoch_from"), "share": pl.col("epochs_planned_from")}.get(
            name, pl.lit(name)
        )
        source = pl.when(value.is_not_null()).then(origin).otherwise(source)
    return runs.with_columns(iters_per_epoch=pl.coalesce(value for _, value in ways), iters_per_epoch_from=source)


def plan(runs: pl.DataFrame) -> pl.DataFrame:
    """T: as printed or stated, else C · E · I with the source of E (inferred where I is); and how many epochs are done.

    C are the cycles that are planned in the log, else those that have begun: each states its own plan alone.
    """
    in_all = product(pl.col("epochs_planned"), pl.col("iters_per_epoch"), pl.col("turns"))
    agreed = pl.col("agreed_iters_planned")
    reached = pl.when(~(pl.col("iters_done") > agreed).fill_null(False)).then(agreed)
    return runs.with_columns(
        epochs_in_all=product(pl.col("epochs_planned").cast(pl.Int64), pl.col("turns")),
        iters_planned=pl.coalesce("total", in_all, reached),
        iters_planned_from=pl.when(pl.col("total").is_not_null())
        .then("total_from")
        .when(in_all.is_not_null() & (pl.col("iters_per_epoch_from") == "inferred"))
        .then(pl.lit("inferred"))
        .when(in_all.is_not_null())
        .then("epochs_planned_from")
        .when(reached.is_not_null())
        .then(pl.lit("inferred")),
        epochs_done=pl.when(pl.col("iters_per_epoch") > 0).then(pl.col("iters_done") / pl.col("iters_per_epoch")),
    )


def windowed(runs: pl.DataFrame, counted: Callable[[Updates, pl.Expr, pl.Expr], pl.Expr]) -> pl.Expr:
    """Updates of each run where all rules that its format may follow agree (`identities.windows`), else null. `counted`
    gives them of one rule, I and A."""
    i, a = pl.col("iters_per_epoch"), pl.col("grad_accum")
    found = pl.lit(None, pl.Int64)
    for name in runs["format"].unique().sort():
        ways = [counted(rule, i, a) for rule in windows(name)]
        agree = pl.all_horizontal(way == ways[0] for way in ways)
        found = pl.when((pl.col("format") == name) & agree).then(ways[0]).otherwise(found)
    return found


def updates(runs: pl.DataFrame) -> pl.DataFrame:
    """U from T, I and A by the rules of `identities.UPDATES`. A run that has not reached its plan has flushed nothing
    at its end; where no plan is known, both have to come to the same.
    """
    a, done, total = pl.col("grad_accum"), pl.col("iters_done"), pl.col("iters_planned")

    def of_done(rule: Updates, i: pl.Expr, a: pl.Expr) -> pl.Expr:
        whole, so_far = rule.run(done, i, a), rule.so_far(done, i, a)
        open_ = total.is_null() & (whole != so_far)
        return pl.when((done >= total) & ~open_).then(whole).when(~open_).then(so_far)

    parallel = pl.col("sequence_parallel").fill_null(1)
    per_update = product(pl.col("batch_size"), a, pl.col("world_size"))
    done_updates = pl.when(a == 1).then(done).otherwise(windowed(runs, of_done))
    all_updates = windowed(runs, lambda rule, i, a: rule.run(total, i, a))
    return runs.with_columns(
        updates_done=done_updates,
        updates_done_from=pl.when(done_updates.is_not_null()).then("grad_accum_from"),
        updates_planned=pl.coalesce(pl.when(a == 1).then(total).otherwise(all_updates), "agreed_updates_planned"),
        updates_per_epoch=pl.coalesce("agreed_updates_per_epoch", pl.col("iters_per_epoch") / a),
        global_batch=pl.when(per_update % parallel == 0).then(per_update // parallel),
    )


def samples(runs: pl.DataFrame) -> pl.DataFrame:
    """Training samples drawn, padding left out.

    A finite sampler shows at most N different samples an epoch, min(N, I·B·W); an endless one pads nothing.
    """
    per_iter = product(pl.col("batch_size"), pl.col("world_size"))
    i, n, done = pl.col("iters_per_epoch"), pl.col("num_samples"), pl.col("iters_done")
    drawn = product(i, per_iter)
    epoch_samples = pl.min_horizontal(n, drawn)
    finite = pl.when(n.is_not_null() & drawn.is_not_null()).then(
        (done // i) * epoch_samples + pl.min_horizontal(n, (done % i) * per_iter)
    )
    return runs.with_columns(
        samples_done=pl.when(sampler(INFINITE)).then(product(done, per_iter)).otherwise(finite),
    )
