"""How a process ended, in any format: the end of a traceback, and what a shell or Slurm says of an end from outside.

Events alone, which make no log one of this format. What an event means for a run is judged in the analysis: an error
that training went on after was survived.

- A traceback ends with `module.ErrorName: message` at the line's begin (Python 3; torchrun puts `[rank0]: ` in front).
  Such a line counts only behind a `Traceback (most recent call last):` of the same log: a script may print one.
- `torch.OutOfMemoryError`, `CUDA out of memory` (torch), `NCCL`, `No space left on device` (the system) name what
  failed; other errors are a `traceback`.
- `Killed` is what bash prints of a process that ended by signal 9: the kernel's memory killer uses it, others too.
- `slurmstepd: error: *** JOB 123 ON node CANCELLED AT … DUE TO TIME LIMIT ***` (also STEP 123.0; PREEMPTION, NODE
  FAILURE, or no reason: cancelled by a person), `Detected 1 oom_kill event` (Slurm 20 to 24).
"""

import polars as pl

from .contract import (
    TEXT,
    Matched,
    Parser,
    Record,
    Tables,
    event,
)

RANK = r"(?:\[rank[0-9]+\]: ?|[0-9]+: )?"

HEADER = Record(
    name="header",
    hints=("Traceback (most recent call last)",),
    pattern=r"^.*?(?P<header>Traceback) \(most recent call last\):$",
    fields={"header": TEXT},
    carry="header",
    known=True,
    fallback=True,
    examples=("Traceback (most recent call last):", "[rank0]: Traceback (most recent call last):"),
)
ERROR = Record(
    name="error",
    hints=("Error", "Exception", "Interrupt"),
    pattern=rf"^{RANK}(?P<error>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt))(?:: ?(?P<message>.*))?$",
    fields={"error": TEXT, "message": TEXT},
    known=True,
    fallback=True,
    examples=(
        "FileNotFoundError: [Errno 2] No such file or directory: 'missing.pt'",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB.",
        "KeyboardInterrupt",
    ),
)
KILLED = Record(
    name="killed",
    hints=("Killed",),
    pattern=r"^(?:\S+: line [0-9]+: +[0-9]+ )?(?P<killed>Killed)(?: .*)?$",
    fields={"killed": TEXT},
    known=True,
    fallback=True,
    examples=("train.sh: line 3:  4711 Killed                  python train.py", "Killed"),
)
CANCELLED = Record(
    name="cancelled",
    hints=("CANCELLED AT ",),
    pattern=r"^.*?\*\*\* (?:JOB|STEP) [0-9_.]+ ON \S+ CANCELLED AT \S+(?: DUE TO (?P<reason>[A-Z ]+?))? \*\*\*$",
    fields={"reason": TEXT},
    known=True,
    fallback=True,
    examples=(
        "slurmstepd: error: *** JOB 481205 ON gpu-04 CANCELLED AT 2025-12-01T09:08:20 DUE TO TIME LIMIT ***",
        "slurmstepd: error: *** STEP 481205.0 ON gpu-04 CANCELLED AT 2025-12-01T09:08:20 ***",
    ),
)
MEMORY_KILL = Record(
    name="memory_kill",
    hints=("oom-kill event", "oom_kill event"),
    pattern=r"^.*?(?P<event>[Dd]etected [0-9]+ oom[-_]kill event)",
    fields={"event": TEXT},
    known=True,
    fallback=True,
    examples=("slurmstepd: error: Detected 1 oom_kill event in StepId=481205.0. Some of the step tasks were killed.",),
)

REASONS = {"TIME LIMIT": "time_limit", "PREEMPTION": "preempted", "NODE FAILURE": "node_failure"}
KINDS = (
    (r"(?i)out of ?memory|MemoryError", "out_of_memory"),
    (r"NCCL", "nccl"),
    (r"No space left on device", "disk_full"),
    (r"^KeyboardInterrupt", "cancelled"),
)


def to_tables(matched: Matched) -> Tables:
    """Rows of `events` alone."""
    errors = matched.latest("header", matched.rows("error"), {"header": "behind"}).drop_nulls("behind")
    text = (
        pl.when(pl.col("message").fill_null("") == "").then("error").otherwise(pl.format("{}: {}", "error", "message"))
    )
    kind = pl.lit("traceback")
    for pattern, name in reversed(KINDS):
        kind = pl.when(pl.col("said").str.contains(pattern)).then(pl.lit(name)).otherwise(kind)
    cancelled = pl.col("reason").replace_strict(REASONS, default="cancelled", return_dtype=pl.String)
    reason = pl.coalesce(pl.col("reason").str.to_lowercase(), pl.lit("cancelled"))
    return {
        "events": [
            errors.with_columns(said=text).select("log", "line", kind=kind, message="said"),
            event(matched.rows("killed"), "killed", pl.col("killed")),
            event(matched.rows("cancelled"), cancelled, pl.format("cancelled by the scheduler: {}", reason)),
            event(matched.rows("memory_kill"), "out_of_memory", pl.col("event")),
        ]
    }


PARSER = Parser("endings", (HEADER, ERROR, KILLED, CANCELLED, MEMORY_KILL), to_tables, claims=False)
