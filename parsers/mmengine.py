"""mmengine's runner log, and xtuner 0.1–0.2 on it: text (console and file) and its JSON copy `vis_data/*.json`.

What the counter counts (0.1.0 … 0.10.7): micro-batches, one forward/backward each, on the printing rank; never updates.
It is 1-based and inclusive: `[10/3672]` means that ten are done. `Epoch(train) [E][i/len]` counts within the epoch,
`Iter(train) [i/max]` over the whole run. xtuner's TrainLoop plans `max_epochs · len(dataloader)` iterations and prints
no epoch. An update happens every `accumulative_counts` iterations of the run, and after its last one.

What its lines do not mean
- `time` and `data_time` are means over the last ten *iterations*, not since the last line, and the first line holds the
  start-up; the pause of a loader that begins again (2 s) and, by iteration, validation show up in `data_time`.
- `loss`, `grad_norm` are means of the last ten entries (0.7.3: any key with loss, time or grad_norm in it).
- The last train line is not the last iteration: lines come every `interval`; `Saving checkpoint at 3672 iterations`
  ends a run whose last line is `[3670/3672]`. By epoch the tail of each epoch is not printed.
- `memory` is the peak *allocated* since the previous line, in MiB, on this rank. `eta` knows nothing of validation.
- `Epoch(val) [3][26/26]` is a validation's summary: its times are means over the validation.
- `Exp name:` stands in front of the train line at every 1,000th iteration of the run, and behind the iteration whose
  index reaches the loader's length: by iteration, the one that is out of step tells the iterations of an epoch.
- `GPU number:` is the number of ranks; `GPU 0,1,2,3: NAME` are the devices that the process could see.
- In the JSON copy `iter` and `step` are global; a val line's `step` is the epoch (by epoch), the iteration, or 0. With
  `log_with_hierarchy` its names have their phase in front; the text has that for validations only.

Sources: mmengine 0.10.7 and xtuner 0.1.23 run; their sources, all tags (FORMATS.md §2).
"""

import polars as pl

from .contract import (
    DURATION,
    FLOAT,
    INT,
    KEY,
    NO_EVENTS,
    STAMP,
    TEXT,
    WORD,
    Field,
    Matched,
    Pairs,
    Parser,
    Record,
    Region,
    Tables,
    event,
    facts,
)
from .dumps import python_leaves

LOGGED_AT = r"(?P<logged_at>(?:[0-9]{4}/)?[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})"
PREFIX = rf"^(?:.*?{LOGGED_AT} - [^ ]+ - [A-Z]+ -(?: |$))"
ANY_STAMP = (
    r"(?P<logged_at>(?:[0-9]{4}/)?[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:,[0-9]{3})?)"
)
COUNTED = rf"^(?:(?:.*?{ANY_STAMP} - )?[^ ]+ - [A-Z]+ - +)?"
"""What stands before a counter: forks set other stamps, or none. Their other lines could be mmcv's too."""
COUNTER = r"(?:\[ *(?P<epoch>[0-9]+)\])?\[ *(?P<iter>[0-9]+)/(?P<total>[0-9]+)\]"
VALUES = {
    "lr": FLOAT,
    "base_lr": FLOAT,
    "eta": DURATION,
    "time": FLOAT,
    "data_time": FLOAT,
    "memory": FLOAT,
}
NAME = r"(?:[^\s:]|:[^\s])+(?: (?:[^\s:]|:[^\s])+)*"  # `coco/AP (M)`, `AP@0.50:0.95`: blanks, and colons within
PAIRS = Pairs(
    rf"(?P<name>{NAME}): (?P<value>(?:-?[0-9]+ days?, )?(?:\[[^\]]*\]|\{{[^}}]*\}}|[^ ]+))",
    VALUES,
)
STAMPED = {"logged_at": STAMP}

TRAIN = Record(
    name="train",
    hints=("Epoch(train)", "Iter(train)"),
    pattern=rf"{COUNTED}(?P<unit>Epoch|Iter)\(train\) +{COUNTER}(?P<pairs>(?: .*)?)$",
    almost=rf"(?:{PREFIX}|^)(?:Epoch|Iter)\(train\)",
    fields={**STAMPED, "unit": TEXT, "epoch": INT, "iter": INT, "total": INT},
    pairs=PAIRS,
    examples=(
        "11/20 16:48:46 - mmengine - INFO - Epoch(train) [1][5/5]  lr: 2.0000e-04  eta: 0:00:00  time: 0.0019  "
        "data_time: 0.0015  loss: 0.5428",
        "2024/04/15 22:47:04 - mmengine - INFO - Iter(train) [  10/3672]  base_lr: 1.0000e-04 lr: 2.0000e-05  "
        "eta: 1 day, 16:16:10  time: 16.0021  data_time: 0.0042  memory: 12000  loss: nan",
    ),
)

EVAL = Record(
    name="eval",
    hints=("Epoch(val)", "Iter(val)", "Epoch(test)", "Iter(test)"),
    pattern=rf"{COUNTED}(?P<unit>Epoch|Iter)\((?P<mode>val|test)\) +{COUNTER}(?P<pairs>(?: .*)?)$",
    almost=rf"(?:{PREFIX}|^)(?:Epoch|Iter)\((?:val|test)\)",
    fields={**STAMPED, "unit": TEXT, "mode": TEXT, "epoch": INT, "iter": INT, "total": INT},
    pairs=PAIRS,
    examples=(
        "2023/06/04 17:30:24 - mmengine - INFO - Epoch(val)   [5][1/6]    eta: 0:00:07  time: 1.461756  "
        "data_time: 1.435650  memory: 180  ",
        "11/20 16:48:57 - mmengine - INFO - Iter(val) [26/26]    acc: 0.5000  n: 26  data_time: 0.0012  time: 0.0013",
        "06/04 15:22:27 - mmengine - INFO - Epoch(test) [6/6]    coco/AP .5: 1.000000  coco/AP (M): -1.000000  "
        "recall_classwise: [84.25, 91.5]  data_time: 0.8750  time: 1.2753",
    ),
)

JSON_PAIRS = Pairs(
    r'"(?:train/)?(?P<name>[^"]+)": '
    r'(?P<value>"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,{}\[\]"]+)',
    {
        **{name: VALUES[name] for name in ("lr", "base_lr", "time", "data_time", "memory")},
        "val/time": FLOAT,
        "val/data_time": FLOAT,
        "epoch": INT,
        "iter": INT,
        "step": INT,
    },
)

SCALARS = Record(
    name="scalars",
    hints=('"step": ',),
    pattern=r'^\{(?P<pairs>"[^{}]*"(?:(?:train|val)/)?(?:data_)?time": [^{}]*"step": [0-9]+)\}$',
    pairs=JSON_PAIRS,
    carry="epoch",
    examples=(
        '{"lr": 0.0002, "data_time": 0.0042, "loss": NaN, "time": 0.0055, "epoch": 1, "iter": 1, '
        '"memory": 1362, "step": 1}',
        '{"coco/bbox_mAP": 0.028, "data_time": 1.34, "time": 1.44, "step": 10}',
        '{"train/lr": 0.01, "train/data_time": 0.002, "train/loss": 0.5, "train/time": 0.004, "epoch": 1, "iter": 3, '
        '"step": 3}',
    ),
)


def _message(shape: str, hint: str, pattern: str, example: str, /, carry: str | None = None, **fields: Field) -> Record:
    """A line of mmengine or xtuner that is an event or a fact: an optional prefix, then the message."""
    return Record(
        name=shape,
        hints=(hint,),
        pattern=rf"{PREFIX}?{pattern}",
        fields={**STAMPED, **fields},
        carry=carry,
        examples=(example,),
    )


CHECKPOINT = _message(
    "checkpoint",
    "Saving checkpoint at ",
    r"Saving checkpoint at (?P<count>[0-9]+) (?P<what>epochs|iterations)",
    "11/20 16:48:46 - mmengine - INFO - Saving checkpoint at 1 epochs",
    count=INT,
    what=TEXT,
)
BEST = _message(
    "best",
    "The best checkpoint with ",
    r"The best checkpoint with (?P<value>[^ ]+) (?P<metric>.+?) at (?P<count>[0-9]+) (?P<what>epoch|iter)s? is saved",
    "2023/06/04 17:30:31 - mmengine - INFO - The best checkpoint with 0.1281 PCK at 5 epoch is saved to best_5.pth.",
    value=FLOAT,
    metric=TEXT,
    count=INT,
    what=TEXT,
)
RESUMED = _message(
    "resumed",
    "resumed epoch: ",
    r"resumed epoch: (?P<epochs>[0-9]+), iter: (?P<iters>[0-9]+)",
    "11/20 16:49:23 - mmengine - INFO - resumed epoch: 0, iter: 60",
    epochs=INT,
    iters=INT,
)
ENDED_EARLY = _message(
    "ended_early",
    "the monitored metric",
    r"the monitored metric did not improve in the last (?P<records>[0-9]+) records",
    "2024/01/05 10:00:00 - mmengine - INFO - the monitored metric did not improve in the last 5 records. "
    "best score: 0.5. ",
    records=INT,
)
SAMPLES = _message(
    "samples",
    "Num train samples ",
    r"Num train samples (?P<samples>[0-9]+)$",
    "2024/04/15 22:46:38 - mmengine - INFO - Num train samples 11214",
    samples=INT,
)
TOTAL_SAMPLES = Record(
    name="total_samples",
    hints=("=======total ",),
    pattern=r"^=+total (?P<samples>[0-9]+) samples(?: of (?P<file>.+?))?=+$",
    fields={"samples": INT, "file": TEXT},
    examples=("=======total 1220 samples=======", "=======total 610 samples of data/a.json======="),
)
SCALED = _message(
    "scaled",
    "LR is set based on batch size of ",
    r"LR is set based on batch size of (?P<base>[0-9]+) and the current batch size is (?P<batch>[0-9]+)",
    "11/20 16:48:46 - mmengine - INFO - LR is set based on batch size of 16 and the current batch size is 8. "
    "Scaling the original LR by 0.5.",
    base=INT,
    batch=INT,
)
EXPERIMENT = _message(
    "experiment",
    "Exp name: ",
    r"Exp name: (?P<name>[^ ]+)$",
    "11/20 16:48:46 - mmengine - INFO - Exp name: 20261120_164846",
    carry="name",
    name=WORD,
)
WORK_DIR = _message(
    "work_dir",
    "Checkpoints will be saved to ",
    r"Checkpoints will be saved to (?P<path>.+?)\.?$",
    "11/20 16:48:46 - mmengine - INFO - Checkpoints will be saved to /home/me/train/mm/w_tiny.",
    path=TEXT,
)
WRAPPED = _message(
    "wrapped",
    "Reach the end of the dataloader",
    r"Reach the end of the dataloader",
    "11/20 16:49:10 - mmengine - WARNING - Reach the end of the dataloader, it will be restarted and continue to "
    "iterate.",
)
BANNER = Record(
    name="banner",
    hints=(" - INFO -", " - WARNING -", " - ERROR -", " - DEBUG -", " - CRITICAL -"),
    pattern=rf"{PREFIX}",
    fields=STAMPED,
    known=True,
    fallback=True,
    examples=(
        "2023/06/04 17:27:10 - mmengine - INFO - ",
        "11/20 16:48:46 - my.fork - WARNING - `save_param_scheduler` is True but `self.param_schedulers` is None",
    ),
)
RULE = Record(
    name="rule",
    hints=("-----",),
    pattern=r"^-{20,}$",
    known=True,
    fallback=True,
    examples=("------------------------------------------------------------",),
)

ENVIRONMENT = Region(
    name="environment",
    hints=("System environment:",),
    start=r"^System environment:$",
    stop=None,
    examples=(
        (
            "System environment:",
            "    GPU 0,1,2,3: NVIDIA GeForce RTX 3090",
            "    GPU number: 1",
            "------------------------------------------------------------",
        ),
    ),
)
CONFIG = Region(
    name="config",
    hints=(" - Config:",),
    start=rf"{PREFIX}Config:$",
    stop=None,
    examples=(
        (
            "2023/06/04 17:27:15 - mmengine - INFO - Config:",
            "train_dataloader = dict(",
            "    batch_size=28,",
            "    sampler=dict(shuffle=True, type='DefaultSampler'))",
            "2023/06/04 17:27:16 - mmengine - INFO - ",
        ),
    ),
)
HOOKS = Region(
    name="hooks",
    hints=("Hooks will be executed in the following order",),
    start=r"Hooks will be executed in the following order:$",
    stop=None,
    examples=(
        (
            "11/20 16:48:46 - mmengine - INFO - Hooks will be executed in the following order:",
            "before_run:",
            "(VERY_HIGH   ) RuntimeInfoHook                    ",
            "11/20 16:48:46 - mmengine - INFO - ",
        ),
    ),
)
SAMPLE_TEXT = Region(
    name="sample_text",
    hints=("EvaluateChatHook", "Sample output:", " example:", " <s>"),
    start=r" - (?:(?:before|after)_\w+ in EvaluateChatHook\.|Sample output:|(?:train|val|test) example:| <s>)",
    stop=None,
    examples=(
        (
            "2024/04/15 22:47:00 - mmengine - INFO - Sample output:",
            "<s><|User|>:红烧鱼的做法<eoh>",
            "2024/04/15 22:47:04 - mmengine - INFO - ",
        ),
    ),
)

INITIALIZED = Region(
    name="initialized",
    hints=("Name of parameter - Initialization information",),
    start=r"^Name of parameter - Initialization information",
    stop=None,
    examples=(
        (
            "Name of parameter - Initialization information",
            "backbone.conv1.weight - torch.Size([64, 3, 7, 7]): ",
            "PretrainedInit: load from resnet18.pth ",
            "2023/06/08 01:40:34 - mmengine - INFO - ",
        ),
    ),
)
MISMATCH = Region(
    name="mismatch",
    hints=("The model and loaded state dict do not match exactly",),
    start=r"The model and loaded state dict do not match exactly$",
    stop=None,
    examples=(
        (
            "2023/06/08 01:40:34 - mmengine - WARNING - The model and loaded state dict do not match exactly",
            "size mismatch for head.fc.bias: copying a param with shape torch.Size([1000]) from checkpoint",
            "2023/06/08 01:40:35 - mmengine - INFO - ",
        ),
    ),
)
DRAWN_TABLE = Region(
    name="drawn_table",
    hints=("+-----",),
    start=r"^\+-[-+]+\+$",
    stop=r"^[^|+]",
    examples=(
        (
            "+------------+-------+-------+",
            "|   Class    |  IoU  |  Acc  |",
            "+------------+-------+-------+",
            "2023/06/16 11:51:16 - mmengine - INFO - ",
        ),
    ),
)

CONFIG_NAMES = {
    "train_dataloader.batch_size": "batch_size",
    "batch_size": "batch_size",
    "train_dataloader.drop_last": "drop_last",
    "train_dataloader.sampler.type": "sampler",
    "train_dataloader.sampler.per_device_batch_size": "sampler_window",
    "train_dataloader.sampler.round_up": "sampler_round_up",
    "val_dataloader.batch_size": "val_batch_size",
    "optim_wrapper.accumulative_counts": "grad_accum",
    "accumulative_counts": "grad_accum",
    "strategy.gradient_accumulation_steps": "grad_accum",
    "train_cfg.max_epochs": "epochs_planned",
    "max_epochs": "epochs_planned",
    "train_cfg.max_iters": "iters_planned",
    "max_iters": "iters_planned",
    "train_cfg.val_interval": "val_interval",
    "train_cfg.type": "train_loop",
    "default_hooks.logger.interval": "log_interval",
    "default_hooks.checkpoint.interval": "checkpoint_interval",
    "randomness.seed": "seed",
    "sequence_parallel_size": "sequence_parallel",
    "launcher": "launcher",
    "load_from": "load_from",
    "resume": "resume",
    "work_dir": "work_dir",
    "optim_wrapper.optimizer.type": "optimizer",
}
"""Paths of a dumped configuration → canonical names. The stock xtuner variables stand beside the paths they feed."""

ENVIRONMENT_NAMES = {
    "GPU number": "world_size",
    "seed": "seed",
    "Distributed launcher": "launcher",
    "MMEngine": "framework_version",
}
ENVIRONMENT_LINE = r"^    (?P<name>[^ :-][^:]*): (?P<value>.+)$"
NOTHING = ("None", "auto", "")


def to_tables(matched: Matched) -> Tables:
    """Text and JSON records as `progress`, free values as `metrics`, headers as `facts`, what happened as `events`."""
    counted = {"train": _counted, "eval": _counted, "scalars": lambda rows: _scalars(rows, matched)}
    parts = {name: count(rows) for name, count in counted.items() if (rows := matched.rows(name)).height}
    metrics = [
        m for name, rows in parts.items() for m in (matched.metrics(name, rows), _base_lr(matched.rows(name), rows))
    ]
    return {
        "progress": [_progress(rows) for rows in parts.values()],
        "metrics": metrics,
        "facts": [*_header_facts(matched), *_line_facts(matched), *(matched.word_facts(name) for name in parts)],
        "events": _events(matched, [matched.metrics(name, rows, only=("loss",)) for name, rows in parts.items()]),
    }


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    by_epoch = pl.col("unit") == "Epoch"
    done_before = (pl.col("epoch") - 1) * pl.col("total")
    training = pl.lit("train") if "mode" not in rows.columns else pl.col("mode")
    is_train = training == "train"
    within = by_epoch | ~is_train
    return rows.with_columns(
        phase=training,
        epoch=pl.col("epoch").cast(pl.Int32, strict=False),
        iter=pl.when(within).then("iter"),
        iters_per_epoch=pl.when(within).then("total"),
        global_iter=pl.when(is_train).then(pl.when(by_epoch).then(done_before + pl.col("iter")).otherwise("iter")),
        iters_planned=pl.when(~within).then("total"),
    )


def _scalars(rows: pl.DataFrame, matched: Matched) -> pl.DataFrame:
    """A train line has a learning rate (or, in other versions, `iter` or `epoch`); a val line has none of them. Its
    `step` is an epoch where the train lines before it have epochs, and not read otherwise."""
    rows = rows.with_columns(
        time=pl.coalesce("time", "val/time"),
        data_time=pl.coalesce("data_time", "val/data_time"),
        is_train=pl.any_horizontal(pl.col(n).is_not_null() for n in ("lr", "base_lr", "iter", "epoch")),
    )
    if not rows["is_train"].all():
        seen = matched.latest("scalars", rows.select("log", "seq"), {"epoch": "last_epoch"})
        rows = rows.join(seen.select("seq", "last_epoch"), on="seq", how="left", maintain_order="left")
    else:
        rows = rows.with_columns(last_epoch=pl.lit(None, pl.Int64))
    is_train = pl.col("is_train")
    return rows.with_columns(
        phase=pl.when(is_train).then(pl.lit("train")).otherwise(pl.lit("val")),
        epoch=pl.when(is_train)
        .then("epoch")
        .when(pl.col("last_epoch").is_not_null())
        .then("step")
        .cast(pl.Int32, strict=False),
        iter=pl.lit(None, pl.Int64),
        global_iter=pl.when(is_train).then(pl.coalesce("iter", "step")),
        iters_per_epoch=pl.lit(None, pl.Int64),
        iters_planned=pl.lit(None, pl.Int64),
        logged_at=pl.lit(None, pl.Datetime("us")),
        eta=pl.lit(None, pl.Float64),
    )


def _progress(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        *KEY,
        "phase",
        "logged_at",
        "epoch",
        "iter",
        "iters_per_epoch",
        "global_iter",
        "iters_planned",
        s_per_iter="time",
        data_s_per_iter="data_time",
        eta_s="eta",
        memory_mib="memory",
        lr=pl.coalesce("lr", "base_lr"),
    )


def _base_lr(read: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`base_lr` beside `lr` is a metric of its own."""
    both = read["base_lr"].is_not_null() & read["lr"].is_not_null()
    if not both.any():
        return rows.clear().select(*KEY)
    context = rows.filter(both).select("log", "line", "redraw", "piece", "phase", "epoch", "iter", "global_iter")
    return context.with_columns(
        name=pl.lit("base_lr"), printed_name=pl.lit("base_lr"), value=read["base_lr"].filter(both)
    )


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _header_facts(matched: Matched) -> list[pl.DataFrame]:
    return [*_config_facts(matched.region("config")), *_environment_facts(matched.region("environment"))]


def _config_facts(region: pl.DataFrame) -> list[pl.DataFrame]:
    if not region.height:
        return []
    config = python_leaves(region).filter(~pl.col("value").is_in(NOTHING))
    named = pl.col("path").replace_strict(CONFIG_NAMES, default=pl.col("path"), return_dtype=pl.String)
    return [facts(config, named, pl.col("value"), "config")]


def _environment_facts(region: pl.DataFrame) -> list[pl.DataFrame]:
    if not region.height:
        return []
    lines = region.select(pl.col("text").unique())  # logs of one machine print the same lines
    named = lines.with_columns(pl.col("text").str.extract_groups(ENVIRONMENT_LINE).alias("parts")).unnest("parts")
    named = named.drop_nulls("name").filter(~pl.col("value").is_in(NOTHING))
    environment = region.join(named, on="text", maintain_order="left")
    indices = pl.col("name").str.extract(r"^GPU ([0-9]+(?:,[0-9]+)*)$")
    gpus = environment.with_columns(gpus=indices.str.count_matches("[0-9]+")).drop_nulls("gpus")
    counts = gpus.group_by("log", "region", maintain_order=True).agg(pl.first("line"), pl.sum("gpus"))
    others = environment.filter(indices.is_null())
    plain = pl.format("environment.{}", "name")
    return [
        facts(counts, "gpus_visible", pl.col("gpus"), "log"),
        facts(gpus, "gpu_name", pl.col("value"), "log"),
        facts(
            others,
            pl.col("name").replace_strict(ENVIRONMENT_NAMES, default=plain, return_dtype=pl.String),
            pl.col("value"),
            "log",
        ),
    ]


def _line_facts(matched: Matched) -> list[pl.DataFrame]:
    totals = matched.rows("total_samples")
    names = matched.changes("experiment", "name")
    return [
        facts(matched.rows("samples"), "num_samples", pl.col("samples"), "log"),
        facts(totals.filter(pl.col("file").is_null()), "num_samples", pl.col("samples"), "log"),
        facts(totals.drop_nulls("file"), pl.format("samples of {}", "file"), pl.col("samples"), "log"),
        facts(matched.rows("scaled"), "auto_scale_batch", pl.col("batch"), "log"),
        facts(names, "exp_name", pl.col("name"), "log"),
        facts(matched.rows("work_dir"), "work_dir", pl.col("path"), "log"),
    ]


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _events(matched: Matched, losses: list[pl.DataFrame]) -> list[pl.DataFrame]:
    counted = {
        "epoch": pl.when(pl.col("what").str.starts_with("epoch")).then("count"),
        "global_iter": pl.when(pl.col("what").str.starts_with("iter")).then("count"),
    }
    starts = matched.region("environment").unique(["log", "region"], keep="first", maintain_order=True)
    saved, best, resumed = matched.rows("checkpoint"), matched.rows("best"), matched.rows("resumed")
    odd = [loss.filter(~pl.col("value").is_finite()) for loss in losses]
    not_finite = [loss.select("log", "line", "epoch", "global_iter", "value") for loss in odd if loss.height]
    return [
        event(starts, "start", pl.lit("process started")),
        event(saved, "checkpoint", pl.format("Saving checkpoint at {} {}", "count", "what"), **counted),
        event(best, "best", pl.format("best {}: {} at {} {}", "metric", "value", "count", "what"), **counted),
        event(
            resumed,
            "resume",
            pl.format("resumed after epoch {}, iteration {}", "epochs", "iters"),
            epoch=pl.col("epochs"),
            global_iter=pl.col("iters"),
        ),
        event(matched.rows("ended_early"), "early_stop", pl.format("no improvement in {} records", "records")),
        event(matched.rows("wrapped"), "data_wrap", pl.lit("the loader began again")),
        event(matched.rows("experiment"), "exp_name", pl.format("Exp name: {}", "name")),
        event(
            pl.concat(not_finite).unique("log", keep="first", maintain_order=True) if not_finite else NO_EVENTS,
            "nan_loss",
            pl.format("loss is {}", "value"),
            epoch=pl.col("epoch"),
            global_iter=pl.col("global_iter"),
        ),
    ]


PARSER = Parser(
    "mmengine",
    (
        TRAIN,
        EVAL,
        SCALARS,
        CHECKPOINT,
        BEST,
        RESUMED,
        ENDED_EARLY,
        SAMPLES,
        TOTAL_SAMPLES,
        SCALED,
        EXPERIMENT,
        WORK_DIR,
        WRAPPED,
        BANNER,
        RULE,
        ENVIRONMENT,
        CONFIG,
        HOOKS,
        SAMPLE_TEXT,
        INITIALIZED,
        MISMATCH,
        DRAWN_TABLE,
    ),
    to_tables,
)
