"""What a log says about its own set-up, whichever program wrote it: facts only, so a log is never of this format.

- arguments: `Namespace(…)`, `TrainingArguments(…)`, a dumped dict (config), on one line or one `name=value` a line;
- commands: `set -x` lines, shell prompts, launchers (`torchrun`, `srun`, `accelerate launch`, `deepspeed`), `#SBATCH`;
- dumps of `name: value` lines under a header or behind a logger's prefix (YAML, yacs, argparse echoes), with dots
  (`name ..... value`: Megatron's and DeepSpeed's argument lists), and JSON over several lines;
- statements: `name: number` lines and fixed wordings (`synonyms.py`), in English and Chinese;
- memory on a line of its own (`GPU memory: 2560.00 MB`), as the fact `memory_peak_mib`: each value above all before it.
  MB and GB are MiB and GiB: scripts divide torch's bytes by 1024, and where one divided by 1000 its number is 5 to 7 %
  larger. A number without a unit is none. What stands before the training is the card's size; the analysis sees that.

Names become canonical by the table in `synonyms.py`; what stands under a validation's or test's heading is not the
training's. Everything else of a dump is kept under `arguments.<path>`. Facts of commands and dumps have the source
`config`, what is printed as a result `log`.

What is not read: a bare `name = value` line outside of a dump (mmengine's configuration dumps consist of them), and any
line that holds more than names and values. World size: with model parallelism (Megatron) the number of processes is not
the number of data-parallel ranks; then only what is called data-parallel is taken for it.
"""

import re
from functools import reduce

import polars as pl

from .contract import (
    INT,
    TEXT,
    Matched,
    Parser,
    Record,
    Region,
    Tables,
    facts,
)
from .dumps import python_leaves
from .synonyms import COUNT, PHRASE, SENTENCES, SYNONYMS, WORD

# ── patterns ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_LEVEL = r"(?:INFO|WARNING|DEBUG|NOTICE|CRITICAL)"
_STAMP = r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}[0-9.,]*"
LOGGED = (
    r"(?:(?:localhost|[0-9]+(?:\.[0-9]+){3}|[0-9]{1,4}): )?"  # pdsh, srun --label
    rf"(?:(?:[^ ]+ +){{0,8}}?[\[(]?{_LEVEL}(?:[^A-Za-z0-9_ ][^ ]*)?(?:(?: +[^ ]+){{0,7}}?(?: [-|]|:|\]| >>))?? +(?:- )?"
    rf"|{_STAMP} *(?:[-|:] *)*|(?:\[[^\[\]]{{1,40}}\]:? +){{1,3}})"
)
"""What loggers put in front of a message (FORMATS.md §0.2)."""

HOST = r"(?:localhost|[0-9]+(?:\.[0-9]+){3}|[0-9]{1,4}): "
PREFIX = rf"(?:{LOGGED}|{HOST})"
BULLET = r"(?:[-*•·>] +|[📊📈✅🔢📋]\s*)"
UNIT = (
    r"(?: ?(?:samples?|images?|examples?|batches|batch|iterations?|iters?|steps?|epochs?|files|videos|sequences|GPUs?|"
    r"张图片|张|个样本|个批次|个|条|轮|批次|批|次|步))?"
)
NUMBER = r"[0-9]{1,3}(?:[,_][0-9]{3})+|[0-9]+(?:\.0+)?"


def _names(kind: str, *, words: bool) -> str:
    """An alternation of the spellings with values of a kind, the longest first: those of several words (and Chinese
    ones) as they stand, or identifiers."""
    spelled = {s for row in SYNONYMS if row.value == kind for s in row.spellings}
    of_words = {s for s in spelled if " " in s or "-" in s or not s.isascii() or "(" in s}
    chosen = of_words if words else {re.sub("[ -]", "_", s) for s in spelled if s.isascii() and "(" not in s}
    if words:
        chosen |= {s.replace(" ", "-") for s in of_words if s.isascii()}
    return "|".join(re.sub(r"([.()])", r"\\\1", s) for s in sorted(chosen, key=lambda s: (-len(s), s)))


def _bare(pattern: str) -> str:
    """A sentence's pattern without its anchor: something may stand before it."""
    any_case, anchored = pattern.startswith("(?i)"), pattern.removeprefix("(?i)")
    return ("(?i:" if any_case else "(?:") + anchored.removeprefix("^") + ")"


_DECOR = r"(?: \([^()]{0,60}\)|（[^（）]{0,60}）)?"


def _pairs(separator: str, *, words: bool) -> str:
    """A known name, a separator and a value of the name's kind. ASCII alone has two cases: that compiles fast."""
    counts, tokens, phrases = (_names(kind, words=words) for kind in (COUNT, WORD, PHRASE))
    return (
        rf"(?:(?i-u:{counts}){_DECOR}{separator}(?:{NUMBER}){UNIT}"
        rf"|(?i-u:{tokens}){separator}[^\s,;]+|(?i-u:{phrases}){separator}[^:=,;]+)"
    )


_MORE = (
    r"(?:[,;|，；/] *[A-Za-z_一-鿿][0-9A-Za-z_ .()一-鿿-]{0,40}"
    r"(?:[:：=]| = ) *(?:[0-9]{1,3}(?:,[0-9]{3})+|[^\s,;|，；:=]+)"
    r"(?: [A-Za-z]+)?)*"
)
STATEMENT = (
    rf"^(?:(?:{PREFIX} *)?{BULLET}?| {{0,3}}|\s+{BULLET})"
    rf"(?:{_pairs(' *(?:[:：]|=|is ) *', words=True)}|{_pairs('(?: *[:：] *|=)', words=False)}){_MORE}\s*[.。]?$"
)
"""A bare `name = value` with blanks is none: mmengine's configuration dumps consist of such lines."""

_GROUP_NAME = re.compile(r"\?P<\w+>")
SENTENCE = rf"^(?:{PREFIX} *)?(?:{'|'.join(_GROUP_NAME.sub('?:', _bare(s.pattern)) for s in SENTENCES)})"
ENVIRONMENT = r"^(?:export |declare -x )?SLURM_\w+(?:=|: *)\S+$"
SECTION = rf"^(?:{PREFIX})? *\*{{3,}} *Running (?:training|Training|Evaluation|evaluation|Prediction) *\*{{3,}}$"
HEADER = (
    r"(?i)^(?:\[\S* .*?INFO:? +)?[-=*#~ ]*(?:(?:training|train|experiment|model|run|full|current|command[ -]line|"
    r"parsed|"
    r"running with full)[ -]*)?(?:arguments|args|options|hyper-?parameters|hparams|config(?:uration)?|settings|"
    r"parameters|"
    r"训练配置|训练参数|配置|超参数|参数设置|参数配置|参数)(?: are| is)?[ :：]*[-=*#~ ]*$"
)
KEYED = (  # a logger's line that is the first of a dump: Swin's and swav's loggers
    r"^(?:\[[^\[\]]+\] \([^()]+\): INFO |INFO - \S+ \S+ - \S+ - )[A-Za-z_][\w.]*:(?: [^\s\[(]\S*)?$"
)
DOTTED = rf"^(?:{PREFIX} *)?\s*[A-Za-z_]\w* \.{{3,}} \S|^\[{_STAMP}\] \[INFO\] \[config\.py:[0-9]+:print\] +\w+ +\S"
CONTENTS = r"INFO: (?:Contents of args\.config_file=|Running with full config:)"

DUMP_PREFIX = (
    rf"^(?:\[[^\[\]]+\] \([^()]+\): INFO |INFO - \S+ \S+ - \S+ - |\[{_STAMP}\] \[INFO\] "
    rf"\[config\.py:[0-9]+:print\w*\] +|{HOST})"
)
_IDENTIFIER = r"""["']?[A-Za-z_][\w./-]*["']?"""
NO_PAIR = rf"^\s*(?:{_IDENTIFIER}\s*(?:$|[^\w./\-\"'\s:=：])|{_IDENTIFIER}\s+[\w\"'(\[<>|+*]|[^A-Za-z_\"'\-\s])"
"""A line that is no `name: value`, `name = value`, `name ..... value`, `name:` or list item."""

_CALL_WORDS = r"(?:Namespace|\w*(?:Arguments|Args|Config|HParams|Params|Options))"
CALL = (
    rf"(?:^|[\s=:]){_CALL_WORDS}\((?:$|[A-Za-z_]\w*=)|^(?:.*[\s\]])?(?i:args|arguments|config(?:uration)?|hparams|"
    rf"hyper-?parameters|params|options|settings)"
    r"\s*[:=]\s*\{['\"]\w[^{]*|^engine/trainer: \w+="
)
NO_CALL = r"^\s*\)?\s*$|^[^=]*$|^\s*[^\s\w\"'{\[()}\]]|^\s*\w+[^\w=:.'\"]"

JSON_OPENS = rf"^(?:{PREFIX} *)?(?:\w+ *[:=] *)?\{{$"
NO_JSON = r"^[^\s\"'{}\[\]]"

_LAUNCHER = (
    r"(?:\S*/)?(?:srun|mpirun|mpiexec|torchrun|accelerate launch|deepspeed|horovodrun|python[0-9.]*|"
    r"CUDA_VISIBLE_DEVICES=\S+ \S+)"
)
COMMAND = (
    rf"^(?:\++ (?:[A-Z_][A-Z0-9_]*=\S|(?:[A-Z_]+=\S* )*{_LAUNCHER} )|#SBATCH +-|(?:.{{0,120}}[$%] |\[[^\]]*\].* cmd "
    rf"= )?(?:[A-Z_]+=\S+ )*"
    rf"(?:nohup |time )?{_LAUNCHER} .*(?:\S\.py\b|\s-m ))"
)
NO_CONTINUATION = r"^(?:\S|\s+[^-\s])"

# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _spelling_hints() -> set[str]:
    """Literals of which each spelling has one, in any usual case: its last word, or all of it where that is short."""
    hints: set[str] = set()
    for spelling in (s for row in SYNONYMS for s in row.spellings):
        last = spelling.split(" ")[-1]
        short = len(last) <= 4 and spelling.isascii()
        for text in (spelling, spelling.replace(" ", "_"), spelling.replace(" ", "-")) if short else (last,):
            cased = {text, text.lower(), text.upper(), text.capitalize(), text.title()}
            hints |= {f"{c}{mark}" for c in cased for mark in ":="} if text == "bs" else cased
    return hints


_HINTS = (
    *sorted(_spelling_hints()),
    *(
        "GPUs",
        "GPU:",
        "GPU name",
        "GPU model",
        "Job ID",
        "Task ID",
        "SLURM_",
        "rguments",
        "RGUMENTS",
        "args",
        "ptions",
        "arameters",
        "params",
        "onfig",
        "ettings",
        "配置",
        "参数",
    ),
    *("*** Running", " ....", "): INFO ", "INFO - ", "config.py:"),
    *(_s.hint for _s in SENTENCES),
)

SUBMITTED = Record(
    name="submitted",
    hints=("Submitted batch job ",),
    pattern=r"^Submitted batch job (?P<job>[0-9]+)(?: on cluster \S+)?$",
    fields={"job": INT},
    known=True,
    fallback=True,
    examples=("Submitted batch job 481205",),
)
_MEMORY_UNIT = r"(?:[KMGTkmgt]i?[Bb]|[Bb]ytes?)"
_MEMORY = (
    r"(?i:(?:torch\.)?(?:cuda\.)?(?:max_)?memory_(?:allocated|reserved)(?:\(\))?"
    r"|(?:(?:peak|max\.?|maximum|gpu|video|device|cuda(?::[0-9]+)?|current|used|allocated|training|train)[ _-]){0,4}"
    r"(?:memory|mem|vram)"
    r"(?:[ _-](?:usage|used|peak|max|allocated|allocation|consumption|reserved|footprint)){0,3})"
    r"|显存(?:占用|使用量?|峰值)?"
)
MEMORY = Record(
    name="memory",
    hints=("emory", "EMORY", "mem", "Mem", "MEM", "vram", "VRAM", "显存"),
    pattern=rf"^(?:{PREFIX} *)?{BULLET}?\s*(?P<memory_of>{_MEMORY})(?: ?\((?P<unit_of>{_MEMORY_UNIT})\))? ?[:：=] ?"
    rf"(?P<memory>[0-9]{{1,20}}(?:\.[0-9]{{1,20}})?)(?: ?(?P<unit>{_MEMORY_UNIT}))?"
    rf"(?: ?/ ?[0-9.]{{1,20}} ?{_MEMORY_UNIT})?\s*[.。]?$",
    fields={"memory_of": TEXT, "unit_of": TEXT, "memory": TEXT, "unit": TEXT},
    known=True,
    fallback=True,
    examples=(
        "2025-12-01 09:08:20,000 - INFO - GPU memory: 2560.00 MB",
        "memory: 2560 MiB",
        "Max memory allocated: 2.35 GB",
        "Peak GPU memory usage: 11.2GB / 24.0GB",
        "GPU memory (MB): 8123",
        "torch.cuda.max_memory_allocated(): 2684354560 bytes",
        "显存占用: 2.3 GB",
    ),
)
SETTINGS = Region(
    name="settings",
    hints=tuple(dict.fromkeys(_HINTS)),
    start="|".join((STATEMENT, SENTENCE, ENVIRONMENT, SECTION, HEADER, KEYED, DOTTED, CONTENTS)),
    stop=NO_PAIR,
    examples=(
        ("训练样本数: 8000", "批次大小: 32", "DataLoader 长度: 250", "开始训练"),
        ("Arguments:", "  batch_size: 32", "  lr: 0.1", "Start"),
        (
            "[2024-09-24 07:03:09 ViT-B/16] (main.py 280): INFO AUG:",
            "  MIXUP: 0.8",
            "TRAIN:",
            "  BATCH_SIZE: 5",
            "[2024-09-24 07:03:10 ViT-B/16] done",
        ),
        (
            "[INFO|trainer.py:1786] 2023-07-18 18:02:41,065 >> ***** Running training *****",
            "[INFO|trainer.py:1787] 2023-07-18 18:02:41,065 >>   Num examples = 7,625",
            "[INFO|trainer.py:1789] 2023-07-18 18:02:41,065 >>   Instantaneous batch size per device = 4",
            "[INFO|trainer.py:1793] 2023-07-18 18:02:41,066 >>   Number of trainable parameters = 1,949,696",
        ),
    ),
)
ARGUMENTS = Region(
    name="arguments",
    hints=("Namespace(", "Arguments(", "Args(", "Config(", "Params(", "Options(", "{", "engine/trainer: "),
    start=CALL,
    stop=NO_CALL,
    examples=(
        ("Namespace(batch_size=4, lr=0.1, world_size=2)", "Start"),
        (
            "Training/evaluation parameters Seq2SeqTrainingArguments(",
            "_n_gpu=1,",
            "per_device_train_batch_size=4,",
            ")",
        ),
        ("args: {'batch_size': 32, 'epochs': 10}", "Start"),
    ),
)
JSON = Region(
    name="json",
    hints=("{",),
    start=JSON_OPENS,
    stop=NO_JSON,
    examples=(("config = {", '  "train_batch_size": 32, ', '  "optimizer": {', '    "lr": 0.1', "  }", "}", "Start"),),
)
COMMANDS = Region(
    name="commands",
    hints=("+ ", "#SBATCH ", ".py", " -m "),
    start=COMMAND,
    stop=NO_CONTINUATION,
    examples=(
        ("+ python train.py --batch_size 4 --devices 2 --max_epochs 10", "Start"),
        ("python train_with_collapse_detection.py \\", "    --batch_size 4 \\", "    --devices 2 \\", "Start"),
        ("#SBATCH --gres=gpu:4", "Start"),
        ("srun torchrun --nproc_per_node=4 --nnodes 2 train.py --epochs 3", "Start"),
    ),
)

# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def normal(spelling: str) -> str:
    """The spelling as the table has it: lower case, single blanks."""
    return " ".join(spelling.lower().replace("_", " ").replace("-", " ").split())


NAMES = {normal(s): row.name for row in SYNONYMS for s in row.spellings}
KINDS = {row.name: row.value for row in SYNONYMS}
COUNTS = [name for name, kind in KINDS.items() if kind == COUNT]

EVALUATION = {"batch_size": "val_batch_size", "num_samples": "val_samples", "iters_per_epoch": "val_iters"}
"""What a name of the training's is called under a heading of validation; other names have no place there."""

VALIDATION_WORDS = (
    r"(?i)(?:^|[._-])(?:val|valid|validation|eval|evaluation|test|testing|predict|inference)(?:[._-]|\d*$)"
)
TRAINING_WORDS = (
    r"(?i)^(?:(?:train|training|trainer|data|dataset|datasets|dataloader|loader|train_dataloader|train_loader|"
    r"train_cfg|"
    r"train_config|train_data|solver|args|arguments|config|cfg|hparams|hyperparameters|params|parameters|common|"
    r"general|"
    r"optim|optimizer|optimization|run|runtime|experiment|distributed|system|hydra|lr_scheduler|schedule|settings)"
    r"(?:\.|$))*$"
)
DEEPSPEED = {"train batch size": "total_batch_size", "dataloader drop last": "engine_loader_drop_last"}
"""What names mean in DeepSpeed's dumps: its train_batch_size is the batch of an update, over all ranks; its loader is
the one that the engine makes where it is given data, and most programs bring their own."""

ULTRALYTICS = {"batch": "batch_size", "nbs": "nominal_batch_size"}
NEAR_LINES = 100
"""Ranks print the same statement side by side: of equal ones within so many lines the first is kept."""


def _normal(name: pl.Expr) -> pl.Expr:
    return name.str.to_lowercase().str.replace_all("[ _-]+", " ").str.strip_chars(" ")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ROWS = {
    "log": pl.UInt32(),
    "line": pl.Int64(),
    "path": pl.String(),
    "value": pl.String(),
    "source": pl.String(),
    "style": pl.String(),
}


def to_tables(matched: Matched) -> Tables:
    """Rows of `facts` alone."""
    parts = [
        *_settings(matched.region("settings")),
        _arguments(matched.region("arguments")),
        _json(matched.region("json")),
        *_commands(matched.region("commands")),
        matched.rows("submitted").select(
            "log", "line", path=pl.lit("job_id"), value="job", source=pl.lit("log"), style=pl.lit("sentence")
        ),
    ]
    rows = pl.concat([part.select(pl.col(name).cast(dtype) for name, dtype in ROWS.items()) for part in parts])
    return {"facts": [_as_facts(rows), _memory(matched.rows("memory"))]}


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema=ROWS)


def _settings(region: pl.DataFrame) -> list[pl.DataFrame]:
    """Statements, sentences and the lines of dumps. Lines in sequence are one block, whatever began in it."""
    if not region.height:
        return []
    lines = region.sort("seq", "piece").with_columns(
        block=((pl.col("seq").diff() != 1) | (pl.col("log") != pl.col("log").shift(1))).fill_null(True).cum_sum(),
        body=pl.col("text").str.replace(DUMP_PREFIX, ""),
        section=pl.col("text").str.extract(r"Running ([A-Za-z]+) \*").str.to_lowercase(),
        is_header=pl.col("text").str.contains(f"{HEADER}|{KEYED}|{DOTTED}|{CONTENTS}"),
    )
    lines = lines.with_columns(
        section=pl.col("section").forward_fill().over("block"),
        dumped=(pl.col("is_header").first().over("block") & (pl.len().over("block") >= 3))
        | pl.col("text").str.contains(DOTTED),
    )
    said, told = _sentences(lines), _statements(lines)
    taken = pl.concat([said["seq"], told["seq"]]).unique()
    dumps = _dumped(lines, taken)
    return [said, told, dumps]


def _sentences(lines: pl.DataFrame) -> pl.DataFrame:
    parts = [_no_rows().with_columns(seq=pl.lit(None, pl.Int64))]
    text = pl.col("text").str.strip_chars()
    for sentence in SENTENCES:
        near = lines.filter(text.str.contains(sentence.hint, literal=True))
        if not near.height:
            continue
        pattern = rf"^(?:.*?[ \]>:])??{_bare(sentence.pattern)}"
        values = near.select("log", "line", "seq", text.str.extract_groups(pattern).alias("found")).unnest("found")
        names = [name for name in values.columns if name not in ("log", "line", "seq")]
        long = values.unpivot(names, index=["log", "line", "seq"], variable_name="path", value_name="value").drop_nulls(
            "value"
        )
        parts.append(long.with_columns(source=pl.lit("log"), style=pl.lit("sentence")))
    return pl.concat(parts, how="diagonal_relaxed")


_BETWEEN = r"[,;|，；]\s+|[;|，；]|\s/\s"
_STATED = (
    r"^(?:.*(?:[>\]|:*•·)📊📈✅🔢📋]|- )\s*|.*\b(?:INFO|DEBUG|WARNING)\s+|\s*)"
    r"(?P<path>[A-Za-z_一-鿿][^:：=]*?)(?: \([^()]*\)|（[^（）]*）)?(?: *[:：=] *| is )(?P<value>[^:：=]+?)\s*。?$"
)


def _statements(lines: pl.DataFrame) -> pl.DataFrame:
    """Known names with values, several a line; lines of a dump and lines with a parent are read there."""
    identifier = pl.col("body").str.contains(r"^\s*[\w.]+\s*[:=：]\s*\S*$")
    of_parent = identifier & pl.col("body").str.starts_with(" ")
    text = pl.col("text").str.replace_all(r" \([^()]*\)( *[:：=])", "${1}")
    pairs = (
        lines.filter(~(pl.col("dumped") & identifier) & ~of_parent)
        .select("log", "line", "seq", "block", "section", pair=text.str.replace_all(_BETWEEN, "\n").str.split("\n"))
        .explode("pair")
        .with_columns(pl.col("pair").str.extract_groups(_STATED))
        .unnest("pair")
        .drop_nulls("value")
        .filter(_normal(pl.col("path")).is_in(list(NAMES)))
    )
    evaluation = pl.col("section").is_in(["evaluation", "prediction"]).fill_null(False)
    rows = pl.concat([pairs, _ranks(pairs)], how="diagonal_relaxed")
    return rows.select(
        "log",
        "line",
        "seq",
        path=pl.when(evaluation).then(pl.format("val.{}", "path")).otherwise("path"),
        value="value",
        source=pl.lit("log"),
        style=pl.lit("statement"),
    )


RANKS_FROM = ("total train batch size", "instantaneous batch size per device", "gradient accumulation steps")


def _ranks(pairs: pl.DataFrame) -> pl.DataFrame:
    """transformers' Trainer prints no rank count, but the three numbers whose quotient it is (4.20 … 5.23; with
    DataParallel it is the replicas)."""
    number = pl.col("value").str.extract(rf"({NUMBER})").str.replace_all("[,_]", "").cast(pl.Float64, strict=False)
    total, batch, accumulated = (number.filter(_normal(pl.col("path")) == name).first() for name in RANKS_FROM)
    of_total = pl.col("line", "seq", "section").filter(_normal(pl.col("path")) == RANKS_FROM[0]).first()
    found = pairs.group_by("log", "block").agg(of_total, ranks=total / batch / accumulated)
    whole = found.filter((pl.col("ranks") >= 1) & (pl.col("ranks") % 1 == 0))
    return whole.select(
        "log",
        "line",
        "seq",
        "section",
        path=pl.lit("data parallel size"),
        value=pl.col("ranks").cast(pl.Int64).cast(pl.String),
    )


MIB = {"b": 2.0**-20, "k": 2.0**-10, "m": 1.0, "g": 2.0**10, "t": 2.0**20}


def _memory(rows: pl.DataFrame) -> pl.DataFrame:
    """The fact `memory_peak_mib` of lines that print memory with its unit: each value above all before it."""
    unit = pl.coalesce("unit", "unit_of")
    size = unit.str.to_lowercase().str.head(1).replace_strict(MIB, default=None, return_dtype=pl.Float64)
    value = pl.concat_str("memory", unit, separator=" ")
    sized = rows.with_columns(mib=pl.col("memory").cast(pl.Float64, strict=False) * size, value=value)
    ordered = sized.filter(pl.col("mib") > 0).sort("log", "seq", maintain_order=True)
    before = pl.col("mib").cum_max().shift(1).over("log")
    higher = ordered.filter((pl.col("mib") > before).fill_null(True))
    return facts(higher, "memory_peak_mib", pl.col("value"), "log").with_columns(number=higher["mib"])


MAX_INDENTS = 16
_LEAF = (
    r"""^(?P<blanks>\s*)(?:- )?["']?(?P<name>[A-Za-z_][\w./-]*?)["']?\s*(?:[:=：]|\.{3,}|\.\. | {2,})\s*"""
    r"""(?P<value>.*?),?\s*$"""
)


def _dumped(lines: pl.DataFrame, taken: pl.Series) -> pl.DataFrame:
    """Leaves of dumps, each with the path of the names that stand less indented above it."""
    mine = lines.filter(pl.col("dumped") & ~pl.col("seq").is_in(taken.implode()))
    if not mine.height:
        return _no_rows()
    leaf = (
        mine.with_columns(pl.col("body").str.extract_groups(_LEAF))
        .unnest("body")
        .drop_nulls("name")
        .with_columns(indent=pl.col("blanks").str.len_chars().cast(pl.Int32), opens=pl.col("value") == "")
    )
    indent = pl.col("indent")
    parents = []
    for level in leaf["indent"].unique().sort().head(MAX_INDENTS):
        inside = pl.when((indent == level) & pl.col("opens")).then("name").when(indent <= level).then(pl.lit(""))
        owner = inside.forward_fill().over("block").fill_null("")
        parents.append(pl.when(indent > level).then(owner).otherwise(pl.lit("")))
    path = pl.concat_str(*parents, "name", separator=".").str.replace_all(r"\.{2,}", ".").str.strip_chars(".")
    dots = pl.col("text").str.contains(DOTTED)
    deepspeed = pl.col("text").str.contains(r"config\.py:[0-9]+:print")
    return (
        leaf.with_columns(path=path)
        .filter(~pl.col("opens"))
        .select(
            "log",
            "line",
            "path",
            value=pl.col("value").str.strip_chars(" '\""),
            source=pl.lit("config"),
            style=pl.when(deepspeed)
            .then(pl.lit("deepspeed"))
            .when(dots)
            .then(pl.lit("dots"))
            .otherwise(pl.lit("dump")),
        )
    )


def _arguments(region: pl.DataFrame) -> pl.DataFrame:
    if not region.height:
        return _no_rows()
    first = pl.col("text").str.contains(r"^engine/trainer: ").first().over("region")
    lines = region.with_columns(style=pl.when(first).then(pl.lit("ultralytics")).otherwise(pl.lit("arguments")))
    leaves = python_leaves(lines.with_columns(pl.col("text").str.strip_prefix("engine/trainer: ")))
    styles = lines.select("log", "line", "style").unique(["log", "line"])
    return leaves.join(styles, on=["log", "line"], how="left").with_columns(source=pl.lit("config"))


def _json(region: pl.DataFrame) -> pl.DataFrame:
    """Names that come once in their document: those that recur are records of a history, not settings."""
    if not region.height:
        return _no_rows()
    regions = region.select("log", "line", "region").unique(["log", "line"])
    whole = pl.col("text").str.contains('"train_micro_batch_size_per_gpu"', literal=True).any().over("region")
    styles = region.with_columns(deepspeed=whole).select("log", "line", "deepspeed").unique(["log", "line"])
    opened = region.with_columns(pl.col("text").str.replace(r"^.*\{$", "{"))
    opened = opened.with_columns(
        text=pl.when(pl.int_range(pl.len()).over("region") == 0).then("text").otherwise(region["text"])
    )
    leaves = (
        python_leaves(opened).join(regions, on=["log", "line"], how="left").join(styles, on=["log", "line"], how="left")
    )
    style = pl.when("deepspeed").then(pl.lit("deepspeed")).otherwise(pl.lit("json"))
    once = leaves.filter(pl.len().over("region", "path") == 1)
    return once.with_columns(source=pl.lit("config"), style=style)


_OPTION = r"""--?[A-Za-z][\w.-]*(?:=(?:'[^']*'|"[^"]*"|\S+)|\s+(?:'[^']*'|"[^"]*"|[^-\s]\S*|-[0-9.]\S*))?"""
_OPTION_PARTS = r"""^--?(?P<path>[A-Za-z][\w.-]*)(?:[=\s]+(?P<value>.+))?$"""
_ASSIGNED = r"(?:^|\s)\+{0,2}[A-Za-z_][\w.]*=[^\s'\"]+"
_ASSIGNED_PARTS = r"^\s*\+{0,2}(?P<path>[A-Za-z_][\w.]*)=(?P<value>.+)$"


def _commands(region: pl.DataFrame) -> list[pl.DataFrame]:
    """Options of the script and of its launcher, and what the environment is set to."""
    if not region.height:
        return []
    commands = (
        region.group_by("log", "region", maintain_order=True)
        .agg(pl.first("line"), text=pl.col("text").str.strip_chars(" \\").str.join(" "))
        .with_columns(pl.col("text").str.replace(r"^\++ |^.{0,120}[$%] |^\[[^\]]*\].* cmd = ", ""))
    )
    batch = pl.col("text").str.starts_with("#SBATCH")
    assigned = pl.col("text").str.contains(r"^[A-Za-z_]\w*=\S*$")
    launched = commands.filter(~batch & ~assigned).with_columns(
        head=pl.coalesce(pl.col("text").str.extract(r"^(.*?\S\.py)(?:\s|$)"), "text"),
        tail=pl.coalesce(pl.col("text").str.extract(r"^.*?\S\.py\s(.*)$"), pl.lit("")),
    )
    no_script = ~pl.col("text").str.contains(r"\S\.py(?:\s|$)")
    launched = launched.with_columns(tail=pl.when(no_script).then("text").otherwise("tail"))
    environment = launched.with_columns(tail=pl.col("head").str.extract(r"^((?:[A-Z_][A-Z0-9_]*=\S+ )+)").fill_null(""))
    return [
        _options(launched, "tail", _OPTION, _OPTION_PARTS, "arguments"),
        _options(launched, "tail", _ASSIGNED, _ASSIGNED_PARTS, "arguments"),
        _options(environment, "tail", _ASSIGNED, _ASSIGNED_PARTS, "environment"),
        _options(commands.filter(assigned), "text", _ASSIGNED, _ASSIGNED_PARTS, "environment"),
        _options(commands.filter(batch), "text", _OPTION, _OPTION_PARTS, "sbatch"),
        _launched(launched),
    ]


def _options(rows: pl.DataFrame, column: str, pattern: str, parts: str, style: str) -> pl.DataFrame:
    return (
        rows.select("log", "line", option=pl.col(column).str.extract_all(pattern))
        .explode("option")
        .drop_nulls("option")
        .with_columns(pl.col("option").str.extract_groups(parts))
        .unnest("option")
        .drop_nulls("path")
        .with_columns(
            pl.col("value").fill_null("True").str.strip_chars("'\""), source=pl.lit("config"), style=pl.lit(style)
        )
    )


def _launched(rows: pl.DataFrame) -> pl.DataFrame:
    """Processes that a launcher starts: torchrun and torch.distributed (per node × nodes), accelerate (in all),
    deepspeed (per node × nodes), mpirun, horovodrun and srun (in all; not where they start another launcher)."""

    def option(*names: str) -> pl.Expr:
        found = "|".join(names)
        return pl.col("head").str.extract(rf"(?:^|\s)(?:{found})(?:=|\s+)([0-9]+)(?:\s|$)").cast(pl.Int64, strict=False)

    def uses(words: str) -> pl.Expr:
        return pl.col("head").str.contains(rf"(?:^|[\s/])(?:{words})(?:\s|$)")

    nodes = pl.coalesce(option("--nnodes", "--num_nodes", "--num-nodes"), pl.lit(1))
    torch = option("--nproc_per_node", "--nproc-per-node") * nodes
    processes = (
        pl.when(pl.col("head").str.contains(r"torchrun|torch\.distributed\.(?:launch|run)"))
        .then(torch)
        .when(uses("accelerate launch"))
        .then(option("--num_processes", "--num-processes"))
        .when(uses("deepspeed"))
        .then(option("--num_gpus") * nodes)
        .when(uses("mpirun|mpiexec|horovodrun"))
        .then(option("-np", "-n", "--np"))
        .when(uses("srun"))
        .then(option("-n", "--ntasks"))
    )
    return rows.select(
        "log",
        "line",
        path=pl.lit("launched processes"),
        value=processes.cast(pl.String),
        source=pl.lit("config"),
        style=pl.lit("launcher"),
    ).drop_nulls("value")


# ── naming ───────────────────────────────────────────────────────────────────────────────────────────────────────────

KEPT_STYLES = ["dump", "dots", "deepspeed", "arguments", "json", "ultralytics", "sbatch"]
SBATCH = {
    "gres": "gpus_allocated",
    "gpus": "gpus_allocated",
    "time": "time_limit",
    "array": "array",
    "job-name": "job_name",
    "J": "job_name",
    "t": "time_limit",
    "a": "array",
}
ENVIRONMENT_NAMES = {
    "WORLD_SIZE": "world_size",
    "CUDA_VISIBLE_DEVICES": "visible_devices",
    "NUM_GPUS": "gpus",
    "GPUS_PER_NODE": "gpus",
}
PARALLEL = ("tensor_parallel", "pipeline_parallel", "context_parallel")


def _as_facts(rows: pl.DataFrame) -> pl.DataFrame:
    """Canonical names where the table has one and the heading allows it; `arguments.<path>` for the rest of dumps."""
    last = pl.col("path").str.extract(r"([^.]+)$")
    parents = pl.col("path").str.extract(r"^(.*)\.[^.]+$").fill_null("")
    style = pl.col("style")
    is_style = {name: style == name for name in ("deepspeed", "ultralytics", "sbatch", "sentence", "launcher")}
    spelled = _normal(pl.when(style == "statement").then(pl.col("path").str.strip_prefix("val.")).otherwise(last))
    rows = rows.filter(pl.col("value").str.len_chars() > 0).with_columns(spelled=spelled, parents=parents)

    def table(names: dict[str, str], key: str = "spelled") -> pl.Expr:
        return pl.col(key).replace_strict(names, default=None, return_dtype=pl.String)

    named = (
        pl.when(is_style["sentence"])
        .then("path")
        .when(is_style["launcher"])
        .then(pl.lit("world_size"))
        .when(is_style["sbatch"])
        .then(table(SBATCH, "path"))
        .when(style == "environment")
        .then(pl.coalesce(table(ENVIRONMENT_NAMES, "path"), table(NAMES)))
        .when(is_style["deepspeed"])
        .then(pl.coalesce(table(DEEPSPEED), table(NAMES)))
        .when(is_style["ultralytics"])
        .then(pl.coalesce(table(ULTRALYTICS), table(NAMES)))
        .otherwise(table(NAMES))
    )
    under_validation = pl.col("parents").str.contains(VALIDATION_WORDS) | (
        (style == "statement") & pl.col("path").str.starts_with("val.")
    )
    under_training = pl.col("parents").str.contains(TRAINING_WORDS)
    told = style.is_in(["sentence", "launcher", "sbatch", "environment", "statement"])
    rows = rows.with_columns(known=named).with_columns(
        name=pl.when(under_validation & (style != "sentence"))
        .then(pl.col("known").replace_strict(EVALUATION, default=None, return_dtype=pl.String))
        .when(told | under_training)
        .then("known")
    )
    rows = _counted(_by_context(rows))
    kept = pl.when(style.is_in(KEPT_STYLES)).then(pl.format("arguments.{}", "path"))
    rows = rows.with_columns(name=pl.coalesce("name", kept)).drop_nulls("name")
    return _once(facts(rows, pl.col("name"), pl.col("value"), "").with_columns(source=rows["source"]))


def _by_context(rows: pl.DataFrame) -> pl.DataFrame:
    """Names that mean something else beside other statements of the log."""
    number = pl.col("value").cast(pl.Float64, strict=False)
    split_model = (pl.col("name").is_in(PARALLEL) & (number > 1)).any().over("log")
    data_parallel = pl.col("spelled").str.contains(r"^(?:data parallel|dp)") | (pl.col("style") == "sentence")
    in_array = (pl.col("spelled") == "slurm array job id").any().over("log")
    of_element = pl.col("spelled").is_in(["slurm job id", "slurm jobid"])
    return rows.with_columns(
        name=pl.when((pl.col("name") == "world_size") & split_model & ~data_parallel)
        .then(pl.lit("processes"))
        .when(in_array & of_element)
        .then(pl.lit("array_job_element"))
        .otherwise("name")
    )


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    """Counts without commas and units; what is no count above zero is no value. Device lists are counted."""
    digits = pl.col("value").str.extract(rf"^\s*({NUMBER}){UNIT}\s*[.。]?\s*$").str.replace_all("[,_]", "")
    whole = digits.str.replace(r"\.0+$", "")
    seed = pl.col("name") == "seed"
    is_count = pl.col("name").is_in(COUNTS) & ~((pl.col("style") == "sbatch") & (pl.col("name") != "gpus"))
    fits = (whole.cast(pl.Int64, strict=False) > 0) | (seed & whole.is_not_null())
    devices = pl.col("name") == "visible_devices"
    listed = pl.col("value").str.extract(r"^\[?([0-9]+(?:, ?[0-9]+)*)\]?$").str.count_matches("[0-9]+").cast(pl.String)
    gres = pl.col("name") == "gpus_allocated"
    many = pl.col("value").str.extract(r"^(?:gpu:)?(?:[A-Za-z]\w*:)?([0-9]+)$")
    word = pl.col("value").is_in(["None", "none", "null", "True,", ""])
    return rows.with_columns(
        value=pl.when(is_count & fits.fill_null(False))
        .then(whole)
        .when(devices)
        .then(listed)
        .when(gres)
        .then(many)
        .otherwise(pl.col("value")),
        name=pl.when(is_count & ~fits.fill_null(False) | (~is_count & word))
        .then(pl.lit(None, pl.String))
        .when(devices)
        .then(pl.lit("gpus_visible"))
        .otherwise("name"),
    ).filter(pl.col("value").is_not_null())


def _once(found: pl.DataFrame) -> pl.DataFrame:
    """Without the statements that repeat an equal one close above, as ranks do."""
    order = found.sort("log", "name", "line", maintain_order=True)
    same = [pl.col(c) == pl.col(c).shift(1) for c in ("log", "name", "value", "source")]
    near = pl.col("line") - pl.col("line").shift(1) <= NEAR_LINES
    repeats = reduce(lambda a, b: a & b, [*same, near]).fill_null(False)
    return order.filter(~repeats).sort("log", "line", maintain_order=True)


PARSER = Parser("stated", (SUBMITTED, MEMORY, SETTINGS, ARGUMENTS, JSON, COMMANDS), to_tables)
