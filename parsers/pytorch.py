r"""Plain prints of training loops: what people write themselves, in the shapes that PyTorch's tutorials made common.

There is no standard, so nothing is read that is not on the line: a line must have a counter (Epoch, Batch, Iter, Step)
and a value with the name of a metric (loss, accuracy …), with nothing but counters, `name: number` and punctuation
around them, behind an optional logger's prefix. Every shape is asked only for lines that no other format claims.

What the counters count
- `Epoch [2/5], Batch [50/312], Step [362/1560]`: Batch (or Iter) counts micro-batches within the epoch, Step all of
  them since the start. A script that accumulates gradients may mean updates: nothing on the line tells.
- Beside an epoch a lone Batch, Iter or Step is read as counting within it (`Epoch [1/5], Step [100/600]`); without
  one a lone Iter or Step is global. `Global Step` is always global. Whether a counter runs on, the analysis can see.
- Numbers are as printed: some scripts count from 0. `global_iter` is set only where the line has it.
- `Train Epoch: 1 [640/60000 (1%)]` (examples/mnist, any version): batch_idx · len(batch): samples *before* this batch,
  of this epoch; the loss is of the batch behind them. The total is len(dataset), also on several ranks; on the last,
  smaller batch the number falls. It is `samples_seen`, the total the fact `num_samples`; iter is null.
  Without the percentage a bracket behind the epoch counts batches.
- `train Loss: 0.4774 Acc: 0.7664`, `val Loss: …` below `Epoch 0/24` (the transfer-learning tutorial, which counts
  epochs from 0 and prints the number of the last one): a whole phase of that epoch.
- `loss: 2.303494  [   64/60000]` (the quickstart tutorial): samples of this epoch *including* this batch.
- `[1,  2000] loss: 2.213` (the CIFAR-10 tutorial): epoch and batch, both from 1; the mean of the last 2,000 batches.
- `Test set: Average loss: 0.0512, Accuracy: 9834/10000 (98%)`: accuracy is the fraction, 0.9834; the total is the fact
  `test_samples`.

What a value means is not known: `loss` may be the last batch's or a running mean, `time` an epoch's or a batch's; so a
time is the metric `time` as printed, whatever its unit, and never `s_per_iter`. Names become lower case; `Train Loss`,
`val_loss`, `Val. Acc`, `test acc` are `loss` and `acc` of the phase that they name. `Average loss` is `loss`, but stays
`average_loss` where the line has both.

Sources: pytorch/examples (mnist), the tutorials of pytorch.org (quickstart, CIFAR-10), the scripts of sample_logs/ run
with torch 2.13.0 (FORMATS.md §5.1, §5.2).
"""

import polars as pl

from .contract import (
    FLOAT,
    INT,
    KEY,
    METRIC_CONTEXT,
    STAMP,
    TEXT,
    Field,
    Matched,
    Pairs,
    Parser,
    Record,
    Tables,
    facts,
)

# ── the grammar of a line ────────────────────────────────────────────────────────────────────────────────────────────

LEVEL = r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)"
LOGGED_AT = r"(?P<logged_at>[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{3,6})?)"
PREFIX = (
    r"^[ \t*=>-]*(?:\[?(?:rank ?)?(?P<rank>[0-9]{1,4})\]?: )?"
    rf"(?:\[?{LOGGED_AT}\]? *(?:[|:,-]+ *)?(?:[A-Za-z_][A-Za-z0-9_.]* - )?)?"
    rf"(?:\[?{LEVEL}\]?(?::[A-Za-z_][A-Za-z0-9_.]*:| *[|:-]* *))?"
    r"(?:[A-Za-z0-9_.<>]+:[A-Za-z0-9_.<>]+:[0-9]+ - )?[\[(]?"
)
"""A rank (`0: `), a stamp, a logger's name and level, in the orders of logging, loguru and hand-made prints."""

NUMBER = r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)"
UNIT = r"(?: ?%| ?(?:s|ms|h|secs?|seconds?|mins?|minutes?|[a-z]+/s(?:ec)?|s/[a-z]+)\b)?"
SHARE = r"(?: ?\((?:[0-9]+/[0-9]+|[0-9.]+ ?%)\))?"
IS = r"(?:[ \t]*[:=][ \t]*[\[(]?[ \t]*|[ \t]+[\[(]?[ \t]*|[\[(][ \t]*)"
GAP = r"[ \t\]),|;:.>–—-]+[\[(]?[ \t]*"
BETWEEN = r"[ \t]*[,|:-]?[ \t]*"
END = r"[ \t\]),|;:.–—-]*$"

COUNTERS = (
    *("epoch", "batch", "iter", "iteration", "step"),
    *("global step", "global_step", "batch_idx", "batch idx", "mini-batch", "minibatch"),
)
FRACTION = r"[0-9]+[ \t]*(?:/|of)[ \t]*[0-9]+"
COUNTED = rf"(?:{FRACTION}|[0-9]+)"
SHORT_COUNTERS = ("itr", "it", "i")
COUNTER = (
    rf"(?:(?:{'|'.join(sorted(COUNTERS, key=len, reverse=True))}){IS}{COUNTED}"
    rf"|(?:{'|'.join(SHORT_COUNTERS)})[ \t]*[:=][ \t]*\[?{FRACTION})"
)
"""`i=9/530` is a counter only with its total."""

PHASE_WORDS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "vali", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
ADJECTIVES = (*PHASE_WORDS, "avg", "average", "mean", "running", "total", "epoch", "batch", "current", "best", "top")
METRIC_WORDS = (
    *(
        "loss",
        "acc",
        "accuracy",
        "ppl",
        "perplexity",
        "prec",
        "precision",
        "recall",
        "auc",
        "auroc",
        "iou",
        "miou",
        "dice",
    ),
    *(
        "mse",
        "rmse",
        "mae",
        "mape",
        "psnr",
        "ssim",
        "bleu",
        "map",
        "nll",
        "elbo",
        "bce",
        "fid",
        "wer",
        "cer",
        "f1",
        "r2",
    ),
    *("reward", "score"),
)
METRIC = (
    r"(?:[a-z0-9_./-]*loss[a-z0-9_./-]*"
    rf"|(?:[a-z0-9_.-]*[_./-])?(?:{'|'.join(METRIC_WORDS)})(?:[@_./-][a-z0-9_.]+|[0-9]+)?)"
)
WORD = r"[a-z_][a-z0-9_./@-]*"
IN_UNIT = r"(?: ?\([a-z%/]+\))?"
SAYS = r"[ \t]*[:=][ \t]*[\[(]?[ \t]*"
CLOCK_NAMES = ("eta", "time", "elapsed")
CLOCK = r"(?:[0-9]+ days?, )?[0-9]+:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]+)?"
QUALIFIED = rf"(?:(?:{'|'.join(ADJECTIVES)})\.?[ \t]){{0,2}}"
MEASURED = rf"(?:{QUALIFIED}{METRIC}{IN_UNIT}{IS}|(?:{WORD} ){{1,2}}{METRIC}{IN_UNIT}{SAYS}){NUMBER}{UNIT}{SHARE}"
"""A value with a metric's name: `loss 0.3`, `train loss: 0.3`, `D loss = 0.3`. Without `:` or `=` only words that say
which loss may stand before it: a sentence has others."""
RATE_NAME = r"(?:lr|learning[ _]rate)"
SAID = (
    rf"(?:{WORD}(?: {WORD}){{0,2}}{IN_UNIT}{SAYS}|(?:{RATE_NAME}|eta|time|elapsed|mfu|dt)[ \t]+){NUMBER}{UNIT}{SHARE}"
    rf"|(?:{'|'.join(CLOCK_NAMES)}){IS}{CLOCK}"
)
VALUE = rf"(?:{MEASURED}|{SAID})"
ITEM = rf"(?:{COUNTER}|{VALUE})"


def _cases(names: tuple[str, ...], kind: Field) -> dict[str, Field]:
    """The names as people write them: lower, Title, UPPER."""
    return {form: kind for name in names for form in (name, name.capitalize(), name.title(), name.upper())}


def _seconds(text: pl.Series) -> pl.Series:
    """A number, or `[D days, ][H:]MM:SS`, as seconds."""
    parts = text.str.extract_groups(r"^(?:([0-9]+) days?, )?(?:([0-9]+):)?([0-9]+):([0-9.]+)$").struct.unnest()
    days, hours, minutes, seconds = (part.cast(pl.Float64, strict=False) for part in parts.iter_columns())
    clock = days.fill_null(0) * 86400 + hours.fill_null(0) * 3600 + minutes * 60 + seconds
    number = text.cast(pl.Float64, strict=False)
    return number.zip_with(number.is_not_null(), clock)


RATE_NAMES = ("lr", "learning rate", "learning_rate")
COUNT = Field(pl.String(), lambda text: text, None)
SECONDS = Field(pl.Float64(), _seconds, None)
OTHER_KNOWN = {**_cases(RATE_NAMES, FLOAT), **_cases(CLOCK_NAMES, SECONDS)}
PAIR = rf"(?i)(?P<name>{WORD}(?: {WORD}){{0,3}}){IN_UNIT}{IS}(?P<value>{CLOCK}|{FRACTION}|{NUMBER}){UNIT}{SHARE}"
LEAD = rf"(?:(?P<lead>{'|'.join(sorted(PHASE_WORDS, key=len, reverse=True))})\]?[ \t]*[:|,-]?[ \t]*[\[(]?)?"
HINTS = tuple(form for word in ("epoch", "iter", "step", "batch") for form in (word, word.capitalize(), word.upper()))
PREFIXED = {"rank": INT, "logged_at": STAMP}

# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

COUNTED_LINE = Record(
    name="counted",
    hints=HINTS,
    pattern=rf"(?i){PREFIX}{LEAD}(?P<pairs>{COUNTER}{GAP}(?:{ITEM}{GAP})*{MEASURED}(?:{GAP}{ITEM})*"
    rf"|{MEASURED}{GAP}(?:{ITEM}{GAP})*{COUNTER}(?:{GAP}{ITEM})*){END}",
    fields={**PREFIXED, "lead": TEXT},
    pairs=Pairs(PAIR, {**_cases((*COUNTERS, *SHORT_COUNTERS), COUNT), **OTHER_KNOWN}),
    fallback=True,
    examples=(
        "Epoch [2/5], Batch [50/312], Step [362/1560], Loss: 0.7031",
        "Epoch: 3 | Batch: 100/500 | loss=1.2e-02",
        "Epoch 1, Step 100, Loss 0.5",
        "Epoch 3/10 - loss: 0.3211 - acc: 0.91 - time: 12.3s",
        "Epoch 5: train loss 0.3, val loss 0.4",
        "Epoch: 05 | Train Loss: 0.402 | Train Acc: 81.43% | Val. Loss: 0.389 | Val. Acc: 82.01%",
        "epoch 3 loss 0.12",
        "2026-02-17 10:00:00,123 - INFO - Epoch [1/5], Iter [50/312], Loss: nan, lr: 1e-3, ETA: 0:01:02",
        "step 250: train loss 2.4412, val loss 2.4501",
        "epoch=0 i=9/530 total_loss=14.73172 spectro_loss=0.69833",
    ),
)

BRACKET = Record(
    name="bracket",
    hints=("poch", "POCH"),
    pattern=rf"(?i){PREFIX}{LEAD}epoch[ \t]*:?[ \t]*\[?(?P<in_epoch>[0-9]+)(?:/(?P<planned>[0-9]+))?\]?{BETWEEN}"
    r"\[[ \t]*(?P<done>[0-9]+)/[ \t]*(?P<total>[0-9]+)(?P<share>[ \t]*\([ \t]*[0-9.]+%\))?\]"
    rf"{BETWEEN}(?P<pairs>(?:{VALUE}{GAP})*{MEASURED}(?:{GAP}{VALUE})*){END}",
    fields={**PREFIXED, "lead": TEXT, "in_epoch": INT, "planned": INT, "done": INT, "total": INT, "share": TEXT},
    pairs=Pairs(PAIR, OTHER_KNOWN),
    carry="in_epoch",
    fallback=True,
    examples=(
        "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.301234",
        "Train Epoch: 14 [59520/60000 (99%)]\tLoss: 0.010234",
        "Epoch: 2/10 [50/312] loss: 0.7031 acc: 0.51",
    ),
)

HEADER = Record(
    name="header",
    hints=("Epoch",),
    pattern=r"^Epoch:? +(?P<epoch>[0-9]+)(?:/(?P<planned>[0-9]+))?$",
    fields={"epoch": INT, "planned": INT},
    carry="epoch",
    known=True,
    fallback=True,
    examples=("Epoch 1", "Epoch: 12", "Epoch 0/24"),
)

SUMMED = Record(
    name="summed",
    hints=("Loss", "loss"),
    pattern=rf"(?i){PREFIX}(?P<lead>{'|'.join(sorted(PHASE_WORDS, key=len, reverse=True))})\]?[ \t]*[:|,-]?[ \t]*"
    rf"(?P<pairs>{MEASURED}(?:{GAP}{VALUE})+){END}",
    fields={**PREFIXED, "lead": TEXT},
    pairs=Pairs(PAIR, OTHER_KNOWN),
    carry="lead",
    fallback=True,
    examples=("train Loss: 0.4774 Acc: 0.7664", "val Loss: 0.2384 Acc: 0.9085"),
)

SAMPLED = Record(
    name="sampled",
    hints=("loss: ",),
    pattern=rf"(?i){PREFIX}loss: (?P<loss>{NUMBER}) +\[ *(?P<done>[0-9]+)/ *(?P<total>[0-9]+)\]$",
    fields={**PREFIXED, "loss": FLOAT, "done": INT, "total": INT},
    fallback=True,
    examples=("loss: 2.303494  [   64/60000]",),
)

LISTED = Record(
    name="listed",
    hints=("] loss: ",),
    pattern=rf"(?i)^\[ *(?P<epoch>[0-9]+), *(?P<done>[0-9]+)\] loss: (?P<loss>{NUMBER})$",
    fields={"epoch": INT, "done": INT, "loss": FLOAT},
    fallback=True,
    examples=("[1,  2000] loss: 2.213",),
)

TESTED = Record(
    name="tested",
    hints=("Average loss: ", "Avg. loss: ", "Avg loss: "),
    pattern=rf"(?i){PREFIX}(?P<lead>test|validation|val|valid|eval)(?:[ _]set)?: "
    rf"(?:average|avg\.?) loss: (?P<loss>{NUMBER}), "
    r"accuracy: (?P<right>[0-9]+)/(?P<total>[0-9]+) \([0-9.]+%\)$",
    fields={**PREFIXED, "lead": TEXT, "loss": FLOAT, "right": INT, "total": INT},
    fallback=True,
    examples=("Test set: Average loss: 0.0512, Accuracy: 9834/10000 (98%)",),
)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def to_tables(matched: Matched) -> Tables:
    """One row of `progress` a line; its named values as `metrics`, under canonical names and the phases they name."""
    counted, bracket, summed = _counted(matched), _bracket(matched), _summed(matched)
    sampled, listed, tested = _sampled(matched), _listed(matched), _tested(matched)
    free = [_named(matched.metrics("counted", counted)), _named(matched.metrics("bracket", bracket))]
    counted = _phased(counted, free[0])
    of_summed = _with_phase(_named(matched.metrics("summed", summed)), summed)
    summed = summed.filter("is_record")
    metrics = [
        *(_with_phase(values, rows) for values, rows in zip(free, (counted, bracket), strict=True)),
        of_summed.join(summed, on=["log", "line", "redraw", "piece"], how="semi", maintain_order="left"),
        *(_metric(rows, "time", _first(rows, ("time",))) for rows in (counted, bracket)),
        *(_metric(rows, "loss", pl.col("loss")) for rows in (sampled, listed, tested)),
        _metric(tested, "accuracy", pl.col("right") / pl.col("total")),
    ]
    return {
        "progress": [_progress(rows) for rows in (counted, bracket, summed, sampled, listed, tested)],
        "metrics": metrics,
        "facts": [
            facts(_totals(matched), pl.col("name"), pl.col("total"), "log"),
            matched.word_facts("counted"),
            matched.word_facts("bracket"),
        ],
        "events": [_not_finite(metrics)],
    }


def _not_finite(metrics: list[pl.DataFrame]) -> pl.DataFrame:
    """The first training loss of a log that is no number."""
    training = (pl.col("name") == "loss") & (pl.col("phase") == "train")
    odd = [values.filter(training & ~pl.col("value").is_finite()) for values in metrics]
    rows = pl.concat([values.select("log", "line", "epoch", "global_iter", "value") for values in odd])
    first = rows.sort("log", "line").unique("log", keep="first", maintain_order=True)
    message = pl.format("loss is {}", "value")
    return first.select("log", "line", "epoch", "global_iter", kind=pl.lit("nan_loss"), message=message)


def _first(rows: pl.DataFrame, names: tuple[str, ...]) -> pl.Expr:
    """The value of whichever name, in whichever case, the line has."""
    forms = list(_cases(names, COUNT))
    printed = [form for form in forms if rows[form].null_count() < rows.height]
    return pl.coalesce(*(printed or forms[:1]))


def _split(rows: pl.DataFrame, names: tuple[str, ...], column: str) -> dict[str, pl.Expr]:
    """`50/312` or `50 of 312` → the columns `<column>` and `<column>_total`."""
    text = _first(rows, names)
    return {
        column: text.str.extract(r"^([0-9]+)").cast(pl.Int64, strict=False),
        f"{column}_total": text.str.extract(r"(?i)(?:/|of)[ \t]*([0-9]+)").cast(pl.Int64, strict=False),
    }


def _counted(matched: Matched) -> pl.DataFrame:
    rows = matched.rows("counted")
    rows = rows.with_columns(
        **_split(rows, ("epoch",), "of_epoch"),
        **_split(rows, ("batch", "batch_idx", "batch idx", "mini-batch", "minibatch"), "of_batch"),
        **_split(rows, ("iter", "iteration", *SHORT_COUNTERS), "of_iter"),
        **_split(rows, ("step",), "of_step"),
        **_split(rows, ("global step", "global_step"), "of_global"),
    )
    rows = _below_header(matched, rows, "of_epoch")
    has_epoch, has_batch = pl.col("epoch").is_not_null(), pl.col("of_batch").is_not_null()
    has_iter, has_step = pl.col("of_iter").is_not_null(), pl.col("of_step").is_not_null()
    iter_within = pl.when(has_epoch & ~has_batch)
    step_within = pl.when(has_epoch & ~has_batch & ~has_iter & pl.col("of_global").is_null())

    def within(suffix: str) -> pl.Expr:
        iters, steps = iter_within.then(f"of_iter{suffix}"), step_within.then(f"of_step{suffix}")
        return pl.when(has_batch).then(f"of_batch{suffix}").when(has_iter).then(iters).otherwise(steps)

    def over_all(suffix: str) -> pl.Expr:
        steps = pl.when(~has_epoch | has_batch | has_iter).then(f"of_step{suffix}")
        iters = pl.when(~has_epoch | has_batch).then(f"of_iter{suffix}")
        elsewhere = pl.when(has_step).then(steps).otherwise(iters)
        return pl.when(pl.col("of_global").is_not_null()).then(f"of_global{suffix}").otherwise(elsewhere)

    return rows.with_columns(
        phase=_phase_of_lead(),
        epochs_planned=pl.col("of_epoch_total").cast(pl.Int32, strict=False),
        iter=within(""),
        iters_per_epoch=within("_total"),
        global_iter=over_all(""),
        iters_planned=over_all("_total"),
        lr=_first(rows, RATE_NAMES),
        eta_s=_first(rows, ("eta",)),
        elapsed_s=_first(rows, ("elapsed",)),
    )


def _bracket(matched: Matched) -> pl.DataFrame:
    samples = pl.col("share").is_not_null()
    rows = matched.rows("bracket")
    return rows.with_columns(
        phase=pl.coalesce(_phase_of_lead(), pl.lit("train")),
        epoch=pl.col("in_epoch").cast(pl.Int32, strict=False),
        epochs_planned=pl.col("planned").cast(pl.Int32, strict=False),
        iter=pl.when(~samples).then("done"),
        iters_per_epoch=pl.when(~samples).then("total"),
        samples_seen=pl.when(samples).then("done"),
        global_iter=pl.lit(None, pl.Int64),
        lr=_first(rows, RATE_NAMES),
        eta_s=_first(rows, ("eta",)),
        elapsed_s=_first(rows, ("elapsed",)),
    )


def _sampled(matched: Matched) -> pl.DataFrame:
    rows = matched.rows("sampled").with_columns(of_epoch=pl.lit(None, pl.Int64))
    rows = _below_header(matched, rows, "of_epoch")
    return rows.with_columns(phase=pl.lit("train"), samples_seen="done", **_no_iterations())


def _listed(matched: Matched) -> pl.DataFrame:
    return matched.rows("listed").with_columns(
        phase=pl.lit("train"),
        epoch=pl.col("epoch").cast(pl.Int32, strict=False),
        iter="done",
        global_iter=pl.lit(None, pl.Int64),
    )


def _tested(matched: Matched) -> pl.DataFrame:
    """A test set's line belongs to the epoch of the last training line above it."""
    rows = matched.rows("tested")
    above = matched.latest("bracket", rows.select("log", "seq"), {"in_epoch": "epoch"})
    rows = rows.join(
        above.select("seq", pl.col("epoch").cast(pl.Int32, strict=False)), on="seq", how="left", maintain_order="left"
    )
    return rows.with_columns(phase=_phase_of_lead(), **_no_iterations())


TRAIN_BELOW_HEADER, VAL_BELOW_TRAIN = 2, 4
"""Lines: a rule stands between `Epoch 0/24` and its training's line, blank ones before the validation's."""


def _summed(matched: Matched) -> pl.DataFrame:
    """Lines of whole phases (`train Loss: 0.4774 Acc: 0.7664`) below the header of their epoch, in the order of
    `Matched.rows`. `is_record`: only right below a header, or below such a line of the training: elsewhere, as behind a
    bar of another format, a phase with its loss belongs to nobody knows what."""
    rows = matched.rows("summed").with_columns(at=pl.int_range(pl.len(), dtype=pl.Int64))
    rows = pl.concat([matched.carried["summed"], rows], how="diagonal_relaxed")
    rows = matched.latest("header", rows, {"epoch": "above", "line": "header_line"})
    rows = matched.latest("header", rows, {"planned": "planned"})
    rows = rows.sort("seq", "piece", maintain_order=True).with_columns(phase=_phase_of_lead())
    is_train = pl.col("phase") == "train"
    begins = is_train & (pl.col("line") - pl.col("header_line")).is_between(1, TRAIN_BELOW_HEADER)
    trained_at = pl.when(begins.fill_null(False)).then("line").forward_fill().over("log")
    follows = ~is_train & (pl.col("line") - trained_at).is_between(1, VAL_BELOW_TRAIN)
    return (
        rows.with_columns(
            is_record=(begins | follows).fill_null(False),
            epoch=pl.col("above").cast(pl.Int32, strict=False),
            epochs_planned=pl.col("planned").cast(pl.Int32, strict=False),
            lr=_first(rows, RATE_NAMES),
            eta_s=_first(rows, ("eta",)),
            elapsed_s=_first(rows, ("elapsed",)),
            **_no_iterations(),
        )
        .filter(pl.col("seq") >= 0)
        .sort("at")
    )


def _below_header(matched: Matched, rows: pl.DataFrame, printed: str) -> pl.DataFrame:
    """Rows with `epoch`: the one on the line, else that of the header line (`Epoch 3`) above it."""
    if not rows[printed].null_count():
        return rows.with_columns(epoch=pl.col(printed).cast(pl.Int32, strict=False))
    above = matched.latest("header", rows.select("log", "seq"), {"epoch": "above"})
    rows = rows.join(above.select("seq", "above"), on="seq", how="left", maintain_order="left")
    return rows.with_columns(epoch=pl.coalesce(printed, "above").cast(pl.Int32, strict=False)).drop("above")


def _no_iterations() -> dict[str, pl.Expr]:
    return {"iter": pl.lit(None, pl.Int64), "global_iter": pl.lit(None, pl.Int64)}


def _phase_of_lead() -> pl.Expr:
    return pl.col("lead").str.to_lowercase().replace_strict(PHASE_WORDS, default=None, return_dtype=pl.String)


OF_PROGRESS = (
    *(
        "phase",
        "rank",
        "logged_at",
        "epoch",
        "epochs_planned",
        "iter",
        "iters_per_epoch",
        "global_iter",
        "iters_planned",
    ),
    *("samples_seen", "lr", "eta_s", "elapsed_s"),
)


def _progress(rows: pl.DataFrame) -> pl.DataFrame:
    ranked = [pl.col("rank").cast(pl.Int32, strict=False)] if "rank" in rows.columns else []
    return rows.with_columns(ranked).select(*KEY, *(name for name in OF_PROGRESS if name in rows.columns))


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

PHASE_OF_NAME = rf"^({'|'.join(sorted(PHASE_WORDS, key=len, reverse=True))})_(.+)$"
SAMPLES_OF = {"test": "test_samples", "val": "val_samples"}
AVERAGED = ("average_loss", "avg_loss", "mean_loss")


def _named(metrics: pl.DataFrame) -> pl.DataFrame:
    """Metrics under canonical names, worked out once for each printed name."""
    plain = pl.col("printed_name").str.to_lowercase().str.replace_all(r"[ .]+", "_").str.strip_chars("_")
    word = plain.str.extract(PHASE_OF_NAME, 1)
    names = (
        metrics.select("printed_name")
        .unique()
        .with_columns(
            canonical=pl.coalesce(plain.str.extract(PHASE_OF_NAME, 2), plain),
            named_phase=word.replace_strict(PHASE_WORDS, default=None, return_dtype=pl.String),
        )
    )
    joined = metrics.join(names, on="printed_name", how="left", maintain_order="left")
    return joined.with_columns(name="canonical", phase="named_phase").drop("canonical", "named_phase")


def _phased(rows: pl.DataFrame, metrics: pl.DataFrame) -> pl.DataFrame:
    """A line whose values are all of a validation is one; any other is of the training, if its lead says no other."""
    if not metrics["phase"].is_in(["val", "test"]).any():
        return rows.with_columns(phase=pl.coalesce("phase", pl.lit("train")))
    trains = pl.col("phase").is_null() | (pl.col("phase") == "train")
    said = metrics.group_by("log", "line", "redraw", "piece").agg(
        trains=trains.any(), said=pl.col("phase").drop_nulls().first()
    )
    joined = rows.join(said, on=["log", "line", "redraw", "piece"], how="left", maintain_order="left")
    of_values = pl.when(pl.col("trains").fill_null(True)).then(pl.lit("train")).otherwise("said")
    return joined.with_columns(phase=pl.coalesce("phase", of_values)).drop("trains", "said")


def _with_phase(metrics: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Metrics whose names say no phase are of their line's; an averaged loss is the loss if the line has no other."""
    key = ["log", "line", "redraw", "piece"]
    if rows["phase"].n_unique() <= 1:
        metrics = metrics.with_columns(phase=pl.coalesce("phase", pl.lit(rows["phase"].first(), pl.String)))
    else:
        of_line = rows.select(*key, line_phase="phase")
        metrics = metrics.join(of_line, on=key, how="left", maintain_order="left")
        metrics = metrics.with_columns(phase=pl.coalesce("phase", "line_phase")).drop("line_phase")
    if not metrics["name"].is_in(AVERAGED).any():
        return metrics
    is_averaged = pl.col("name").is_in(AVERAGED)
    losses = (is_averaged | (pl.col("name") == "loss")).sum().over(*key, "phase")
    return metrics.with_columns(name=pl.when(is_averaged & (losses == 1)).then(pl.lit("loss")).otherwise("name"))


def _metric(rows: pl.DataFrame, name: str, value: pl.Expr) -> pl.DataFrame:
    named = rows.select(*METRIC_CONTEXT, name=pl.lit(name), printed_name=pl.lit(name), value=value)
    return named.filter(pl.col("value").is_not_null())


def _totals(matched: Matched) -> pl.DataFrame:
    """Sizes of data sets: log, line, name, total, each once a log."""
    counts_samples = pl.col("share").is_not_null() & (_phase_of_lead().fill_null("train") == "train")
    tested = matched.rows("tested").with_columns(
        name=_phase_of_lead().replace_strict(SAMPLES_OF, default=None, return_dtype=pl.String)
    )
    rows = [
        matched.rows("bracket").filter(counts_samples).with_columns(name=pl.lit("num_samples")),
        matched.rows("sampled").with_columns(name=pl.lit("num_samples")),
        tested.drop_nulls("name"),
    ]
    sizes = pl.concat([part.select("log", "line", "seq", "name", "total") for part in rows])
    sizes = sizes.sort("seq").unique(["log", "name", "total"], keep="first", maintain_order=True)
    return sizes if matched.remembered is None else sizes.join(matched.remembered, on=["name", "total"], how="anti")


def _remember(matched: Matched) -> pl.DataFrame:
    """The sizes that the log has said."""
    sizes = _totals(matched).select("name", "total")
    return sizes if matched.remembered is None else pl.concat([matched.remembered, sizes])


PARSER = Parser("pytorch", (COUNTED_LINE, BRACKET, HEADER, SUMMED, SAMPLED, LISTED, TESTED), to_tables, _remember)
