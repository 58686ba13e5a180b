"""Keras' progress bar, epoch lines and callbacks: Keras 1, 2.0–2.15, tf.keras, 3.x; verbose 1 and 2; CSVLogger.

What the counter counts: batches (`step`), one forward/backward each per process; under tf.distribute of global
batches. A partial last batch counts. **Samples** instead: Keras ≤ 2.3 `fit` on arrays (also Keras 1 generators) and
tf.keras 2.0–2.1 on arrays. Such a bar has the samples in `iter` and `iters_per_epoch` as printed, global_iter counts
them too, and the fact `counter` = `samples` stands where the log proves it, with `num_samples` (the bar's total)
beside it:
- `Train on N samples` stood before a bar whose total is N, or the unit is `/sample`;
- the first redraw of an epoch shows n > 1 (it is drawn after the first batch, whatever the refresh) in Keras ≤ 2.0.8,
  which shows itself by an ETA of more than 60 s in plain seconds (`ETA: 310s`; `5:10` later), or by a closing line
  without a time per step earlier in the log. Then n is the batch, and stands as `batch_size`. In later versions
  `steps_per_execution=8` begins with `8/32` too, so nothing is said of them.

Which bars train
- `Epoch 3/10` (the denominator is the last epoch's number) holds for the bar behind it. It is printed always up to
  2.3, later only where epochs > 1. The line alone is no record: other frameworks print it too.
- A second bar behind the same epoch line (the counter begins again, or the total changes) is a loop of its own, an
  evaluate() or a one-epoch fit(): it has neither epoch nor phase. An evaluate() that a callback starts parts the
  epoch's closing line from it.
- In a log without any epoch line each bar with metrics is taken for a one-epoch fit(); evaluate() looks the same.
- A bar without metrics is predict(); behind `Downloading data from` and beyond 4,096 it counts a download's bytes.

What its lines do not mean
- The closing line's time includes the validation (all versions, verbose 1 and 2), and so does its time per step (there
  from 2.0.9 on): where an epoch was validated it is no training pace. Up to 2.3 s/step is elapsed / n; since tf.keras
  2.2 the first step, in which the model is compiled, is left out, except at n = 1.
- Numbers of a running bar are means over the epoch so far. 3.0–3.14 average these means once more, so they lag (9.0
  for 8.0 in the middle of an epoch), and in 3.0–3.10 the closing line is wrong too (7.5455 for 5.5). 3.11 mended the
  closing line, 3.15 the rest. `val_` metrics, verbose=2 and CSVLogger are right everywhere.
- `10/10` on a closing line says nothing since tf.keras 2.2: after TerminateOnNaN in batch 0, or a generator that ran
  dry, the target is drawn (events `nan_loss`, `data_ran_out`). A generator of unknown length always ends with that
  warning, glued to its bar; this is no event.
- 3.x prints one time without a name: what is left while n < total, what has passed on the closing line. The redraw
  before it shows n = total with `0s` left; where it cannot be told from a closing line, no elapsed time is given.
- Some callbacks of 2.0.x count epochs from 0; CSVLogger does in all versions.
- Nothing shows batch size, ranks or accumulation. `gradient_accumulation_steps` (3.x) does not change the counter.

Sources: Keras 3.15.1 run; the Progbar classes of 1.2.2, 2.0.0–2.15.0 run alone; sources 2.0–3.15 (FORMATS.md §3).
"""

import polars as pl

from .contract import (
    FLOAT,
    INT,
    KEY,
    TEXT,
    Field,
    Matched,
    Pairs,
    Parser,
    Record,
    Table,
    Tables,
    canonical,
    event,
    facts,
    skipped,
)


def _clock(text: pl.Series) -> pl.Series:
    """`27s`, `1:30` or `4:26:40` → seconds."""
    parts = text.str.strip_suffix("s").str.split(":")
    units = [parts.list.get(at, null_on_oob=True).cast(pl.Float64, strict=False) for at in (-1, -2, -3)]
    return units[0] + units[1].fill_null(0) * 60 + units[2].fill_null(0) * 3600


def _per(text: pl.Series) -> pl.Series:
    """`2s`, `900ms` or `207us` → seconds; `0s`, which is printed where no step was timed, → null."""
    number = text.set(text == "0s", None).str.strip_chars_end("mus").cast(pl.Float64, strict=False)
    milli, micro = text.str.ends_with("ms"), text.str.ends_with("us")
    return (number / 1e6).zip_with(micro, (number / 1e3).zip_with(milli, number))


CLOCK = Field(pl.Float64(), _clock, "[0-9:]+s?")
MINUTES = Field(pl.Float64(), _clock, "[0-9]+:[0-9:]+")
PER = Field(pl.Float64(), _per, "[0-9]+[mu]?s", unknown="0s")

COUNT = r" *(?P<n>[0-9]+)/(?P<total>[0-9]+)"
CELLS_2 = r"\[(?P<cells>[=>.]+)\] -"
CELLS_3 = r"(?P<cells>[^ -~]{20,}|={20}|\?{20})"
NAME = r"[A-Za-z_][^: ]*(?: [^: -][^: ]*)*"
VALUE = r"(?:[+-]?[0-9]+\.[0-9]{4}(?:e[+-][0-9]{2})?|[+-]?(?:[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|nan|inf)|\[[^\[\]]*\])"
METRICS = rf"(?P<pairs>(?: - {NAME}: {VALUE})+)"
GLUED = r" *(?P<tail>[^0-9 .-].{0,600})?$"
"""What was printed next; longer text is no such thing, and would be costly to learn as a layout."""
PAIRS = Pairs(rf" - (?P<name>{NAME}): (?P<value>\[[^\[\]]*\]|[^ ]+)", {"learning_rate": FLOAT, "lr": FLOAT})
COUNTS = {"n": INT, "total": INT}
BLANK = {"cells": skipped("[^ ]+")}

RUNNING = Record(
    name="running",
    hints=("] - ETA: ",),
    pattern=rf"^{COUNT} {CELLS_2} ETA: (?:(?P<seconds_left>[0-9]+)s|(?P<left>[0-9]+:[0-9:]+)){METRICS}{GLUED}",
    almost=r"^ *[0-9]+/[0-9]+ \[[=>.]+\] - ETA: (?:[^ ]*[^0-9s: ][^ ]*|[^ ]+ [^ -][^ ]*) - .",
    fields={**COUNTS, "cells": skipped(r"[=>.]+"), "seconds_left": INT, "left": MINUTES},
    pairs=PAIRS,
    carry="n",
    examples=(
        "  32/6429 [..............................] - ETA: 310s - loss: 56623.5781",
        "1/5 [=====>........................] - ETA: 4:26:40 - loss: 0.7000 - acc: 0.5000",
        "32/32 [==============================] - ETA: 0s - loss: nan - mae: 1.0000e-09",
        "707/781 [==========================>...] - ETA: 1:43 - loss: 0.1011 - acc: 0.9674",
    ),
)
CLOSED = Record(
    name="closed",
    hints=("s/step - ", "s/sample - "),
    pattern=rf"^{COUNT} {CELLS_2} (?P<elapsed>[0-9]+s|[0-9:]+) (?P<per>[0-9]+[mu]?s)/(?P<unit>step|sample)"
    rf"{METRICS}{GLUED}",
    fields={**COUNTS, "cells": skipped(r"[=>.]+"), "elapsed": CLOCK, "per": PER, "unit": TEXT},
    pairs=PAIRS,
    carry="n",
    examples=(
        "32/32 [==============================] - 29s 900ms/step - loss: 0.0867 - acc: 0.5000 - val_loss: 0.3000 "
        "- val_acc: 5.0000e-04",
        "60000/60000 [==============================] - 4s 69us/sample - loss: 0.2198 - acc: 0.9350",
        "1875/1875 [==============================] - 5s 2ms/step - loss: 0.2 - lr: 1.0000e-03",
    ),
)
CLOSED_OLD = Record(
    name="closed_old",
    hints=("=] - ",),
    pattern=rf"^{COUNT} {CELLS_2} (?P<elapsed>[0-9]+s){METRICS}{GLUED}",
    fields={**COUNTS, "cells": skipped(r"[=>.]+"), "elapsed": CLOCK},
    pairs=PAIRS,
    carry="n",
    examples=("6429/6429 [==============================] - 12s - loss: 2.1318e-10 - val_loss: 1.0766e-10",),
)
BAR = Record(
    name="bar",
    hints=("s/step - ",),
    pattern=rf"^{COUNT} {CELLS_3} (?P<time>[0-9]+s|[0-9:]+) (?P<per>[0-9]+[mu]?s)/step{METRICS}{GLUED}",
    almost=r"^ *[0-9]+/[0-9]+ (?:[^ -~]{20,}|={20}|\?{20}) [0-9]*[^0-9s: ][^ ]* [0-9]+[mu]?s/step - .",
    fields={**COUNTS, **BLANK, "time": CLOCK, "per": PER},
    pairs=PAIRS,
    carry="n",
    examples=(
        " 1/32 ━━━━━━━━━━━━━━━━━━━━ 27s 900ms/step - accuracy: 0.5000 - loss: 0.7005",
        "10/10 ━━━━━━━━━━━━━━━━━━━━ 0s 6ms/step - loss: 0.6815 - val_loss: 0.6661 - learning_rate: 2.5000e-04",
        " 4/32 ==================== 1:02:03 22s/step - loss: nan",
    ),
)
UNSIZED = Record(
    name="unsized",
    hints=("/Unknown ",),
    pattern=r"^ *(?P<n>[0-9]+)/Unknown(?: -)? (?P<elapsed>[0-9]+s|[0-9:]+) (?P<per>[0-9]+[mu]?s)/(?P<unit>step|sample)"
    rf"{METRICS}{GLUED}",
    fields={"n": INT, "elapsed": CLOCK, "per": PER, "unit": TEXT},
    pairs=PAIRS,
    carry="n",
    examples=(
        "      4/Unknown - 1s 300ms/step - loss: 0.3646 - acc: 0.5000",
        "     10/Unknown 1s 21ms/step - accuracy: 0.4812 - loss: 0.7123",
    ),
)
LINE = Record(
    name="line",
    hints=(" - loss: ", "s/step - "),
    pattern=rf"^{COUNT} - (?P<elapsed>[0-9]+s)(?: - (?P<per>[0-9]+[mu]?s)/step)?{METRICS}"
    rf"(?: - [0-9]+[mu]?s/epoch - (?P<per_step>[0-9]+[mu]?s)/(?:step|sample))?{GLUED}",
    fields={**COUNTS, "elapsed": CLOCK, "per": PER, "per_step": PER},
    pairs=PAIRS,
    carry="n",
    examples=(
        "32/32 - 0s - 246us/step - accuracy: 0.8840 - loss: 0.4732 - val_accuracy: 0.8538 - val_loss: 0.4399",
        "32/32 - 1s - loss: 0.0867 - acc: 0.5000 - val_loss: 0.3000 - 640ms/epoch - 20ms/step",
        "60000/60000 - 3s - loss: -1.2345e-01 - accuracy: 0.9123",
    ),
)
LINE_OLD = Record(
    name="line_old",
    hints=(" - loss: ",),
    pattern=rf"^(?: ?- )?(?P<elapsed>[0-9]+s)(?: (?P<per>[0-9]+[mu]?s)/(?:step|sample))?{METRICS}{GLUED}",
    fields={"elapsed": CLOCK, "per": PER},
    pairs=PAIRS,
    carry="elapsed",
    examples=(
        "83s - loss: 2.6352 - acc: 0.1787 - val_loss: 2.4696 - val_acc: 0.3125",
        " - 1s - loss: 0.0888 - acc: 0.5000",
        " - 2s 33us/step - loss: 0.0888",
    ),
)
BARE = Record(
    name="bare",
    hints=("] - ", "s/step", "s/sample"),
    pattern=rf"^{COUNT} (?:{CELLS_2} (?:ETA: (?:(?P<seconds_left>[0-9]+)s|(?P<left>[0-9]+:[0-9:]+))|"
    r"(?P<elapsed>[0-9]+s)(?: (?P<per>[0-9]+[mu]?s)/(?:step|sample))?)|"
    r"(?P<cells_3>[^ -~]{20,}|={20}|\?{20}) (?P<time>[0-9]+s|[0-9:]+) (?P<per_3>[0-9]+[mu]?s)/step|"
    r"- (?P<line_elapsed>[0-9]+s)(?: - [0-9]+[mu]?s/epoch)? - (?P<line_per>[0-9]+[mu]?s)/step) *$",
    fields={
        **COUNTS,
        "cells": skipped(r"[=>.]+"),
        "seconds_left": INT,
        "left": MINUTES,
        "elapsed": CLOCK,
        "per": PER,
        "cells_3": skipped("[^ ]+"),
        "time": CLOCK,
        "per_3": PER,
        "line_elapsed": CLOCK,
        "line_per": PER,
    },
    carry="n",
    examples=(
        " 1/32 ━━━━━━━━━━━━━━━━━━━━ 1s 64ms/step",
        "313/313 [==============================] - 1s 2ms/step",
        " 8192/11490434 [..............................] - ETA: 0s",
        "32/32 - 0s - 64ms/epoch - 2ms/step",
    ),
)
DATED = Record(
    name="dated",
    hints=(" - loss: ",),
    pattern=rf"^{COUNT} (?P<cells>\[[=>.]+\] -|[^ -~]{{20,}}|={{20}}) [^-]+?{METRICS}"
    r"(?P<rest>(?P<year>20[0-9]{2})-[0-9]{2}-[0-9]{2} .*)$",
    fields={**COUNTS, "cells": skipped("[^ ]+"), "rest": skipped(".*"), "year": skipped("[0-9]+")},
    pairs=PAIRS,
    carry="n",
    examples=(
        " 1/32 [..............................] - ETA: 27s - loss: 0.69312019-02-19 17:46:12.492615: W "
        "tensorflow/core/x.cc:9] y",
    ),
)
"""A bar with TensorFlow's stamp glued to its last digit (`loss: 0.69312019-02-19 17:46:12`): values have four decimals.
The bar's time and the stamp are not read. A group within a group is never learned as a layout, which could not tell
where the value ends."""
COUNTED = (RUNNING, CLOSED, CLOSED_OLD, BAR, UNSIZED, LINE, LINE_OLD, DATED)
"""Records with metrics, each a redraw or a line of a loop that trains or evaluates."""
WHOLE_LOOPS = ("line", "line_old")

EPOCH = Record(
    name="epoch",
    hints=("Epoch ",),
    pattern=r"^Epoch (?P<epoch>[0-9]+)/(?P<planned>[0-9]+)$",
    fields={"epoch": INT, "planned": INT},
    carry="epoch",
    known=True,
    fallback=True,
    examples=("Epoch 3/10",),
)
DOWNLOAD = Record(
    name="download",
    hints=("Downloading data from ",),
    pattern=r"^Downloading data from (?P<url>[a-z]+://[^ ]+)$",
    fields={"url": TEXT},
    carry="url",
    known=True,
    examples=("Downloading data from https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",),
)
TRAIN_ON = Record(
    name="train_on",
    hints=("Train on ", "Train for "),
    pattern=r"^Train (?:on|for) (?:(?P<samples>[0-9]+) samples|(?P<steps>[0-9]+) steps)"
    r"(?:, validate (?:on|for) (?:(?P<val_samples>[0-9]+) samples|(?P<val_steps>[0-9]+) steps))?$",
    fields={"samples": INT, "steps": INT, "val_samples": INT, "val_steps": INT},
    carry="samples",
    examples=(
        "Train on 8000 samples, validate on 2000 samples",
        "Train for 1875 steps, validate for 313 steps",
        "Train on 60000 samples",
        "Train on 1875 steps, validate on 313 steps",
    ),
)

AT_EPOCH = r"^Epoch (?P<epoch>[0-9]+): "
SCHEDULED = Record(
    name="scheduled",
    hints=(": LearningRateScheduler ",),
    pattern=rf"{AT_EPOCH}LearningRateScheduler (?:setting|reducing) learning rate to (?P<value>[0-9.e+-]+?)\.?$",
    fields={"epoch": INT, "value": FLOAT},
    carry="value",
    examples=(
        "Epoch 1: LearningRateScheduler setting learning rate to 0.004999999888241291.",
        "Epoch 00002: LearningRateScheduler reducing learning rate to 1e-05.",
    ),
)
REDUCED = Record(
    name="reduced",
    hints=(": ReduceLROnPlateau reducing ", ": reducing learning rate to "),
    pattern=rf"{AT_EPOCH}(?:ReduceLROnPlateau )?reducing learning rate to (?P<value>[0-9.e+-]+?)\.?$",
    fields={"epoch": INT, "value": FLOAT},
    examples=(
        "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.00024999999441206456.",
        "Epoch 00007: reducing learning rate to 0.0005000000237487257.",
    ),
)
IMPROVED = Record(
    name="improved",
    hints=(" improved from ",),
    pattern=rf"{AT_EPOCH}(?P<metric>[^ ]+) improved from (?P<before>[^ ]+) to (?P<value>[^ ,]+)"
    r"(?:, saving model to (?P<file>.+))?$",
    fields={"epoch": INT, "metric": TEXT, "before": TEXT, "value": FLOAT, "file": TEXT},
    examples=(
        "Epoch 00001: val_loss improved from inf to 0.31234, saving model to weights.01-0.31.hdf5",
        "Epoch 1: val_loss improved from None to 0.67469, saving model to /home/me/run/a.keras",
    ),
)
NOT_IMPROVED = Record(
    name="not_improved",
    hints=(" did not improve",),
    pattern=rf"{AT_EPOCH}(?P<metric>[^ ]+) did not improve(?: from (?P<best>[^ ]+))?$",
    fields={"epoch": INT, "metric": TEXT, "best": FLOAT},
    known=True,
    examples=("Epoch 00002: val_loss did not improve from 0.31234", "Epoch 00002: val_acc did not improve"),
)
SAVING = Record(
    name="saving",
    hints=(": saving model to ",),
    pattern=rf"{AT_EPOCH}saving model to (?P<file>.+)$",
    fields={"epoch": INT, "file": TEXT},
    examples=("Epoch 00005: saving model to weights.05.hdf5",),
)
SAVED = Record(
    name="saved",
    hints=(": finished saving model to ",),
    pattern=rf"{AT_EPOCH}finished saving model to (?P<file>.+)$",
    fields={"epoch": INT, "file": TEXT},
    examples=("Epoch 1: finished saving model to /home/me/run/a.keras",),
)
ENDED_EARLY = Record(
    name="ended_early",
    hints=(": early stopping",),
    pattern=rf"{AT_EPOCH}early stopping$",
    fields={"epoch": INT},
    examples=("Epoch 00003: early stopping",),
)
RESTORED = Record(
    name="restored",
    hints=("Restoring model weights from the end of the best epoch",),
    pattern=r"^Restoring model weights from the end of the best epoch(?:: (?P<epoch>[0-9]+))?\.?$",
    fields={"epoch": INT},
    examples=(
        "Restoring model weights from the end of the best epoch: 1.",
        "Restoring model weights from the end of the best epoch",
    ),
)
INVALID = Record(
    name="invalid",
    hints=(": Invalid loss, terminating training",),
    pattern=r"^Batch (?P<batch>[0-9]+): Invalid loss, terminating training$",
    fields={"batch": INT},
    examples=("Batch 0: Invalid loss, terminating training",),
)
RAN_OUT = Record(
    name="ran_out",
    hints=("Your input ran out of data; interrupting training",),
    pattern=r"Your input ran out of data; interrupting training",
    examples=(
        "WARNING:tensorflow:Your input ran out of data; interrupting training. Make sure that your dataset "
        "or generator can generate at least `steps_per_epoch * epochs` batches (in this case, 20 batches).",
    ),
)

CSV_METRICS = (
    *("loss", "accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"),
    *(
        "mae",
        "mse",
        "mean_absolute_error",
        "mean_squared_error",
        "root_mean_squared_error",
        "auc",
        "precision",
        "recall",
    ),
    *("f1_score", "dice_coef", "iou", "mean_io_u", "top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy"),
)
CSV_NAMES = tuple(f"{prefix}{name}" for prefix in ("", "val_") for name in CSV_METRICS)
CELL = r"(?:[+-]?[0-9.]+(?:e[+-]?[0-9]+)?|nan|inf|-inf|NA|)"
CSV = Table(
    name="csv",
    hints=("epoch,",),
    header=r"^epoch(?:,[A-Za-z_][A-Za-z0-9_]*)*,(?:val_)?(?:loss|accuracy|acc)(?:,[A-Za-z_][A-Za-z0-9_]*)*$",
    separator=",",
    columns={
        "epoch": ("epoch", INT),
        "learning_rate": ("learning_rate", FLOAT),
        "lr": ("lr", FLOAT),
        **{name: (f"metric {name}", FLOAT) for name in CSV_NAMES},
    },
    row=rf"^[0-9]+(?:,{CELL})+$",
    examples=(
        (
            "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss",
            "0,0.5379999876022339,0.004999999888241291,0.6989721655845642,0.607692301273346,0.6746910810470581",
            "1,0.5569999814033508,0.00024999998277053237,0.6815379858016968,NA,NA",
        ),
    ),
)

DOWNLOAD_TOTAL = 4096
"""Totals of bars behind `Downloading data from` are bytes from here on."""
PLAIN_SECONDS = 60
"""Beyond this Keras 2.0.9 and later print an ETA as M:SS."""
SCHEDULE_LINES = 2
"""Keras 3 prints LearningRateScheduler's message at most so many lines before the `Epoch` line, Keras 2 behind it."""


def to_tables(matched: Matched) -> Tables:
    """Redraws as `progress`, their values as `metrics`, proven counts as `facts`, callbacks as `events`."""
    loops = _loops(matched)
    rows = {record.name: loops.filter(pl.col("record") == record.name) for record in COUNTED}
    csv = _csv(matched)
    return {
        "progress": [*(_progress(r) for r in rows.values()), _bare(matched), _progress_of_csv(csv)],
        "metrics": [*(matched.metrics(name, r) for name, r in rows.items()), *_metrics_of_csv(csv)],
        "facts": [*_facts(matched, loops), *(matched.word_facts(name) for name in rows)],
        "events": _events(matched, [_not_finite(matched, name, r) for name, r in rows.items()]),
    }


# ── which loop a bar belongs to ──────────────────────────────────────────────────────────────────────────────────────


def _loops(matched: Matched) -> pl.DataFrame:
    """The rows of all COUNTED records, those of one record in their order, with what stood before each: the epoch line
    and the row of the same log, also over the borders of chunks.

    `fresh`: first row behind an epoch line, `starts`: first row of any loop, `is_train` and `in_epoch`: of whole loops.
    """
    found = [_of_record(matched.rows(r.name), r.name) for r in COUNTED]
    before = pl.concat([_of_record(matched.carried[r.name], r.name) for r in COUNTED])
    before = (
        before.sort("line", "n", nulls_last=False).group_by("log", maintain_order=True).last().select(before.columns)
    )
    trained = None if matched.remembered is None else matched.remembered["is_train"].first()
    rows = pl.concat([before, *found])
    rows = matched.latest("epoch", rows, {"epoch": "epoch", "planned": "epochs_planned", "line": "epoch_line"})
    rows = matched.latest("scheduled", rows, {"epoch": "lr_epoch", "value": "lr_value", "line": "lr_line"})
    rows = rows.sort("seq", "piece", maintain_order=True)
    last = {f"last_{name}": pl.col(name).shift(1).over("log") for name in ("n", "total", "line", "record")}
    whole = pl.col("record").is_in(WHOLE_LOOPS)
    has_epoch, is_first = pl.col("epoch_line").is_not_null(), pl.col("last_line").is_null()
    again = (
        (pl.col("n") < pl.col("last_n"))
        | (pl.col("total") != pl.col("last_total"))
        | whole
        | pl.col("last_record").is_in(WHOLE_LOOPS)
    )
    is_carried = pl.col("seq") < 0
    is_train = pl.when(is_carried).then(pl.lit(trained)).when("starts").then(pl.col("fresh") | ~has_epoch)
    return (
        rows.with_columns(**last)
        .with_columns(fresh=has_epoch & (is_first | (pl.col("last_line") < pl.col("epoch_line"))))
        .with_columns(starts=pl.col("fresh") | is_first | again.fill_null(False))
        .with_columns(is_train=is_train.forward_fill().over("log").fill_null(True))
        .filter(~is_carried)
        .with_columns(in_epoch=pl.col("is_train") & has_epoch)
        .with_columns(
            phase=pl.when("is_train").then(pl.lit("train")),
            epoch=pl.when("in_epoch").then("epoch").cast(pl.Int32),
            epochs_planned=pl.when("in_epoch").then("epochs_planned").cast(pl.Int32),
            lr=pl.coalesce("lr", pl.when("in_epoch").then(_scheduled())),
            iter=pl.col("n"),
        )
        .with_columns(global_iter=_global_iter())
        .sort("at")
    )


def _remember(matched: Matched) -> pl.DataFrame:
    """Whether the loop that is open at the end of the piece trains."""
    last = _loops(matched).sort("seq", "piece").tail(1).select("is_train")
    return last if last.height or matched.remembered is None else matched.remembered


def _of_record(rows: pl.DataFrame, record: str) -> pl.DataFrame:
    """The columns that all records of bars and lines share; `at` is the row's place among those of its record."""

    def column(*names: str, dtype: pl.DataType = FLOAT.dtype) -> pl.Expr:
        there = [pl.col(name).cast(dtype) for name in names if name in rows.columns]
        return pl.coalesce(there) if there else pl.lit(None, dtype)

    return rows.select(
        *KEY,
        record=pl.lit(record),
        at=pl.int_range(pl.len(), dtype=pl.Int64),
        n=column("n", dtype=INT.dtype),
        total=column("total", dtype=INT.dtype),
        unit=column("unit", dtype=TEXT.dtype),
        seconds_left=column("seconds_left"),
        left=column("left", "seconds_left"),
        elapsed=column("elapsed"),
        time=column("time"),
        per=column("per", "per_step"),
        lr=column("learning_rate", "lr"),
    )


def _global_iter() -> pl.Expr:
    epoch = pl.col("epoch").cast(pl.Int64)
    return pl.when(epoch == 1).then("n").otherwise((epoch - 1) * pl.col("total") + pl.col("n"))


def _scheduled() -> pl.Expr:
    """The learning rate that LearningRateScheduler announced for the row's epoch."""
    same = (pl.col("lr_epoch") == pl.col("epoch")) & (pl.col("lr_line") >= pl.col("epoch_line") - SCHEDULE_LINES)
    return pl.when(same).then("lr_value")


def _progress(rows: pl.DataFrame) -> pl.DataFrame:
    done, n, total, time = pl.col("n") >= pl.col("total"), pl.col("n"), pl.col("total"), pl.col("time")
    closing = done & ((time > 0) | (~pl.col("starts") & (n == pl.col("last_n")) & (total == pl.col("last_total"))))
    return rows.select(
        *KEY,
        "phase",
        "epoch",
        "epochs_planned",
        "iter",
        "global_iter",
        "lr",
        iters_per_epoch="total",
        s_per_iter="per",
        elapsed_s=pl.coalesce("elapsed", pl.when(closing).then("time")),
        eta_s=pl.coalesce("left", pl.when(~closing.fill_null(False)).then("time")),
    )


def _bare(matched: Matched) -> pl.DataFrame:
    """Bars without metrics: predict(), or the bytes of a download."""
    rows = matched.latest("download", matched.rows("bare"), {"line": "download_line"})
    bytes_ = pl.col("download_line").is_not_null() & (pl.col("total") >= DOWNLOAD_TOTAL)
    done = pl.col("n") >= pl.col("total")
    return rows.select(
        *KEY,
        bar=pl.when(bytes_).then(pl.lit("download")),
        phase=pl.when(~bytes_).then(pl.lit("predict")),
        iter="n",
        iters_per_epoch="total",
        s_per_iter=pl.coalesce("per", "per_3", "line_per"),
        elapsed_s=pl.coalesce("elapsed", "line_elapsed", pl.when(done & (pl.col("time") > 0)).then("time")),
        eta_s=pl.coalesce("left", "seconds_left", pl.when(~done).then("time")),
    )


# ── CSVLogger ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _csv(matched: Matched) -> pl.DataFrame:
    return matched.rows("csv").with_columns(
        phase=pl.lit("train"),
        epoch=(pl.col("epoch") + 1).cast(pl.Int32),
        iter=pl.lit(None, pl.Int64),
        global_iter=pl.lit(None, pl.Int64),
    )


def _progress_of_csv(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(*KEY, "phase", "epoch", lr=pl.coalesce("learning_rate", "lr"))


def _metrics_of_csv(rows: pl.DataFrame) -> list[pl.DataFrame]:
    parts: list[pl.DataFrame] = []
    for printed in CSV_NAMES:
        phase, name = canonical(printed, {})
        column = f"metric {printed}"
        parts.append(
            rows.filter(pl.col(column).is_not_null()).select(
                *("log", "line", "redraw", "piece", "epoch", "iter", "global_iter"),
                phase=pl.lit(phase or "train"),
                name=pl.lit(name),
                printed_name=pl.lit(printed),
                value=pl.col(column),
            )
        )
    return parts


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _facts(matched: Matched, loops: pl.DataFrame) -> list[pl.DataFrame]:
    header = matched.rows("train_on")
    first = loops.filter(pl.col("fresh") & ((pl.col("epoch") == 1) | pl.col("last_line").is_null()))
    planned = first.with_columns(line="epoch_line")
    announced, counted = _sample_counters(matched, loops)
    proven = pl.concat([announced, counted])
    named = {
        "num_samples": "samples",
        "val_samples": "val_samples",
        "iters_per_epoch": "steps",
        "val_iters": "val_steps",
    }
    return [
        *(facts(header, name, pl.col(column), "log") for name, column in named.items()),
        facts(planned, "epochs_planned", pl.col("epochs_planned"), "log"),
        facts(proven, "counter", pl.lit("samples"), "log"),
        facts(counted, "num_samples", pl.col("total"), "log"),
        facts(proven.filter(pl.col("is_batch")), "batch_size", pl.col("n"), "log"),
    ]


def _sample_counters(matched: Matched, loops: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that prove that the bar counts samples, once an epoch: those whose total was announced, and those that prove
    it by themselves. `is_batch`: n is the first batch. The rule stands in the module's docstring."""
    rows = loops.filter("in_epoch").select(
        "log", "line", "seq", "record", "n", "total", "fresh", "unit", "seconds_left"
    )
    rows = matched.latest("train_on", rows, {"samples": "announced"})
    rows = matched.latest("closed_old", rows, {"total": "closed_before"})
    announced = pl.col("fresh") & (pl.col("announced") == pl.col("total"))
    first_batch = (
        pl.col("fresh") & (pl.col("record") == "running") & (pl.col("n") > 1) & (pl.col("n") < pl.col("total"))
    )
    up_to_208 = (pl.col("seconds_left") > PLAIN_SECONDS) | (pl.col("closed_before") == pl.col("total"))
    by_sample = (pl.col("unit") == "sample") & (pl.col("n") == pl.col("total"))
    rows = rows.with_columns(
        announced=announced.fill_null(False),
        counted=(by_sample | (first_batch & up_to_208)).fill_null(False),
        is_batch=first_batch,
    ).select("log", "line", "n", "total", "announced", "counted", "is_batch")
    return rows.filter("announced"), rows.filter(pl.col("counted") & ~pl.col("announced"))


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _not_finite(matched: Matched, record: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Losses of finished epochs that are no finite number."""
    odd = matched.metrics(record, rows, only=("loss",)).filter(
        (pl.col("phase") == "train") & ~pl.col("value").is_finite()
    )
    done = rows.filter((pl.col("n") >= pl.col("total")) | pl.col("record").is_in(WHOLE_LOOPS))
    return odd.join(done, on=["log", "line", "redraw", "piece"], how="semi").select(
        "log", "line", "epoch", "global_iter", "value"
    )


def _events(matched: Matched, not_finite: list[pl.DataFrame]) -> list[pl.DataFrame]:
    improved, saved = matched.rows("improved"), matched.rows("saved")
    done, begun = pl.col("epoch"), pl.col("epoch") - 1
    rate = pl.format("learning rate {}", "value")
    saving = pl.format("saving model to {}", "file")
    invalid = matched.latest("epoch", matched.rows("invalid"), {"epoch": "epoch"})
    finished = pl.concat(not_finite)
    ended = matched.latest("unsized", matched.rows("ran_out"), {"line": "unsized_line"})
    ran_dry = ended.filter(~pl.col("unsized_line").eq_missing(pl.col("line")))
    return [
        event(improved, "best", pl.format("{} improved from {} to {}", "metric", "before", "value"), epoch=done),
        event(improved.drop_nulls("file"), "checkpoint", saving, epoch=done),
        event(matched.rows("saving"), "checkpoint", saving, epoch=done),
        event(saved, "checkpoint_saved", pl.format("finished saving model to {}", "file"), epoch=done),
        event(matched.rows("ended_early"), "early_stop", pl.lit("early stopping"), epoch=done),
        event(matched.rows("restored"), "restore", pl.lit("weights of the best epoch restored"), epoch=done),
        event(matched.rows("reduced"), "lr_change", pl.format("{} on a plateau", rate), epoch=done),
        event(matched.rows("scheduled"), "lr_change", pl.format("{} by schedule", rate), epoch=begun),
        event(invalid, "nan_loss", pl.format("loss is not finite in batch {}, training ends", "batch"), epoch=begun),
        event(finished, "nan_loss", pl.format("loss is {}", "value"), epoch=done, global_iter=pl.col("global_iter")),
        event(ran_dry, "data_ran_out", pl.lit("the input ended before the planned steps")),
    ]


PARSER = Parser(
    "keras",
    (
        *COUNTED,
        BARE,
        EPOCH,
        DOWNLOAD,
        TRAIN_ON,
        SCHEDULED,
        REDUCED,
        IMPROVED,
        NOT_IMPROVED,
        SAVING,
        SAVED,
        ENDED_EARLY,
        RESTORED,
        INVALID,
        RAN_OUT,
        CSV,
    ),
    to_tables,
    _remember,
)
