"""How logs spell what trainqc has one name for: one row a meaning, each with lines that show it (tests run them).

A spelling is lower case with single blanks; in a log its words may be joined by blanks, `_` or `-`, in any case. The
names that have a meaning in TABLES.md are canonical; a row whose `own` is true has a name that the analysis does not
take for the training's: its words are used for several things.
"""

from dataclasses import dataclass

COUNT, WORD, PHRASE = "count", "word", "phrase"
"""What follows the name: a whole number above zero with an optional unit; one word; the rest of the line."""


@dataclass(frozen=True)
class Synonym:
    """Spellings of one name, the kind of value that follows them, and lines as logs print them."""

    name: str
    value: str
    spellings: tuple[str, ...]
    examples: tuple[str, ...]
    own: bool = False


SYNONYMS = (
    # ── data ──
    Synonym(
        "num_samples",
        COUNT,
        (
            *("num train samples", "number of train samples", "number of training samples", "num training samples"),
            *(
                "training samples",
                "train samples",
                "training set size",
                "train set size",
                "train size",
                "trainset size",
            ),
            *(
                "training data size",
                "train data size",
                "train dataset size",
                "training dataset size",
                "size of train set",
            ),
            *("size of training set", "number of training images", "num training images", "number of train images"),
            *("training images", "train images", "training examples", "train examples", "number of training examples"),
            *("num train examples", "number of train examples", "num training examples", "num examples", "n train"),
            *(
                "length of train dataset",
                "train dataset length",
                "len(train_dataset)",
                "len(train_set)",
                "len(trainset)",
            ),
            *(
                "len(train_data)",
                "len(dataset_train)",
                "训练样本数",
                "训练样本数量",
                "训练集样本数",
                "训练集大小",
                "训练集数量",
            ),
            *("训练集样本数量", "训练数据量", "训练集长度", "训练图片数", "训练图像数", "训练数据数量", "训练样本总数"),
        ),
        (
            "训练样本数: 8000",
            "Num examples = 7,625",
            "Number of training images: 1220",
            "train size: 50000",
            "len(train_dataset) = 610",
        ),
    ),
    Synonym(
        "val_samples",
        COUNT,
        (
            *("num val samples", "number of validation samples", "number of val samples", "num validation samples"),
            *("validation samples", "val samples", "valid samples", "validation set size", "val set size", "val size"),
            *("valid size", "validation size", "validation data size", "val dataset size", "validation dataset size"),
            *("number of validation images", "number of val images", "validation images", "val images", "n val"),
            *("validation examples", "number of validation examples", "num val examples", "len(val_dataset)"),
            *("len(valid_dataset)", "len(val_set)", "len(dataset_val)", "验证样本数", "验证样本数量", "验证集样本数"),
            *("验证集大小", "验证集数量", "验证集样本数量", "验证集长度"),
        ),
        ("Validation samples: 2000", "验证集大小：500", "val size: 10,000"),
    ),
    Synonym(
        "raw_samples",
        COUNT,
        (
            *(
                "raw samples",
                "num raw samples",
                "number of raw samples",
                "raw dataset size",
                "samples before filtering",
            ),
            *("number of samples before filtering", "原始样本数", "原始样本数量", "过滤前样本数", "过滤前样本数量"),
        ),
        ("Raw samples: 1500", "Number of samples before filtering: 1,500", "原始样本数: 1500"),
    ),
    Synonym(
        "total_samples",
        COUNT,
        (
            *(
                "total samples",
                "total number of samples",
                "number of samples",
                "dataset size",
                "dataset length",
                "len(dataset)",
            ),
            *("total images", "总样本数", "样本总数", "数据集大小", "数据集长度", "样本数"),
        ),
        ("Total samples: 10000", "总样本数: 1220张图片", "Dataset size: 60000"),
        own=True,
    ),
    Synonym(
        "test_samples",
        COUNT,
        (
            *(
                "test samples",
                "number of test samples",
                "test set size",
                "test size",
                "number of test images",
                "test images",
            ),
            *("testing samples", "len(test_dataset)", "测试样本数", "测试集大小"),
        ),
        ("Test samples: 2000", "测试集大小: 1000"),
        own=True,
    ),
    # ── batches ──
    Synonym(
        "batch_size",
        COUNT,
        (
            *(
                "batch size",
                "batchsize",
                "bs",
                "train batch size",
                "training batch size",
                "per device train batch size",
            ),
            *(
                "batch size per gpu",
                "batch size per device",
                "per gpu batch size",
                "per device batch size",
                "micro batch size",
            ),
            *(
                "train micro batch size per gpu",
                "micro batch size per gpu",
                "train batch size per gpu",
                "samples per gpu",
            ),
            *("instantaneous batch size per device", "per gpu train batch size", "local batch size", "mini batch size"),
            *("批次大小", "批大小", "训练批次大小", "批量大小", "每卡批次大小", "训练批大小", "批处理大小"),
        ),
        ("批次大小: 32", "Batch size: 32", "Instantaneous batch size per device = 4", "BATCH_SIZE: 5"),
    ),
    Synonym(
        "val_batch_size",
        COUNT,
        (
            *(
                "val batch size",
                "validation batch size",
                "eval batch size",
                "valid batch size",
                "evaluation batch size",
            ),
            *("per device eval batch size", "per gpu eval batch size", "dev batch size", "验证批次大小", "验证批大小"),
        ),
        ("Validation batch size: 8", "验证批次大小: 16"),
    ),
    Synonym(
        "total_batch_size",
        COUNT,
        (
            *(
                "total batch size",
                "total train batch size",
                "global batch size",
                "effective batch size",
                "ims per batch",
            ),
            *(
                "global train batch size",
                "total training batch size",
                "overall batch size",
                "总批次大小",
                "全局批次大小",
            ),
            *("有效批次大小", "等效批次大小"),
        ),
        (
            "Total batch size: 128",
            "Total train batch size (w. parallel, distributed & accumulation) = 16",
            "全局批次大小: 64",
        ),
        own=True,
    ),
    Synonym(
        "test_batch_size",
        COUNT,
        ("test batch size", "testing batch size", "测试批次大小"),
        ("Testing batch size: 4",),
        own=True,
    ),
    Synonym(
        "grad_accum",
        COUNT,
        (
            *(
                "gradient accumulation steps",
                "grad accumulation steps",
                "accumulation steps",
                "accumulate grad batches",
            ),
            *(
                "gradient accumulation",
                "grad accum",
                "grad accum steps",
                "accumulative counts",
                "accum iter",
                "update freq",
            ),
            *("accum steps", "梯度累积步数", "梯度累积", "累积步数"),
        ),
        ("Gradient Accumulation steps = 4", "梯度累积步数: 8", "accum_iter: 2"),
    ),
    # ── lengths ──
    Synonym(
        "iters_per_epoch",
        COUNT,
        (
            *(
                "training batches",
                "train batches",
                "number of training batches",
                "num train batches",
                "num training batches",
            ),
            *(
                "number of train batches",
                "batches per epoch",
                "iterations per epoch",
                "iters per epoch",
                "steps per epoch",
            ),
            *("num batches per epoch", "number of batches per epoch", "train loader length", "len(train_loader)"),
            *(
                "len(train_dataloader)",
                "len(trainloader)",
                "len(data_loader_train)",
                "len(dataloader_train)",
                "dataloader 长度",
            ),
            *(
                "train dataloader length",
                "训练批次数",
                "训练批次数量",
                "每个 epoch 的迭代数",
                "每个epoch的迭代数",
                "每轮迭代数",
                "每轮批次数",
            ),
            *("每个 epoch 的 iteration 数", "每个epoch的batch数", "训练 dataloader 长度", "训练加载器长度"),
        ),
        (
            "Training batches: 1250",
            "DataLoader 长度: 250",
            "len(train_loader) = 250",
            "Batches per epoch: 313",
            "训练批次数: 313",
        ),
    ),
    Synonym(
        "val_iters",
        COUNT,
        (
            *("validation batches", "val batches", "valid batches", "number of validation batches", "num val batches"),
            *(
                "number of val batches",
                "validation steps",
                "len(val_loader)",
                "len(val_dataloader)",
                "len(valid_loader)",
            ),
            *("len(valloader)", "val loader length", "验证批次数", "验证批次数量"),
        ),
        ("Validation batches: 156", "验证批次数: 39", "len(val_loader): 39"),
    ),
    Synonym(
        "batches",
        COUNT,
        (
            "number of batches",
            "num batches",
            "total batches",
            "len(dataloader)",
            "len(loader)",
            "批次数",
            "批次数量",
            "test batches",
        ),
        ("Number of batches: 100", "批次数: 40"),
        own=True,
    ),
    Synonym(
        "epochs_planned",
        COUNT,
        (
            *("epochs", "num epochs", "max epochs", "number of epochs", "total epochs", "num train epochs", "n epochs"),
            *(
                "training epochs",
                "max epoch",
                "train epochs",
                "number of training epochs",
                "训练轮数",
                "总轮数",
                "轮数",
                "训练轮次",
            ),
            *("训练周期", "最大轮数", "总 epoch 数", "总epoch数"),
        ),
        ("Num Epochs = 25", "训练轮数: 50", "max_epochs: 10"),
    ),
    Synonym(
        "iters_planned",
        COUNT,
        (
            *(
                "max iters",
                "max iter",
                "total iters",
                "total iterations",
                "num iterations",
                "max iterations",
                "total iteration",
            ),
            *("number of iterations", "num iters", "总迭代次数", "总迭代数", "最大迭代次数"),
        ),
        ("Total iterations: 3672", "总迭代次数: 3672步", "MAX_ITER: 10000"),
    ),
    Synonym(
        "updates_planned",
        COUNT,
        (
            *(
                "total optimization steps",
                "max steps",
                "max train steps",
                "num update steps",
                "total updates",
                "max updates",
            ),
            *("total optimizer steps", "number of updates", "max update", "train iters", "参数更新次数"),
        ),
        ("Total optimization steps = 11,900", "max_steps: 800"),
    ),
    Synonym(
        "updates_per_epoch",
        COUNT,
        ("num update steps per epoch", "update steps per epoch", "updates per epoch"),
        ("Num update steps per epoch = 39",),
    ),
    Synonym(
        "total_steps",
        COUNT,
        (
            "total steps",
            "num steps",
            "total training steps",
            "num training steps",
            "number of steps",
            "总步数",
            "训练步数",
        ),
        ("Total steps: 1560", "总步数: 3672"),
        own=True,
    ),
    # ── processes and machines ──
    Synonym(
        "world_size",
        COUNT,
        (
            *(
                "world size",
                "data parallel size",
                "dp size",
                "number of ranks",
                "num ranks",
                "dp world size",
                "dp degree",
            ),
            *("data parallel world size", "num processes", "number of processes", "总进程数", "进程数"),
        ),
        ("World size: 4", "data-parallel-size: 8", "Num processes: 2", "进程数: 4"),
    ),
    Synonym(
        "processes",
        COUNT,
        ("dist world size", "ntasks", "slurm ntasks", "nproc", "nproc per node", "ntasks per node", "nprocs"),
        ("nproc: 8",),
        own=True,
    ),
    Synonym(
        "gpus",
        COUNT,
        (
            *(
                "gpus",
                "num gpus",
                "number of gpus",
                "ngpus",
                "n gpu",
                "n gpus",
                "gpu count",
                "num gpu",
                "devices",
                "num devices",
            ),
            *("gpus per node", "ngpus per node", "gpu数量", "gpu 数量", "显卡数量", "gpu 数", "gpu数"),
        ),
        ("Number of GPUs: 4", "GPU数量: 4"),
        own=True,
    ),
    Synonym(
        "gpus_visible",
        COUNT,
        (
            "available gpus",
            "gpus available",
            "visible gpus",
            "gpus visible",
            "torch.cuda.device_count()",
            "可用 gpu 数量",
            "可用gpu数量",
        ),
        ("Available GPUs: 4", "torch.cuda.device_count(): 2"),
    ),
    Synonym(
        "tensor_parallel",
        COUNT,
        ("tensor model parallel size", "tensor parallel size", "tp size"),
        ("tensor_parallel_size: 4",),
        own=True,
    ),
    Synonym(
        "pipeline_parallel",
        COUNT,
        ("pipeline model parallel size", "pipeline parallel size", "pp size"),
        ("pipeline_parallel_size: 2",),
        own=True,
    ),
    Synonym("context_parallel", COUNT, ("context parallel size", "cp size"), ("context_parallel_size: 2",), own=True),
    Synonym("sequence_parallel", COUNT, ("sequence parallel size",), ("sequence_parallel_size: 2",)),
    Synonym(
        "gpu_name",
        PHRASE,
        ("gpu name", "gpu model", "device name", "gpu 型号", "gpu型号", "显卡型号", "using gpu", "cuda device name"),
        ("GPU name: NVIDIA A100-SXM4-80GB", "Using GPU: Tesla V100-SXM2-32GB", "显卡型号: NVIDIA GeForce RTX 3090"),
    ),
    Synonym(
        "host",
        WORD,
        (
            "hostname",
            "host name",
            "node list",
            "nodelist",
            "slurm nodelist",
            "slurm job nodelist",
            "node name",
            "running on node",
            "主机名",
        ),
        ("Hostname: chimera16", "SLURM_JOB_NODELIST=gpu-a100-[01-02]", "Node List:            chimera16"),
    ),
    Synonym(
        "job_id",
        WORD,
        ("job id", "slurm job id", "slurm jobid", "slurm array job id", "jobid"),
        ("Job ID:               653313", "SLURM_JOB_ID=481205", "SLURM_ARRAY_JOB_ID: 4812"),
    ),
    Synonym(
        "array_task",
        COUNT,
        ("slurm array task id", "array task id", "array task"),
        ("SLURM_ARRAY_TASK_ID=7", "Array task: 3"),
    ),
    Synonym("job_name", WORD, ("job name", "slurm job name"), ("Job Name: P2PFDL", "SLURM_JOB_NAME=vessel"), own=True),
    # ── the rest ──
    Synonym(
        "seed",
        COUNT,
        ("seed", "random seed", "manual seed", "global seed", "rng seed", "train seed", "随机种子", "种子"),
        ("seed: 42", "随机种子: 1024", "Random seed = 3407"),
    ),
    Synonym("drop_last", WORD, ("drop last", "dataloader drop last"), ("drop_last: True",)),
    Synonym(
        "lr_schedule",
        WORD,
        (
            "lr scheduler",
            "lr scheduler type",
            "scheduler",
            "lr schedule",
            "lr policy",
            "lr decay style",
            "学习率调度器",
            "学习率策略",
        ),
        ("lr_scheduler: cosine", "学习率策略: cosine"),
    ),
    Synonym(
        "max_length",
        COUNT,
        ("max length", "max sequence length", "max seq length", "max seq len"),
        ("max_length: 512",),
        own=True,
    ),
)


@dataclass(frozen=True)
class Sentence:
    """A fixed wording in which named groups are the facts; `hint` is a literal of it."""

    hint: str
    pattern: str
    examples: tuple[str, ...]


N = "[0-9]+(?:[,_][0-9]{3})*"
_TRAIN, _VAL, _TEST = r"train(?:ing)?", r"(?:val|valid|validation|dev)", r"test(?:ing)?"
_OF = r"(?: set| data| dataset)?(?: size)?"
_UNIT = r"(?: (?:samples|images|examples))?"

SENTENCES = (
    Sentence(
        " samples",
        rf"^Train on (?P<num_samples>{N}) samples(?:, validate on (?P<val_samples>{N}) samples)?$",
        ("Train on 8000 samples, validate on 2000 samples",),
    ),
    Sentence(
        "rain",
        rf"(?i)^(?:[a-z]+: )?{_TRAIN}{_OF}(?:: ?|=| = )(?P<num_samples>{N}){_UNIT}[,;|] *{_VAL}{_OF}(?:: ?|=| = )"
        rf"(?P<val_samples>{N}){_UNIT}"
        rf"(?:[,;|] *{_TEST}{_OF}(?:: ?|=| = )(?P<test_samples>{N}){_UNIT})?$",
        ("train: 50000 samples, val: 10000 samples", "Train set: 8000, Validation set: 1000, Test set: 1000"),
    ),
    Sentence("train ", r"^train (?P<num_samples>[0-9]{3,})$", ("train 4473",)),
    Sentence("val ", r"^val (?P<val_samples>[0-9]{3,})$", ("val 5197",)),
    Sentence(
        "training ",
        rf"(?i)^(?:loaded |found |using )?(?P<num_samples>{N}) train(?:ing)? (?:samples|images|examples)(?:,? (?:and "
        rf")?(?P<val_samples>{N}) val(?:id|idation)? (?:samples|images|examples))?\.?$",
        ("Found 8000 training images and 2000 validation images", "50,000 training samples"),
    ),
    Sentence(
        "Building data done with ",
        rf"^Building data done with (?P<num_samples>{N}) images loaded\.$",
        ("Building data done with 50000 images loaded.",),
    ),
    Sentence(
        " images with no usable annotations",
        rf"^Removed {N} images with no usable annotations\. (?P<num_samples>{N}) images left\.$",
        ("Removed 0 images with no usable annotations. 6 images left.",),
    ),
    Sentence(
        "Making batched data loader with batch_size=",
        r"^Making batched data loader with batch_size=(?P<batch_size>[0-9]+)$",
        ("Making batched data loader with batch_size=1",),
    ),
    Sentence(
        "Rank of current process: ",
        r"^Rank of current process: [0-9]+\. World size: (?P<world_size>[0-9]+)$",
        ("Rank of current process: 0. World size: 1",),
    ),
    Sentence(
        " samples valid, ",
        rf"^Load \[(?P<num_samples>{N}) samples valid, {N} samples invalid\] in file \S*train[^/]*\.$",
        ("Load [4290 samples valid, 0 samples invalid] in file dataset/coco/annotations/instances_train2017.json.",),
    ),
    Sentence(
        " samples valid, ",
        rf"^Load \[(?P<val_samples>{N}) samples valid, {N} samples invalid\] in file \S*val[^/]*\.$",
        ("Load [484 samples valid, 0 samples invalid] in file dataset/coco/annotations/instances_val2017.json.",),
    ),
    Sentence(
        "HybridParallelInfo: ",
        r"^.*HybridParallelInfo: .*\bmp_degree: (?P<tensor_parallel>[0-9]+),.*\bpp_degree: "
        r"(?P<pipeline_parallel>[0-9]+), dp_degree: (?P<world_size>[0-9]+)",
        (
            "HybridParallelInfo: rank_id: 0, mp_degree: 1, sharding_degree: 1, pp_degree: 1, dp_degree: 4, mp_group: "
            "[0]",
        ),
    ),
    Sentence(
        "using world size: ",
        r"^using world size: (?P<processes>[0-9]+), data-parallel-size: (?P<world_size>[0-9]+),(?: sequence-parallel "
        r"size: (?P<sequence_parallel>[0-9]+),)?"
        r"(?: context-parallel[- ]size: (?P<context_parallel>[0-9]+),)? tensor-model-parallel size: "
        r"(?P<tensor_parallel>[0-9]+), "
        r"pipeline-model-parallel size: (?P<pipeline_parallel>[0-9]+)",
        (
            "using world size: 32, data-parallel-size: 8, sequence-parallel size: 1, tensor-model-parallel size: 4, "
            "pipeline-model-parallel size: 1 ",
        ),
    ),
    Sentence(
        "setting number of micro",
        r"^setting number of micro-?batches to constant (?P<grad_accum>[0-9]+)$",
        ("setting number of micro-batches to constant 4",),
    ),
    Sentence(
        "Config mesh_device",
        r"^Config mesh_device \S+ world_size = (?P<world_size>[0-9]+)$",
        ("Config mesh_device None world_size = 2",),
    ),
    Sentence("dist_world_size=", r"^dist_world_size=(?P<processes>[0-9]+)$", ("dist_world_size=32",)),
    Sentence(
        "GLOBAL_RANK: ",
        r"^(?:Initializing distributed: |initializing distributed: )?GLOBAL_RANK: [0-9]+, MEMBER: "
        r"[0-9]+/(?P<world_size>[0-9]+)$",
        ("Initializing distributed: GLOBAL_RANK: 0, MEMBER: 1/4",),
    ),
    Sentence(
        "CUDA_VISIBLE_DEVICES",
        r"^(?:LOCAL_RANK: [0-9]+ - )?CUDA_VISIBLE_DEVICES(?:: |=)\[?(?P<visible_devices>[0-9]+(?:, ?[0-9]+)*)\]?$",
        ("LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0,1]", "CUDA_VISIBLE_DEVICES=0,1,2,3"),
    ),
    Sentence(
        "chedule ",
        rf"(?i)^(?:learning )?schedule [0-9]+ ?(?:/|of) ?(?P<cycles_planned>{N})(?:[:,. ].*)?$",
        ("Learning schedule 1/200", "Schedule 3 of 20: lr 0.001"),
    ),
    Sentence(
        "Starting training for ",
        r"^Starting training for (?P<epochs_planned>[0-9]+) epochs\.\.\.$",
        ("Starting training for 15 epochs...",),
    ),
    Sentence(
        "train: Scanning ",
        rf"^train: Scanning .* images, .* corrupt: 100%.* {N}/(?P<num_samples>{N}) ",
        (
            "train: Scanning /data/labels/train... 2700 images, 553 backgrounds, 0 corrupt: 100% ━━━━━━━━━━━━ "
            "2700/2700 6.6Kit/s 0.4s",
        ),
    ),
    Sentence(
        "seed",
        r"(?i)^(?:> )?(?:using|set|setting)(?: a)?(?: generated| global)?(?: random)? seeds?(?: to)?:? "
        r"(?P<seed>[0-9]+)(?:,.*| \.\.\.)?$",
        (
            "Using a generated random seed 9105334",
            "> setting random seeds to 1234 ...",
            "Set random seed to 42, deterministic: False",
        ),
    ),
    Sentence(
        "eed set to ", r"^(?:Global s|S)eed set to (?P<seed>[0-9]+)$", ("Seed set to 42", "Global seed set to 42")
    ),
    Sentence(
        "GPU ",
        r"^GPU [0-9]+: (?P<gpu_name>[^:()]*[A-Za-z][^:()]*?) \(UUID: [^)]*\)$",
        ("GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-5c2a)",),
    ),
    Sentence(
        " major: ",
        r"^name: (?P<gpu_name>[^:]+) major: [0-9]+ minor: ",
        ("name: Tesla K80 major: 3 minor: 7 memoryClockRate(GHz): 0.8235",),
    ),
    Sentence(
        "physical GPU (device: ",
        r"^.*physical GPU \(device: [0-9]+, name: (?P<gpu_name>[^,]+), pci bus id",
        (
            "Created TensorFlow device (/job:localhost/device:GPU:0) -> physical GPU (device: 0, name: Tesla K80, "
            "pci bus id: 68a4:00:00.0)",
        ),
    ),
    Sentence(
        "*** JOB ",
        r"^(?:slurmstepd: )?error: \*\*\* JOB (?P<job_id>[0-9]+) ON (?P<host>\S+) CANCELLED",
        ("slurmstepd: error: *** JOB 263121 ON dgx-15 CANCELLED AT 2025-08-17T01:22:18 ***",),
    ),
)
