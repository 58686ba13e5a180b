r"""mmcv's runner log up to 1.7 (mmdet 2.x, mmseg 0.x …): text (console and file) and its copy `<ts>.log.json`.

What the counter counts (0.6.2 … 1.7.2): micro-batches, one forward/backward each, on rank 0; never updates. It is
1-based and inclusive. `Epoch [E][i/len]` counts within the epoch, `Iter [i/max]` over the whole run. With
GradientCumulativeOptimizerHook an update happens when the run's iteration is divisible by `cumulative_iters`, and at
the run's last iteration. `Epoch(val) [E][n]` has one number: the val batches since 1.3 (`eval_iter_num`); 0.6 printed
the last iteration of the *training* epoch there. A val line is a whole validation: iter = iters_per_epoch = n.

What its lines do not mean
- `time`, `data_time` and losses are means over the last `interval` iterations (of the epoch, where it goes by epoch; by
  iteration the window ends at a validation).
- `memory` is the maximum *allocated* since the process started, in MiB, over all ranks; it never falls. Not on CPU.
- The last line is not the last iteration: `ignore_last` drops the tail of each epoch.
- Each epoch, or by iteration each new turn of the loader, begins with a sleep of 2 s that nothing announces; it is in
  the `time` and `data_time` of the next iteration. By iteration so is the whole validation.
- Nobody prints the number of ranks. `gpu_ids = range(0, 8)` in the configuration is set from it by mmdet's training
  script and its relatives (not by old ones); `range(0, 1)` beside `Distributed training: True` proves nothing.
- By iteration `Saving checkpoint at 60 iterations` stores the count 59: the resumed process says `iter 59` and numbers
  its first iteration 60 again. By epoch the counts are those of what is finished.
- In the JSON copy `iter` is within the epoch where the runner goes by epoch, and global where it goes by iteration;
  only the configuration in the first line tells. Without it the count is taken to be within the epoch. By iteration
  `epoch` counts turns of the loader since the process started; the first iteration of a turn has the old number.

Sources: mmcv 1.7.2 run (without its operators); sources of 0.6.2, 1.3.17, 1.7.2 (FORMATS.md §2.7).
"""

import polars as pl

from .contract import (
    DURATION,
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
    Region,
    Tables,
    event,
    facts,
)
from .dumps import python_leaves

LOGGED_AT = r"(?P<logged_at>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3})"
PREFIX = rf"^(?:.*?{LOGGED_AT} - [^ ]+ - [A-Z]+ - )"
STAMPED = {"logged_at": STAMP}
VALUES = {"lr": FLOAT, "eta": DURATION, "time": FLOAT, "data_time": FLOAT, "memory": FLOAT}
PAIRS = Pairs(
    r"(?P<name>[^\s:,]+): (?P<value>[0-9]+ days?, [0-9:]+|[^ ,]+(?: (?:[0-9.+-][^ ,]*|nan))*)",
    VALUES,
)

TRAIN = Record(
    name="train",
    hints=("Epoch [", "Iter ["),
    pattern=rf"{PREFIX}?(?P<unit>Epoch|Iter) (?:\[(?P<epoch>[0-9]+)\])?\[(?P<iter>[0-9]+)/(?P<total>[0-9]+)\]\t"
    r"(?P<pairs>lr(?:_[^ :]+)?: .*)$",
    almost=r"(?:Epoch|Iter) (?:\[[0-9]+\])?\[[0-9]+/[0-9]+\]\t *lr",
    fields={**STAMPED, "unit": TEXT, "epoch": INT, "iter": INT, "total": INT},
    pairs=PAIRS,
    examples=(
        "2022-01-01 10:00:00,123 - mmdet - INFO - Epoch [1][50/7330]\tlr: 1.978e-03, eta: 1 day, 4:17:55, time: 1.159, "
        "data_time: 0.055, memory: 3697, loss_cls: 0.5123, loss: 1.3050",
        "2022-03-01 08:10:00,001 - mmseg - INFO - Iter [50/80000]\tlr: 1.000e-02, eta: 12:30:10, time: 0.563, "
        "data_time: 0.009, decode.loss_ce: nan, loss: nan",
        "2022-03-01 08:10:00,001 - mmedit - INFO - Iter [100/300000]\tlr_generator: 1.000e-04 lr_discriminator: "
        "2.000e-04, eta: 2 days, 1:00:00, time: 0.600, data_time: 0.010, loss_pix: 0.0300",
    ),
)

EVAL = Record(
    name="eval",
    hints=("Epoch(val)", "Iter(val)", "Epoch(test)", "Iter(test)"),
    pattern=rf"{PREFIX}?(?P<unit>Epoch|Iter)\((?P<mode>val|test)\) (?:\[(?P<epoch>[0-9]+)\])?\[(?P<iter>[0-9]+)\]\t"
    r"(?P<pairs>.*)$",
    almost=r"(?:Epoch|Iter)\((?:val|test)\) (?:\[[0-9]+\])?\[[0-9]+\]\t",
    fields={**STAMPED, "unit": TEXT, "mode": TEXT, "epoch": INT, "iter": INT},
    pairs=PAIRS,
    examples=(
        "2022-01-01 12:00:00,123 - mmdet - INFO - Epoch(val) [1][5000]\tbbox_mAP: 0.3740, bbox_mAP_50: 0.5810, "
        "bbox_mAP_copypaste: 0.3740 0.5810 0.4040 -1.0000 0.4110 0.4810",
        "2022-03-01 09:10:00,001 - mmseg - INFO - Iter(val) [500]\taAcc: 0.9312, mIoU: 0.4521, IoU.road: nan",
    ),
)

TEXT_OF_JSON = r'"(?:[^"\\]|\\.)*"'
JSON_PAIR = rf'"(?P<name>[^"]+)": (?P<value>{TEXT_OF_JSON}|\[[^\]]*\]|[^,{{}}\[\]"]+)'


def _unquoted(text: pl.Series) -> pl.Series:
    escapes = {"\\n": "\n", '\\"': '"', "\\\\": "\\", "\\t": "\t", "\\/": "/"}
    return text.str.slice(1).str.head(-1).str.replace_many(list(escapes), list(escapes.values()))


JSON_TEXT = Field(pl.String(), _unquoted, TEXT_OF_JSON)

SCALARS = Record(
    name="scalars",
    hints=('{"mode": "',),
    pattern=r'^\{"mode": "(?P<mode>train|val)", "epoch": (?P<epoch>[0-9]+), "iter": (?P<iter>[0-9]+)'
    r'(?:, "lr": \{(?P<lrs>[^{}]*)\})?(?P<pairs>(?:, ".*)?)\}$',
    almost=r'^\{"mode": "(?:train|val)", ',
    fields={"mode": TEXT, "epoch": INT, "iter": INT, "lrs": Field(pl.String(), lambda text: text, "[^{}]*")},
    pairs=Pairs(JSON_PAIR, {name: VALUES[name] for name in ("lr", "time", "data_time", "memory")}),
    examples=(
        '{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.00198, "memory": 3697, "data_time": 0.0551, "loss": 1.305, '
        '"time": 1.159}',
        '{"mode": "train", "epoch": 1, "iter": 100, "lr": {"generator": 0.0001, "discriminator": 0.0002}, '
        '"data_time": 0.01, "loss_pix": NaN, "time": 0.6}',
        '{"mode": "val", "epoch": 1, "iter": 5000, "lr": 0.02, "bbox_mAP": 0.374, '
        '"bbox_mAP_copypaste": "0.374 0.581 0.404"}',
    ),
)

META = Record(
    name="meta",
    hints=('"env_info": "',),
    pattern=r'^\{(?P<pairs>(?:".*, )?"env_info": ".*)\}$',
    fields={},
    pairs=Pairs(
        JSON_PAIR,
        {"env_info": JSON_TEXT, "config": JSON_TEXT, "exp_name": JSON_TEXT, "seed": WORD, "epoch": WORD, "iter": WORD},
    ),
    carry="config",
    examples=(
        r'{"env_info": "sys.platform: linux\nGPU 0,1: NVIDIA TITAN V\nMMCV: 1.7.1", "config": "data = dict(\n    '
        r"samples_per_gpu=2,\n    train=dict(type='CocoDataset'))\nrunner = dict(type='EpochBasedRunner', max_epochs=9)"
        r'\n", "seed": 0, "exp_name": "faster_rcnn_r50.py"}',
    ),
)


def _message(name: str, hint: str, pattern: str, example: str, /, carry: str | None = None, **fields: Field) -> Record:
    """A line of the logger that is an event or a fact."""
    return Record(
        name=name,
        hints=(hint,),
        pattern=rf"{PREFIX}{pattern}",
        fields={**STAMPED, **fields},
        carry=carry,
        examples=(example,),
    )


ENVIRONMENT_HEAD = Record(
    name="environment_head",
    hints=("Environment info:",),
    pattern=rf"{PREFIX}Environment info:$",
    fields=STAMPED,
    carry="logged_at",
    examples=("2022-01-01 10:00:00,123 - mmdet - INFO - Environment info:",),
)
DISTRIBUTED = _message(
    "distributed",
    "Distributed training: ",
    r"Distributed training: (?P<distributed>True|False)$",
    "2022-01-01 10:00:00,123 - mmdet - INFO - Distributed training: True",
    distributed=WORD,
)
SEEDED = _message(
    "seeded",
    "et random seed to ",
    r"[Ss]et random seed to (?P<seed>[0-9]+)",
    "2022-01-01 10:00:00,123 - mmdet - INFO - Set random seed to 0, deterministic: False",
    seed=INT,
)
STARTED = _message(
    "started",
    "Start running, host: ",
    r"Start running, host: (?P<user>[^@, ]*)@?(?P<host>[^, ]*), work_dir: (?P<work_dir>.*)$",
    "2022-01-01 10:00:09,123 - mmdet - INFO - Start running, host: user@node1, work_dir: /home/user/work_dirs/frcnn",
    user=TEXT,
    host=TEXT,
    work_dir=TEXT,
)
WORKFLOW = _message(
    "workflow",
    "workflow: ",
    r"workflow: (?P<workflow>\[.*\]), max: (?P<count>[0-9]+) (?P<what>epochs|iters)$",
    "2022-01-01 10:00:09,124 - mmdet - INFO - workflow: [('train', 1)], max: 12 epochs",
    workflow=TEXT,
    count=INT,
    what=TEXT,
)
EXPERIMENT = _message(
    "experiment",
    "Exp name: ",
    r"Exp name: (?P<exp_name>[^ ]+)$",
    "2022-01-01 10:00:09,124 - mmdet - INFO - Exp name: faster_rcnn_r50_fpn_1x_coco.py",
    carry="exp_name",
    exp_name=WORD,
)
CHECKPOINT = _message(
    "checkpoint",
    "Saving checkpoint at ",
    r"Saving checkpoint at (?P<count>[0-9]+) (?P<what>epochs|iterations)",
    "2022-01-01 12:00:00,123 - mmdet - INFO - Saving checkpoint at 1 epochs",
    count=INT,
    what=TEXT,
)
BEST = _message(
    "best",
    "Best ",
    r"Best (?P<metric>.+?) is (?P<value>[^ ]+) at (?P<count>[0-9]+) (?P<what>epoch|iter)\.$",
    "2022-01-01 12:00:00,123 - mmdet - INFO - Best bbox_mAP is 0.3740 at 1 epoch.",
    metric=TEXT,
    value=FLOAT,
    count=INT,
    what=TEXT,
)
RESUMED = _message(
    "resumed",
    "resumed ",
    r"resumed (?:from )?epoch:? (?P<epochs>[0-9]+), iter (?P<iters>[0-9]+)$",
    "2022-01-02 10:00:00,123 - mmdet - INFO - resumed epoch 3, iter 21990",
    epochs=INT,
    iters=INT,
)
BANNER = Record(
    name="banner",
    hints=(" - mm",),
    pattern=rf"^(?:.*?{LOGGED_AT} - mm[a-z0-9_.]* - [A-Z]+ -(?: |$))",
    fields=STAMPED,
    known=True,
    fallback=True,
    examples=(
        "2022-01-01 10:00:00,123 - mmcv - INFO - ",
        "2022-01-01 10:00:00,123 - mmdet - INFO - load checkpoint from local path: checkpoints/resnet50.pth",
    ),
)

ENVIRONMENT = Region(
    name="environment",
    hints=("sys.platform: ",),
    start=r"^sys\.platform: ",
    stop=r"^-{10,}",
    examples=(
        (
            "sys.platform: linux",
            "Python: 3.8.13 (default, Mar 28 2022, 11:38:47) [GCC 7.5.0]",
            "GPU 0,1,2,3: NVIDIA TITAN V",
            "MMCV: 1.7.1",
            "------------------------------------------------------------",
        ),
    ),
)
CONFIG_HEAD = rf"^(?:.*?{LOGGED_AT} - [^ ]+ - [A-Z]+ - )Config:"
CONFIG = Region(
    name="config",
    hints=(" - Config:",),
    start=CONFIG_HEAD,
    stop=None,
    examples=(
        (
            "2022-01-01 10:00:00,123 - mmdet - INFO - Config:",
            "data = dict(",
            "    samples_per_gpu=2,",
            "    train=dict(type='CocoDataset'))",
            "2022-01-01 10:00:01,123 - mmdet - INFO - ",
        ),
    ),
)

CONFIG_NAMES = {
    "data.samples_per_gpu": "batch_size",
    "data.imgs_per_gpu": "batch_size",
    "data.videos_per_gpu": "batch_size",
    "data.train_dataloader.samples_per_gpu": "batch_size",
    "data.val_dataloader.samples_per_gpu": "val_batch_size",
    "data.val.samples_per_gpu": "val_batch_size",
    "data.train_dataloader.drop_last": "drop_last",
    "data.drop_last": "drop_last",
    "runner.type": "train_loop",
    "runner.max_epochs": "epochs_planned",
    "total_epochs": "epochs_planned",
    "runner.max_iters": "iters_planned",
    "total_iters": "iters_planned",
    "optimizer_config.cumulative_iters": "grad_accum",
    "optimizer_config.update_interval": "grad_accum",
    "optimizer.type": "optimizer",
    "log_config.interval": "log_interval",
    "checkpoint_config.interval": "checkpoint_interval",
    "evaluation.interval": "val_interval",
    "seed": "seed",
    "work_dir": "work_dir",
    "load_from": "load_from",
    "resume_from": "resume",
}
"""Paths of a dumped configuration → canonical names; `imgs_per_gpu` was the name up to mmdet 2.0, `update_interval` is
that of mmdet's own cumulative hooks."""

RANKS = r"^gpu_ids = (?:range\(0, ([0-9]+)\)|\[([0-9, ]+)\])$"
BY_ITERATION = r"IterBasedRunner|(?m:^total_iters = )"
ENVIRONMENT_NAMES = {"MMCV": "framework_version"}
NOTHING = ("None", "auto", "", "n/a")
LEARNING_RATE = r'"([^"]+)": ([^,{}"]+)'


def to_tables(matched: Matched) -> Tables:
    """Text and JSON records as `progress`, their values as `metrics`, headers as `facts`, what happened as `events`."""
    parts = {"train": _train(matched), "eval": _eval(matched), "scalars": _scalars(matched)}
    free = {name: matched.metrics(name, rows) for name, rows in parts.items()}
    return {
        "progress": [_progress(rows) for rows in parts.values()],
        "metrics": [*free.values(), _learning_rates(parts["scalars"])],
        "facts": [*_header_facts(matched), *_line_facts(matched), *_word_facts(matched)],
        "events": _events(matched, list(free.values())),
    }


def _train(matched: Matched) -> pl.DataFrame:
    by_epoch = pl.col("unit") == "Epoch"
    epoch, done, total = pl.col("epoch"), pl.col("iter"), pl.col("total")
    return matched.rows("train").with_columns(
        phase=pl.lit("train"),
        epoch=epoch.cast(pl.Int32, strict=False),
        iter=pl.when(by_epoch).then(done),
        iters_per_epoch=pl.when(by_epoch).then(total),
        global_iter=pl.when(by_epoch).then((epoch - 1) * total + done).otherwise(done),
        iters_planned=pl.when(~by_epoch).then(total),
    )


def _eval(matched: Matched) -> pl.DataFrame:
    return matched.rows("eval").with_columns(
        phase="mode",
        epoch=pl.col("epoch").cast(pl.Int32, strict=False),
        iters_per_epoch="iter",
        global_iter=pl.lit(None, pl.Int64),
        iters_planned=pl.lit(None, pl.Int64),
    )


def _scalars(matched: Matched) -> pl.DataFrame:
    """`iter` is global where the configuration above names a runner that goes by iteration."""
    rows = matched.rows("scalars")
    above = matched.latest("meta", rows.select("log", "seq"), {"config": "config"})
    rows = rows.join(above.select("seq", "config"), on="seq", how="left", maintain_order="left")
    by_iteration = pl.col("config").str.contains(BY_ITERATION).fill_null(False)
    is_train, done = pl.col("mode") == "train", pl.col("iter")
    return rows.with_columns(
        phase="mode",
        epoch=pl.col("epoch").cast(pl.Int32, strict=False),
        iter=pl.when(~(by_iteration & is_train)).then(done),
        iters_per_epoch=pl.when(~is_train).then(done),
        global_iter=pl.when(by_iteration & is_train).then(done),
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
        "lr",
        s_per_iter="time",
        data_s_per_iter="data_time",
        eta_s="eta",
        memory_mib="memory",
    )


def _learning_rates(rows: pl.DataFrame) -> pl.DataFrame:
    """Learning rates of several optimizers in one JSON line, under the names of the text: `lr_generator`."""
    context = ("log", "line", "redraw", "piece", "phase", "epoch", "iter", "global_iter")
    return (
        rows.drop_nulls("lrs")
        .select(*context, pair=pl.col("lrs").str.extract_all(LEARNING_RATE))
        .explode("pair")
        .drop_nulls("pair")
        .with_columns(
            printed_name=pl.format("lr_{}", pl.col("pair").str.extract(LEARNING_RATE, 1)),
            value=pl.col("pair").str.extract(LEARNING_RATE, 2).cast(pl.Float64, strict=False),
        )
        .with_columns(name="printed_name")
        .drop_nulls("value")
        .drop("pair")
    )


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _header_facts(matched: Matched) -> list[pl.DataFrame]:
    of_text = matched.region("config").with_columns(pl.col("text").str.replace(CONFIG_HEAD, ""))
    config = pl.concat([of_text, _lines_of_meta(matched, "config")])
    environment = pl.concat([matched.region("environment"), _lines_of_meta(matched, "env_info")])
    return [*_config_facts(config), *_environment_facts(environment)]


def _lines_of_meta(matched: Matched, column: str) -> pl.DataFrame:
    """A text of the JSON copy's first line, as a region of lines that all stand in the log's one line."""
    return (
        matched.rows("meta")
        .drop_nulls(column)
        .select(*KEY, region=-1 - pl.int_range(pl.len()), text=pl.col(column).str.split("\n"))
        .explode("text")
    )


def _config_facts(lines: pl.DataFrame) -> list[pl.DataFrame]:
    leaves = python_leaves(lines).filter(~pl.col("value").is_in(NOTHING))
    named = pl.col("path").replace_strict(CONFIG_NAMES, default=pl.col("path"), return_dtype=pl.String)
    devices = lines.select(
        "log",
        "line",
        value=pl.col("text").str.extract(r"^gpu_ids = (.*)$"),
        ranks=pl.coalesce(
            pl.col("text").str.extract(RANKS, 1).cast(pl.Int64, strict=False),
            pl.col("text").str.extract(RANKS, 2).str.count_matches("[0-9]+").cast(pl.Int64),
        ),
    )
    return [
        facts(leaves.filter(pl.col("path") != "gpu_ids"), named, pl.col("value"), "config"),
        facts(devices, "gpu_ids", pl.col("value"), "config"),
        facts(devices.filter(pl.col("ranks") > 1), "world_size", pl.col("ranks"), "config"),
    ]


def _environment_facts(lines: pl.DataFrame) -> list[pl.DataFrame]:
    environment = (
        lines.with_columns(pl.col("text").str.extract_groups(r"^(?P<name>[A-Za-z][^ :-][^:]*): (?P<value>.+)$"))
        .unnest("text")
        .drop_nulls("name")
        .filter(~pl.col("value").is_in(NOTHING))
    )
    indices = pl.col("name").str.extract(r"^GPU ([0-9]+(?:,[0-9]+)*)$")
    gpus = environment.with_columns(gpus=indices.str.count_matches("[0-9]+")).drop_nulls("gpus")
    counts = gpus.group_by("log", "region", maintain_order=True).agg(pl.first("line"), pl.sum("gpus"))
    others = environment.filter(indices.is_null())
    plain = pl.format("environment.{}", "name")
    named = pl.col("name").replace_strict(ENVIRONMENT_NAMES, default=plain, return_dtype=pl.String)
    return [
        facts(counts, "gpus_visible", pl.col("gpus"), "log"),
        facts(gpus, "gpu_name", pl.col("value"), "log"),
        facts(others, named, pl.col("value"), "log"),
    ]


def _line_facts(matched: Matched) -> list[pl.DataFrame]:
    names = matched.changes("experiment", "exp_name")
    started, planned, meta = matched.rows("started"), matched.rows("workflow"), matched.rows("meta")
    distributed = matched.rows("distributed")
    return [
        facts(distributed, "distributed", pl.col("distributed"), "log"),
        facts(distributed.filter(pl.col("distributed") == "False"), "world_size", pl.lit(1), "log"),
        facts(matched.rows("seeded"), "seed", pl.col("seed"), "log"),
        facts(started.filter(pl.col("host") != ""), "host", pl.col("host"), "log"),
        facts(started, "work_dir", pl.col("work_dir"), "log"),
        facts(planned.filter(pl.col("what") == "epochs"), "epochs_planned", pl.col("count"), "log"),
        facts(planned.filter(pl.col("what") == "iters"), "iters_planned", pl.col("count"), "log"),
        facts(names, "exp_name", pl.col("exp_name"), "log"),
        facts(meta, "exp_name", pl.col("exp_name"), "log"),
        facts(meta.filter(~pl.col("seed").is_in(["null", "None"])), "seed", pl.col("seed"), "log"),
    ]


def _word_facts(matched: Matched) -> list[pl.DataFrame]:
    """Values that are no numbers: `bbox_mAP_copypaste`, versions, what a resumed process repeats of its checkpoint."""
    words = pl.concat([matched.word_facts(name) for name in ("train", "eval", "scalars", "meta")])
    said = words.filter(~pl.col("value").is_in(["null", '""']) & ~pl.col("value").str.starts_with("["))
    return [said.with_columns(pl.col("value").str.strip_chars('"'))]


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _events(matched: Matched, metrics: list[pl.DataFrame]) -> list[pl.DataFrame]:
    counted = {
        "epoch": pl.when(pl.col("what").str.starts_with("epoch")).then("count"),
        "global_iter": pl.when(pl.col("what").str.starts_with("iter")).then("count"),
    }
    odd = [rows.filter((pl.col("name") == "loss") & ~pl.col("value").is_finite()) for rows in metrics]
    not_finite = pl.concat([rows.select("log", "line", "epoch", "global_iter", "value") for rows in odd])
    resumed = {"epoch": pl.col("epochs"), "global_iter": pl.col("iters")}
    return [
        event(_starts(matched), "start", pl.lit("process started")),
        event(
            matched.rows("checkpoint"),
            "checkpoint",
            pl.format("Saving checkpoint at {} {}", "count", "what"),
            **counted,
        ),
        event(
            matched.rows("best"),
            "best",
            pl.format("best {}: {} at {} {}", "metric", "value", "count", "what"),
            **counted,
        ),
        event(
            matched.rows("resumed"),
            "resume",
            pl.format("resumed after epoch {}, iteration {}", "epochs", "iters"),
            **resumed,
        ),
        event(
            not_finite.unique("log", keep="first", maintain_order=True),
            "nan_loss",
            pl.format("loss is {}", "value"),
            epoch=pl.col("epoch"),
            global_iter=pl.col("global_iter"),
        ),
    ]


def _starts(matched: Matched) -> pl.DataFrame:
    """A process prints its environment first; the runner's first line counts where no environment stands above it."""
    runners = matched.latest("environment_head", matched.rows("started"), {"logged_at": "environment"})
    return pl.concat(
        [
            matched.rows("environment_head").select("log", "line", "logged_at"),
            runners.filter(pl.col("environment").is_null()).select("log", "line", "logged_at"),
        ]
    )


PARSER = Parser(
    "mmcv",
    (
        TRAIN,
        EVAL,
        SCALARS,
        META,
        ENVIRONMENT_HEAD,
        DISTRIBUTED,
        SEEDED,
        STARTED,
        WORKFLOW,
        EXPERIMENT,
        CHECKPOINT,
        BEST,
        RESUMED,
        BANNER,
        ENVIRONMENT,
        CONFIG,
    ),
    to_tables,
)
