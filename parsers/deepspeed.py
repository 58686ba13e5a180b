"""DeepSpeed's engines (0.3 to 0.19): the step line, the line of its throughput timer, the line of the pipeline engine.

What the counters count
- `step=` and `steps:` are optimizer updates over the whole run, checkpoints before it included. An update that is
  skipped because gradients overflowed is one too; `skipped=` says how many there were. `step=0` is said at the begin.
- `micro_step=` are iterations on one rank, `global_step=` are updates, both since the *process* began: what a loaded
  checkpoint has done before is in neither. The line comes at the end of a window, so A = micro_step / global_step.
  With `update_epoch_count()` (DeepSpeed-Chat calls it) the micro-steps begin anew and `epoch=` is 1 more; else it
  stays 0, whatever the epochs are. A window goes on over the end of an epoch, and the run's last part of one is lost.
- Up to 0.7 the timer's line has two numbers, epoch and micro-steps, and comes every `steps_per_print` micro-steps; from
  0.8 on it has three and comes every `steps_per_print` updates.

A step line and the timer's line behind it are two records. The timer's has the whole: it takes `lr` and `update` from
the step line of the same moment, and `global_iter` is A updates times A, so that a resumed process counts on. Where no
step line is of the same moment (resumed at an update that steps_per_print does not divide) both counts are unknown
there; the step lines go on. Up to 0.7 `global_iter` is that of the process.

What the lines do not mean
- Samples per second are those of all ranks: an update's samples (up to 0.7: an iteration's) by its time. The first two
  updates are not timed; CurrSamplesPerSec is that of one update, the other one the mean since the process began.
- MemAllocated and MaxMemAllocated are GiB of this rank, by torch's allocator; on the CPU what the process holds.
- `iter time (s)` of the pipeline engine is the time of an update, the mean since the line before.
- `lr` is the rate of the next update: the scheduler has made its step. Of several the first is taken.
- No loss stands in the lines, but for the pipeline engine's; no epoch's length, no plan.
- `steps_per_print` is 10 by default up to 0.15; later nothing is printed without it. 0.19 prints step and timer lines
  at level INFO only, which is not its default.

The configuration that the engine prints is read by `stated`.

Sources: DeepSpeed 0.19.8 run on the CPU; sources of 0.2 to 0.16.4 (FORMATS.md §5).
"""

import polars as pl

from .contract import (
    FLOAT,
    INT,
    KEY,
    STAMP,
    TEXT,
    WORD,
    Field,
    Matched,
    Pairs,
    Parser,
    Record,
    Tables,
    event,
    facts,
    skipped,
)

HOST = r"(?:[A-Za-z0-9_.-]+: +)?"
_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3}"
_LEVEL = r"\[[A-Z]+\] \[[^\[\]]+:[0-9]+:[^\[\]]+\] "
PREFIX = rf"^{HOST}\[(?P<logged_at>{_STAMP})\] {_LEVEL}"
SILENT = rf"^{HOST}\[{_STAMP}\] {_LEVEL}"
"""The launcher's host (pdsh), and what DeepSpeed's logger puts in front from 0.3 on."""
STAMPED = {"logged_at": STAMP}
LISTED = Field(pl.String(), lambda text: text, r"[^\[\]]*")

STEP = Record(
    name="step",
    hints=(", skipped=",),
    pattern=rf"{PREFIX}\[Rank -?[0-9]+\] step=(?P<update>[0-9]+), skipped=(?P<skipped>[0-9]+), lr=\[(?P<lrs>[^\[\]]*)\]"
    r", mom=(?P<momenta>.*)$",
    fields={**STAMPED, "update": INT, "skipped": INT, "lrs": LISTED, "momenta": skipped(".*")},
    examples=(
        "[2024-01-01 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[1e-05], "
        "mom=[(0.9, 0.95)]",
        "worker-0: [2023-06-21 03:46:19,251] [INFO] [logging.py:96:log_dist] [Rank 0] step=1890, skipped=19, "
        "lr=[9.275816201087529e-08, 9.275816201087529e-08], mom=[(0.9, 0.95), (0.9, 0.95)]",
        "[2022-03-11 02:06:58,985] [INFO] [logging.py:69:log_dist] [Rank 0] step=40, skipped=2, lr=[5e-05], "
        "mom=[[0.9, 0.999]]",
    ),
)
RATES = {
    "RunningAvgSamplesPerSec": "samples_per_s_mean",
    "SamplesPerSec": "samples_per_s_mean",
    "CurrSamplesPerSec": "samples_per_s",
    "samples/sec": "samples_per_s",
    "iter time (s)": "s_per_update",
}
TIMER = Record(
    name="timer",
    hints=("SamplesPerSec=",),
    pattern=rf"{PREFIX}(?:epoch=)?(?P<turn>[0-9]+)/(?:micro_step=)?(?P<micro>[0-9]+)(?:/global_step=(?P<steps>[0-9]+))?"
    r", (?P<pairs>[A-Za-z]*SamplesPerSec=.*)$",
    almost=r"micro_step=[0-9]+/global_step=[0-9]+, [A-Za-z]*SamplesPerSec=",
    fields={**STAMPED, "turn": INT, "micro": INT, "steps": INT},
    pairs=Pairs(
        r"(?P<name>[A-Za-z]+)=(?P<value>[0-9.]+(?:e[+-]?[0-9]+)?|-?inf|nan)",
        {"MemAllocated": FLOAT, "MaxMemAllocated": FLOAT},
    ),
    examples=(
        "[2024-01-01 10:00:00,125] [INFO] [timer.py:260:stop] epoch=0/micro_step=80/global_step=10, "
        "RunningAvgSamplesPerSec=61.23, CurrSamplesPerSec=60.1, MemAllocated=5.2GB, MaxMemAllocated=20.13GB",
        "[2021-03-10 18:22:31,608] [INFO] [timer.py:154:stop] 0/25, SamplesPerSec=6.302019280317165",
        "[2022-09-11 02:06:58,985] [INFO] [timer.py:198:stop] 0/40, RunningAvgSamplesPerSec=83.4, "
        "CurrSamplesPerSec=83.7, MemAllocated=0.26GB, MaxMemAllocated=9.02GB",
    ),
)
PIPELINE = Record(
    name="pipeline",
    hints=(" iter time (s): ",),
    pattern=rf"^{HOST}steps: (?P<update>[0-9]+) (?P<pairs>loss: .* ?iter time \(s\): [^ ]+ samples/sec: [^ ]+)$",
    fields={"update": INT},
    pairs=Pairs(r"(?P<name>[A-Za-z_][^:]*): (?P<value>[^ ]+)"),
    examples=(
        "steps: 20 loss: 2.1234 iter time (s): 1.234 samples/sec: 25.932",
        "steps: 20 loss: 2.1234 aux_loss: 0.0110 iter time (s): 1.234 samples/sec: 25.932",
    ),
)
CHECKPOINT = Record(
    name="checkpoint",
    hints=(" is about to be saved!",),
    pattern=rf"{PREFIX}\[Rank -?[0-9]+\] \[[A-Za-z]+\] Checkpoint (?P<tag>[^ ]+) is about to be saved!$",
    fields={**STAMPED, "tag": TEXT},
    examples=(
        "[2026-02-17 10:02:06,273] [INFO] [logging.py:123:log_dist] [Rank 0] [Torch] Checkpoint global_step78 is about "
        "to be saved!",
    ),
)
VERSION = Record(
    name="version",
    hints=("DeepSpeed info: version=",),
    pattern=rf"{SILENT}\[Rank -?[0-9]+\] DeepSpeed info: version=(?P<version>[^ ,]+), ",
    fields={"version": WORD},
    carry="version",
    known=True,
    examples=(
        "[2025-03-17 10:08:56,552] [INFO] [logging.py:129:log_dist] [Rank 0] DeepSpeed info: version=0.15.3, "
        "git-hash=unknown, git-branch=unknown",
    ),
)
MESSAGE = Record(
    name="message",
    hints=("] [INFO] [", "] [WARNING] ["),
    pattern=SILENT,
    known=True,
    fallback=True,
    examples=(
        "[2025-03-17 10:08:56,584] [INFO] [logging.py:129:log_dist] [Rank 0] DeepSpeed Flops Profiler Enabled: False",
    ),
)
"""A line of DeepSpeed's logger, whoever uses it. Its stamp is no sign of life: many programs let DeepSpeed speak while
the engine is made, and never again, and that would be taken for the end of the log."""

ONE_MOMENT = pl.duration(milliseconds=100)
"""Between a step line and the timer's line of the same update."""
SAID = {"logged_at": STAMP.dtype, "update": INT.dtype, "lr": FLOAT.dtype, "a": INT.dtype}
"""What is remembered of a piece: the last step line, and the last A."""


def to_tables(matched: Matched) -> Tables:
    """Lines as `progress`, their speeds and losses as `metrics`, checkpoints as `events`."""
    steps, timed, piped = _steps(matched), _timed(matched), _rows(matched.rows("pipeline"))
    shared = (*KEY, "phase", "logged_at", "update", "lr")
    return {
        "progress": [
            steps.select(shared),
            timed.select(*shared, "epoch", "iter", "global_iter", memory_mib=pl.col("MaxMemAllocated") * 1024),
            piped.select(*KEY, "phase", "update"),
        ],
        "metrics": [
            matched.metrics("timer", timed, RATES),
            matched.metrics("pipeline", piped, RATES),
            _metric(timed, "memory_allocated_mib", "MemAllocated", pl.col("MemAllocated") * 1024),
            _metric(steps, "skipped_updates", "skipped", pl.col("skipped").cast(pl.Float64)),
        ],
        "facts": [
            facts(matched.changes("version", "version"), "deepspeed_version", pl.col("version"), "log"),
            matched.word_facts("pipeline"),
        ],
        "events": [
            event(matched.rows("checkpoint"), "checkpoint", pl.format("saving {}", "tag")),
            event(_begun(matched), "start", pl.lit("the engine begins again")),
        ],
    }


def _rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Training rows without a place in an epoch."""
    counts = {"epoch": pl.Int32(), "iter": pl.Int64(), "global_iter": pl.Int64()}
    return rows.with_columns(
        *(pl.lit(None, dtype).alias(name) for name, dtype in counts.items()), phase=pl.lit("train")
    )


def _steps(matched: Matched) -> pl.DataFrame:
    first = pl.col("lrs").str.extract(r"^([^ ,]+)").cast(pl.Float64, strict=False)
    return _rows(matched.rows("step")).with_columns(lr=first)


def _timed(matched: Matched) -> pl.DataFrame:
    """The timer's rows with what the step line before says of the same moment, and A: that of the last line before the
    timer was told of an epoch's end."""
    rows = _said(matched).rename({"logged_at": "said_at", "update": "said", "a": "before"})
    steps, update, turn = pl.col("steps"), pl.col("said"), pl.col("turn")
    same = (steps == update) | (pl.col("logged_at") - pl.col("said_at") <= ONE_MOMENT)
    return (
        _rows(matched.rows("timer"))
        .with_columns(a=_accumulation())
        .join(rows.select("seq", "said_at", "said", "lr", "before"), on="seq", how="left", maintain_order="left")
        .with_columns(same=same.fill_null(False))
        .with_columns(
            update=pl.when("same").then(update).when(update.is_null()).then(steps),
            lr=pl.when("same").then("lr"),
            a=pl.coalesce("a", "before"),
            epoch=pl.when(turn > 0).then(turn + 1).cast(pl.Int32, strict=False),
            iter=pl.when(turn > 0).then("micro"),
        )
        .with_columns(
            global_iter=pl.when(steps.is_not_null()).then(pl.col("update") * pl.col("a")).when(turn == 0).then("micro")
        )
    )


def _accumulation() -> pl.Expr:
    """A, in rows whose micro-steps are those of the process."""
    exact = (pl.col("turn") == 0) & (pl.col("steps") > 0) & (pl.col("micro") % pl.col("steps") == 0)
    return pl.when(exact).then(pl.col("micro") // pl.col("steps"))


def _said(matched: Matched) -> pl.DataFrame:
    """Step lines and timer's lines in order, each with the last step line (logged_at, update, lr) and the last A up to
    it."""
    rows = _said_in_order(matched)
    return rows.select("log", "seq", pl.col("said", "a").forward_fill().over("log")).unnest("said")


def _said_in_order(matched: Matched) -> pl.DataFrame:
    """What step lines (`said`) and timer's lines (`a`) say, in order (log, seq); the first row of a later piece is what
    was remembered."""
    steps = _steps(matched).select("log", "seq", said=pl.struct("logged_at", "update", "lr"))
    timed = matched.rows("timer").select("log", "seq", a=_accumulation())
    parts = [steps, timed]
    if matched.remembered is not None:
        earlier = matched.remembered.select(
            log=pl.lit(0, KEY["log"]), seq=pl.lit(-1, pl.Int64), said=pl.struct("logged_at", "update", "lr"), a="a"
        )
        parts = [earlier, *parts]
    return pl.concat(parts, how="diagonal_relaxed").sort("log", "seq")


def _begun(matched: Matched) -> pl.DataFrame:
    """The lines `step=0` behind lines of another process. Each engine says it: those of one process (a model and its
    critic) say it before any of them counts."""
    before = pl.col("said").struct.field("update").shift(1).over("log")
    said = _said_in_order(matched).drop_nulls("said").select("log", "seq", again=before > 0)
    zero = matched.rows("step").filter(pl.col("update") == 0)
    return zero.join(said.filter("again"), on=["log", "seq"], how="semi", maintain_order="left")


def _metric(rows: pl.DataFrame, name: str, printed: str, value: pl.Expr) -> pl.DataFrame:
    context = ("log", "line", "redraw", "piece", "phase", "epoch", "iter", "global_iter")
    named = rows.select(*context, name=pl.lit(name), printed_name=pl.lit(printed), value=value)
    return named.drop_nulls("value")


def _remember(matched: Matched) -> pl.DataFrame:
    """The last step line and the last A."""
    return _said(matched).tail(1).select(pl.col(name).cast(dtype) for name, dtype in SAID.items())


PARSER = Parser("deepspeed", (STEP, TIMER, PIPELINE, CHECKPOINT, VERSION, MESSAGE), to_tables, _remember)
