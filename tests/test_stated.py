"""What a log states about itself becomes facts: each spelling of the table, dumps, commands; prose does not."""

import polars as pl
import pytest
from reading import FORMATS, SAMPLES, only, read
from trainqc.parsers import mmengine
from trainqc.parsers.stated import NAMES, normal
from trainqc.parsers.synonyms import COUNT, SENTENCES, SYNONYMS
from trainqc.pipeline.named import facts_of_names

EXAMPLES = [(row.name, text) for row in SYNONYMS for text in row.examples]
SPELLINGS = [(row.name, spelling) for row in SYNONYMS for spelling in row.spellings if row.value == COUNT]


def told(*lines: str) -> list[tuple[str, str, str]]:
    """Name, value and source of all facts but the unnamed ones of dumps."""
    facts = read("\n".join(lines) + "\n")["facts"].filter(~pl.col("name").str.starts_with("arguments."))
    return facts.sort("line", maintain_order=True).select("name", "value", "source").rows()


def value(name: str, *lines: str) -> list[str]:
    return [v for n, v, _ in told(*lines) if n == name]


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_each_row_reads_its_examples(name: str, line: str) -> None:
    """A line that the table shows gives its fact and no other."""
    assert [n for n, _, _ in told(line)] == [name]


def test_each_spelling_is_read() -> None:
    """Every spelling of a count, with a colon, gives the name of its row."""
    batch = read(*(f"{case(spelling)}: 12\n" for _, spelling in SPELLINGS for case in (str, str.capitalize)))["facts"]
    found = dict(batch.select("log_id", "name").rows())
    wanted = [(name, spelling) for name, spelling in SPELLINGS for _ in range(2)]
    assert [(found.get(str(log)), spelling) for log, (_, spelling) in enumerate(wanted)] == wanted
    assert batch.height == len(wanted)
    assert set(batch["value"]) == {"12"}


def test_no_spelling_has_two_meanings() -> None:
    """The order of the rows decides nothing."""
    spelled = [normal(s) for row in SYNONYMS for s in set(map(normal, row.spellings))]
    assert len(spelled) == len(set(spelled)) == len(NAMES)


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s.hint)
def test_each_sentence_reads_its_examples(sentence) -> None:
    """A fixed wording gives facts, alone and behind a logger's prefix."""
    for text in sentence.examples:
        assert told(text)
        assert told(f"[2024-01-01 10:00:00,123] [INFO] [train.py:10:main] {text}") == told(text)


# ── one line, several facts ──────────────────────────────────────────────────────────────────────────────────────────


def test_several_statements_of_a_line_are_all_found() -> None:
    """Commas part statements; a number keeps its own."""
    assert told("train: 50000 samples, val: 10000 samples") == [
        ("num_samples", "50000", "log"),
        ("val_samples", "10000", "log"),
    ]
    assert told("Batch size: 32, epochs: 10, seed: 7") == [
        ("batch_size", "32", "log"),
        ("epochs_planned", "10", "log"),
        ("seed", "7", "log"),
    ]
    assert told("Training samples: 7,625, validation samples: 1,000")[0] == ("num_samples", "7625", "log")


def test_an_argument_dump_is_configuration() -> None:
    """`Namespace(…)` on one line: known names, and the others under their path."""
    line = "Namespace(batch_size=4, lr=0.1, world_size=2, opts=['a', 'b'], model={'name': 'x'})"
    assert told(line) == [("batch_size", "4", "config"), ("world_size", "2", "config")]
    facts = read(line)["facts"]
    assert {"arguments.lr", "arguments.model.name"} <= set(facts["name"])


def test_an_argument_dump_may_take_many_lines() -> None:
    """transformers prints one argument a line."""
    lines = (
        "Training parameters Seq2SeqTrainingArguments(",
        "_n_gpu=1,",
        "num_train_epochs=25.0,",
        "per_device_train_batch_size=4,",
        "per_device_eval_batch_size=8,",
        ")",
    )
    assert told(*lines) == [
        ("gpus", "1", "config"),
        ("epochs_planned", "25", "config"),
        ("batch_size", "4", "config"),
        ("val_batch_size", "8", "config"),
    ]


def test_a_command_line_is_configuration() -> None:
    """Options of the script; `devices` is not taken for ranks, which the command does not say."""
    assert sorted(told("+ python train.py --batch_size 4 --devices 2 --max_epochs 10")) == [
        ("batch_size", "4", "config"),
        ("epochs_planned", "10", "config"),
        ("gpus", "2", "config"),
    ]


@pytest.mark.parametrize(
    ("line", "ranks"),
    [
        ("torchrun --nproc_per_node=4 --nnodes 2 train.py --epochs 3", ["8"]),
        ("+ python -m torch.distributed.launch --nproc_per_node 4 train.py", ["4"]),
        ("accelerate launch --num_processes 4 train.py", ["4"]),
        ("srun -n 16 python train.py", ["16"]),
        ("torchrun --nproc_per_node=auto train.py", []),
        ("torchrun --nproc_per_node 16 pretrain.py --tensor-model-parallel-size 4", []),
    ],
)
def test_a_launcher_says_how_many_ranks(line: str, ranks: list[str]) -> None:
    """Processes times nodes, where both are numbers and the model is not split over them."""
    assert value("world_size", line) == ranks


def test_batch_directives_and_environment() -> None:
    """`#SBATCH` lines and `SLURM_*` variables give the job, its task, and the GPUs that it holds."""
    got = told(
        "#SBATCH --gres=gpu:a100:4",
        "#SBATCH --job-name=vessel",
        "SLURM_ARRAY_JOB_ID=4812",
        "SLURM_JOB_ID=4815",
        "SLURM_ARRAY_TASK_ID=7",
    )
    assert ("gpus_allocated", "4", "config") in got
    assert [v for n, v, _ in got if n == "job_id"] == ["4812"]
    assert ("array_task", "7", "log") in got


def test_a_heading_says_whose_number_it_is() -> None:
    """Under TEST or validation a batch size is not the training's."""
    lines = ("Config:", "TRAIN:", "  BATCH_SIZE: 5", "  EPOCHS: 50", "TEST:", "  BATCH_SIZE: 9", "  EPOCHS: 1", "ok")
    assert told(*lines) == [
        ("batch_size", "5", "config"),
        ("epochs_planned", "50", "config"),
        ("val_batch_size", "9", "config"),
    ]
    trainer = ("***** Running Evaluation *****", "  Num examples = 50", "  Batch size = 8")
    assert told(*trainer) == [("val_samples", "50", "log"), ("val_batch_size", "8", "log")]


def test_a_json_dump_is_configuration() -> None:
    """DeepSpeed's `train_batch_size` is the batch of an update; what recurs is a history and no setting."""
    lines = (
        "json = {",
        '    "train_batch_size": 32, ',
        '    "train_micro_batch_size_per_gpu": 4, ',
        '    "optimizer": {',
        '        "lr": 0.1',
        "    }",
        "}",
    )
    assert told(*lines) == [("total_batch_size", "32", "config"), ("batch_size", "4", "config")]


def test_the_trainer_says_its_ranks_by_three_numbers() -> None:
    """16 samples per update of 4 per device and 4 accumulated: one rank."""
    lines = (
        "  Instantaneous batch size per device = 4",
        "  Total train batch size (w. parallel, distributed & accumulation) = 16",
        "  Gradient Accumulation steps = 4",
    )
    assert value("world_size", *lines) == ["1"]


# ── what is no fact ──────────────────────────────────────────────────────────────────────────────────────────────────

PROSE = (
    "The batch size: 32 was chosen after a few trials",
    "We trained with a batch size of 32 for 10 epochs.",
    "| **batch_size** | 1 | per GPU |",
    "减小批次大小: 从 128 改成 32 之后",
    "Number of training images: see table 3",
    "epoch: 5",
    "seed: none",
    "batch size: 0",
    "if batch_size: 32",
    "Namespace is a word of C++ too",
    "+ 5 samples were added",
)


@pytest.mark.parametrize("line", PROSE)
def test_prose_gives_no_facts(line: str) -> None:
    """A line that holds more than names and values states nothing that could be relied on."""
    assert told(line) == []


@pytest.mark.parametrize("own", [row for row in SYNONYMS if row.own], ids=lambda row: row.name)
def test_ambiguous_names_stay_their_own(own) -> None:
    """A tokenizer's max_length, a total batch size, the samples of all sets: kept, and not the training's."""
    canonical = {row.name for row in SYNONYMS if not row.own}
    for text in own.examples:
        assert {n for n, _, _ in told(text)} == {own.name}
    assert own.name not in canonical


def test_conflicts_are_kept() -> None:
    """Two statements that differ stay both, each with its line."""
    facts = read("Batch size: 32\nsomething\nBatch size: 64\n")["facts"]
    assert facts.select("value", "line").rows() == [("32", 1), ("64", 3)]


def test_equal_statements_of_ranks_are_one() -> None:
    """Sixteen ranks that print one line state it once; a later start states it again."""
    lines = ["World size: 16"] * 16 + ["x"] * 200 + ["World size: 16"]
    assert read("\n".join(lines))["facts"]["line"].to_list() == [1, 217]


def test_a_log_that_states_things_is_of_no_format() -> None:
    """Facts alone make no training log."""
    got = read("Batch size: 32\nEpochs: 10\n")
    assert got.formats.get(0, set()) == set()
    assert got.ledger["lines_known"].to_list() == [2]


@pytest.mark.parametrize("file", sorted((SAMPLES / "mmengine").rglob("*.log")), ids=lambda f: f.name)
def test_the_dumps_of_other_formats_stay_whole(file) -> None:
    """mmengine's configuration and environment are read by mmengine alone: same facts with and without this parser."""
    with_all, alone = read(file.read_bytes())["facts"], read(file.read_bytes(), using=only(mmengine.PARSER))["facts"]
    assert with_all.sort("line", "name", "value").equals(alone.sort("line", "name", "value"))
    assert "stated" in FORMATS.parsers


# ── file names ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        ("a/slurm-481205.out", {"job_id": "481205"}),
        ("slurm-4812_7.out", {"job_id": "4812", "array_task": "7"}),
        ("vessel-481205.out", {"job_id": "481205"}),
        ("vessel-4812_7.log", {"job_id": "4812", "array_task": "7"}),
        ("vessel.o481205.7", {"job_id": "481205", "array_task": "7"}),
        ("name-481205.err.gz", {"job_id": "481205"}),
        ("20230604_153610.log", {}),
        ("run-20230604_153610.out", {}),
        ("051_training_log.out", {}),
        ("resnet50.log", {}),
        ("epoch_10.log", {}),
    ],
)
def test_file_names_name_jobs(path: str, facts: dict[str, str]) -> None:
    """The patterns that schedulers give to outputs; dates and counters are no jobs."""
    got = facts_of_names(pl.DataFrame({"log_id": ["x"], "path": [path]}))
    assert dict(got.select("name", "value").rows()) == facts
    assert got["line"].null_count() == got.height


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "mib"),
    [
        ("2025-12-01 09:08:20,000 - INFO - GPU memory: 2560.00 MB", 2560.0),
        ("memory: 2560 MiB", 2560.0),
        ("Peak memory: 2.5 GB", 2560.0),
        ("Peak GPU memory usage: 11.5GB / 24.0GB", 11776.0),
        ("GPU memory (MB): 8123", 8123.0),
        ("torch.cuda.max_memory_allocated(): 2684354560 bytes", 2560.0),
        ("显存占用: 1.5 GB", 1536.0),
    ],
)
def test_memory_on_a_line_of_its_own(line: str, mib: float) -> None:
    """Memory with its unit is a fact in MiB."""
    found = read(f"{line}\n")["facts"].select("name", "number", "source").rows()
    assert found == [("memory_peak_mib", mib, "log")]


@pytest.mark.parametrize(
    "line",
    ["memory: 2560", "memory: 0 MB", "Memory error: 12 MB", "pin_memory: True", "out of memory: 12 MB wanted by you"],
)
def test_no_memory(line: str) -> None:
    """A number without a unit, nothing at all, and words that mention memory are none."""
    assert read(f"{line}\n")["facts"].filter(pl.col("name") == "memory_peak_mib").is_empty()


def test_memory_that_rises() -> None:
    """Of a print an epoch the values that are higher than all before stay."""
    lines = "".join(f"memory: {mib} MiB\n" for mib in (100, 300, 200, 300, 400))
    facts = read(lines)["facts"].filter(pl.col("name") == "memory_peak_mib")
    assert facts["number"].to_list() == [100.0, 300.0, 400.0]
