"""The dict lines of the Hugging Face Trainer (transformers 4.20 to 5.23) and of trainers built on it, such as TRL's.

What the lines count: nothing. They have neither iteration nor update. Their `epoch` is a fraction: full epochs, plus
the micro-batches of this one divided by its length, at the update behind which the line was printed. It is kept as the
metric `epoch`; the column `epoch` is the one in which it lies (0.36 → 1, 1.0 → 1, 1.01 → 2). The updates stand in the
bar, whose total is `max_steps` and whose n is that of the redraw **behind** the line (the one before it may be stale).

How numbers are printed
- 4.x: bare, `loss` rounded to 4 decimals, `epoch` to 2 (not rounded in 4.40), the rest as they are. 5.x: each a string
  of 4 significant digits in quotes (`'epoch': '0.1307'`). Near the end of an epoch a rounded fraction may stand for the
  next one: 1.004 is printed as 1.0.
- nan and inf are bare in 4.x, quoted in 5.x.

What the lines do not mean
- `loss` is the mean over the updates since the line before, and over ranks. With `logging_nan_inf_filter` (default) a
  NaN of a step is left out of it. With accumulation it is A times too large where the model takes the number of items
  and ignores it (5.23). `grad_norm` is that of one update before clipping (from 4.40 on; not in 4.20 and 4.30).
- `learning_rate` is the one last used.
- `train_samples_per_second` is the planned number of samples divided by the time, also where the run stopped early or
  was resumed (4.x); 5.23 takes the steps that were done. `train_runtime` has evaluations and checkpoints in it.
- Early stopping prints nothing: the bar ends before its total, and the closing summary stands behind it all the same
  (event `completed`).
- A resumed bar begins at 0 and jumps, so its rate is wrong.

The header (`***** Running training *****`) is read by `stated`. Without INFO, which is the default, there is none.
Where `max_steps` is given, its `Num Epochs` is no plan but follows from it, rounded up: fact `planned_in` = `updates`.

Sources: transformers 5.23.0 and 4.46.3 run; sources 4.20 to 5.23 (FORMATS.md §4).
"""

import polars as pl

from .contract import (
    FLOAT,
    INT,
    KEY,
    STAMP,
    TEXT,
    Matched,
    Pairs,
    Parser,
    Record,
    Region,
    Tables,
    event,
    facts,
)

_STAMP = r"(?P<logged_at>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3})"
PREFIX = (
    rf"^ *(?:\[transformers\] +|\[[A-Z]+\|[^\[\]]+\] {_STAMP} >> +"
    r"|[0-9]{2}/[0-9]{2}/[0-9]{4} [0-9:]{8} - [A-Z]+ - [^ ]+ - +)?"
)
"""What stands before a message: transformers' own handler in 5.x, its explicit format, the example scripts' format."""

BODY = r"[^{}]*"
ITEMS = Pairs(
    r"'(?P<name>[^']+)': '?(?P<value>\[[^\]]*\]|[^',\[\]{}]+)'?",
    {"learning_rate": FLOAT, "epoch": FLOAT},
)

TRAIN = Record(
    name="train",
    hints=("'loss': ",),
    pattern=rf"^ *\{{(?P<pairs>(?:'{BODY}, )?'loss': {BODY}'learning_rate': {BODY}'epoch': {BODY})\}}$",
    pairs=ITEMS,
    carry="epoch",
    examples=(
        "{'loss': 0.6931, 'grad_norm': 1.2034512758255005, 'learning_rate': 4.78e-05, 'epoch': 0.36}",
        "{'loss': '0.6931', 'grad_norm': '10.85', 'learning_rate': '4.829e-05', 'epoch': '0.1307'}",
        "{'loss': 3.5663, 'learning_rate': 9.99998257609161e-05, 'epoch': 0.02}",
        "{'loss': 0.0, 'grad_norm': nan, 'learning_rate': 0.0, 'reward': 0.4, 'epoch': 0.13071895424836602}",
    ),
)
_RUNTIME, _LOSS = (rf"(?:[^'{{}}]*_)?{name}" for name in ("runtime", "loss"))
EVAL = Record(
    name="eval",
    hints=("'eval_",),
    pattern=rf"^ *\{{(?P<pairs>(?:'{BODY}, )?'eval_(?:{_RUNTIME}': {BODY}|{_LOSS}': {BODY}'epoch': {BODY}))\}}$",
    pairs=ITEMS,
    examples=(
        "{'eval_loss': 0.3861, 'eval_runtime': 0.0026, 'eval_samples_per_second': 191.0, 'epoch': 1.0}",
        "{'eval_loss': '0.3861', 'eval_accuracy': '0.5', 'eval_runtime': '0.0026', 'epoch': '1'}",
        "{'eval_loss': 1.25, 'eval_f1': 0.75, 'epoch': 3.0}",
    ),
)
TEST = Record(
    name="test",
    hints=("'test_",),
    pattern=rf"^ *\{{(?P<pairs>(?:'{BODY}, )?'test_{_RUNTIME}': {BODY})\}}$",
    pairs=ITEMS,
    examples=("{'test_loss': 0.3861, 'test_runtime': 0.0026, 'test_samples_per_second': 191.0}",),
)
SUMMARY = Record(
    name="summary",
    hints=("'train_runtime': ",),
    pattern=rf"^ *\{{(?P<pairs>(?:'{BODY}, )?'train_runtime': {BODY})\}}$",
    pairs=Pairs(
        ITEMS.pattern,
        {
            "train_runtime": FLOAT,
            "train_samples_per_second": FLOAT,
            "train_steps_per_second": FLOAT,
            "train_loss": FLOAT,
            "epoch": FLOAT,
        },
    ),
    examples=(
        "{'train_runtime': 13190.0841, 'train_samples_per_second': 14.452, 'train_steps_per_second': 0.902, "
        "'train_loss': 0.09297465862721956, 'epoch': 24.96}",
        "{'train_runtime': '0.2611', 'train_samples_per_second': '1.403e+04', 'train_steps_per_second': '448.1', "
        "'train_loss': '3.065', 'epoch': '3'}",
    ),
)

STAMPED = {"logged_at": STAMP}
CHECKPOINT = Record(
    name="checkpoint",
    hints=("Saving model checkpoint to ",),
    pattern=rf"{PREFIX}Saving model checkpoint to (?P<path>[^ ].*)$",
    fields={**STAMPED, "path": TEXT},
    examples=(
        "Saving model checkpoint to out/checkpoint-500",
        "[transformers] Saving model checkpoint to /home/me/train/out/checkpoint-20",
        "[INFO|trainer.py:2868] 2023-07-18 21:42:31,153 >> Saving model checkpoint to out",
        "07/18/2023 21:42:31 - INFO - pet.core.trainer - Saving model checkpoint to checkpoint_lora",
    ),
)
BEST = Record(
    name="best",
    hints=("Loading best model from ",),
    pattern=rf"{PREFIX}Loading best model from (?P<path>[^ ].*?) \(score: (?P<score>[^ ()]+)\)\.?$",
    fields={**STAMPED, "path": TEXT, "score": FLOAT},
    examples=("[transformers] Loading best model from out/checkpoint-80 (score: 0.3832).",),
)
LOADING = Record(
    name="loading",
    hints=("Loading model from ",),
    pattern=rf"{PREFIX}Loading model from (?P<path>[^ ].*?)\.?$",
    fields={**STAMPED, "path": TEXT},
    known=True,
    examples=("[transformers] Loading model from /home/me/train/out/checkpoint-80.", "Loading model from out ."),
)
RESUMED = Record(
    name="resumed",
    hints=("Continuing training from global step ", "Resuming training from checkpoint with epoch "),
    pattern=rf"{PREFIX}(?:Continuing training from|Resuming training from checkpoint with epoch (?P<epochs>[0-9]+) "
    r"and) global step (?P<step>[0-9]+)$",
    fields={**STAMPED, "epochs": INT, "step": INT},
    examples=(
        "[transformers]   Resuming training from checkpoint with epoch 2 and global step 80",
        "  Continuing training from global step 80",
        "[INFO|trainer.py:1743] 2023-07-18 18:02:41,066 >>   Continuing training from global step 500",
    ),
)
SKIPPED = Record(
    name="skipped",
    hints=("Continuing training from ", "Will skip the first ", "Fast-forwarding the dataloader past "),
    pattern=rf"{PREFIX}(?:Continuing training from (?:checkpoint, will skip to saved global_step|epoch [0-9]+)"
    r"|Will skip the first [0-9]+ (?:epochs|batches) .*|Fast-forwarding the dataloader past [0-9]+ epochs .*)$",
    fields=STAMPED,
    known=True,
    examples=(
        "  Continuing training from checkpoint, will skip to saved global_step",
        "  Continuing training from epoch 2",
        "  Will skip the first 2 epochs then the first 16 batches in the first epoch.",
        "[transformers]   Fast-forwarding the dataloader past 2 epochs and 16 batches to resume from the exact "
        "training state.",
    ),
)
CAPPED = Record(
    name="capped",
    hints=("max_steps is given, it will override ",),
    pattern=rf"{PREFIX}max_steps is given, it will override any value given in num_train_epochs$",
    fields=STAMPED,
    examples=("[transformers] max_steps is given, it will override any value given in num_train_epochs",),
)
RNG_STATE = Record(
    name="rng_state",
    hints=("checkpoint_rng_state = torch.load(rng_file)",),
    pattern=r"^ *checkpoint_rng_state = torch\.load\(rng_file\)$",
    examples=("  checkpoint_rng_state = torch.load(rng_file)",),
)
"""The line of the Trainer that torch 2.4 and later quote in a warning (transformers 4.44 to 4.50): it is run where a
process resumes, and nowhere else. Each rank warns."""
COMPLETED = Record(
    name="completed",
    hints=("Training completed. Do not forget to share your model",),
    pattern=rf"{PREFIX}Training completed\. Do not forget to share your model on huggingface\.co/models =\)$",
    fields=STAMPED,
    known=True,
    examples=("Training completed. Do not forget to share your model on huggingface.co/models =)",),
)
MESSAGE = Record(
    name="message",
    hints=(" >> ",),
    pattern=rf"^ *\[[A-Z]+\|[^\[\]]+\] {_STAMP} >> ",
    fields=STAMPED,
    known=True,
    fallback=True,
    examples=("[INFO|modeling_utils.py:3295] 2023-07-18 18:02:18,711 >> All model checkpoint weights were used.",),
)
"""A line of transformers' logger in its explicit format: its stamp is the only clock of such a log."""
METRICS_TABLE = Region(
    name="metrics_table",
    hints=("***** train metrics *****", "***** eval metrics *****", "***** predict metrics *****"),
    start=r"^ *\*{5} (?:train|eval|predict|test) metrics \*{5}$",
    stop=r"^(?:[^ ]|[^=]*$)",
    examples=(
        (
            "***** train metrics *****",
            "  epoch                    =      24.96",
            "  train_loss               =      0.093",
            "  train_runtime            = 3:39:50.08",
            "done",
        ),
    ),
)
"""What `trainer.log_metrics` prints: the summary once more, rounded."""

SUMMARY_NAMES = {
    "train_runtime": "train_runtime_s",
    "train_loss": "train_loss",
    "train_samples_per_second": "train_samples_per_second",
    "train_steps_per_second": "train_steps_per_second",
    "epoch": "epochs_trained",
}
"""Values of the closing summary as facts: `epochs_trained` is the fraction at which the training ended."""
NEAR_LINES = 100
"""Ranks print the same warning side by side: of those within so many lines the first tells of a resume."""
PHASES = {"train": "train", "eval": "val", "test": "test"}


def to_tables(matched: Matched) -> Tables:
    """Dict lines as `progress` and `metrics`, the closing summary as `facts`, what happened as `events`."""
    parts = {name: _counted(matched.rows(name), phase) for name, phase in PHASES.items()}
    metrics = [m for name, rows in parts.items() for m in (matched.metrics(name, rows), _fraction(rows))]
    summary = matched.rows("summary")
    return {
        "progress": [rows.select(*KEY, "phase", "epoch", lr="learning_rate") for rows in parts.values()],
        "metrics": metrics,
        "facts": [
            *(facts(summary, name, pl.col(printed), "log") for printed, name in SUMMARY_NAMES.items()),
            facts(matched.rows("capped"), "planned_in", pl.lit("updates"), "log"),
            *(matched.word_facts(name) for name in parts),
        ],
        "events": _events(matched, parts["train"]),
    }


def _counted(rows: pl.DataFrame, phase: str) -> pl.DataFrame:
    """Dict lines with the epoch in which they stand; what they do not count is null."""
    fraction = pl.col("epoch")
    return rows.with_columns(
        phase=pl.lit(phase),
        fraction=fraction,
        epoch=pl.when(fraction.is_finite()).then(fraction.ceil().clip(1)).cast(pl.Int32, strict=False),
        iter=pl.lit(None, pl.Int64),
        global_iter=pl.lit(None, pl.Int64),
    )


def _fraction(rows: pl.DataFrame) -> pl.DataFrame:
    """The printed `epoch` as a metric."""
    context = rows.select("log", "line", "redraw", "piece", "phase", "epoch", "iter", "global_iter", value="fraction")
    return context.drop_nulls("value").with_columns(name=pl.lit("epoch"), printed_name=pl.lit("epoch"))


def _events(matched: Matched, train: pl.DataFrame) -> list[pl.DataFrame]:
    resumed = matched.rows("resumed")
    state = matched.rows("rng_state").sort("log", "line", maintain_order=True)
    first = (pl.col("line").diff().over("log") > NEAR_LINES).fill_null(True)
    losses = matched.metrics("train", train, only=("loss",)).filter(~pl.col("value").is_finite())
    odd = losses.sort("log", "line").unique("log", keep="first", maintain_order=True)
    return [
        event(matched.rows("checkpoint"), "checkpoint", pl.format("saving model to {}", "path")),
        event(
            matched.rows("best"), "restore", pl.format("best model loaded from {}, its score is {}", "path", "score")
        ),
        event(resumed, "resume", pl.format("resumed at update {}", "step"), epoch=pl.col("epochs")),
        event(state.filter(first), "resume", pl.lit("the random state of a checkpoint was loaded")),
        event(matched.rows("summary"), "completed", pl.format("training ended at epoch {}", "epoch")),
        event(odd, "nan_loss", pl.format("loss is {}", "value"), epoch=pl.col("epoch")),
    ]


PARSER = Parser(
    "huggingface",
    (
        TRAIN,
        EVAL,
        TEST,
        SUMMARY,
        CHECKPOINT,
        BEST,
        LOADING,
        RESUMED,
        SKIPPED,
        CAPPED,
        RNG_STATE,
        COMPLETED,
        MESSAGE,
        METRICS_TABLE,
    ),
    to_tables,
)
