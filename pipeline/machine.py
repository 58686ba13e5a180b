"""What of the machine this process uses: cores and memory."""

import contextlib
import gc
import os
from pathlib import Path


def usable_cores() -> int:
    """Cores that this process may use by affinity, cgroup and SLURM_CPUS_PER_TASK, at most 8."""
    counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    with contextlib.suppress(OSError, ValueError):  # no cgroup, or no limit in it
        counts.append(_cgroup_cores(Path("/sys/fs/cgroup/cpu.max").read_text()))
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if slurm.isdecimal():
        counts.append(int(slurm))
    return max(1, min(8, *counts))


def _cgroup_cores(text: str) -> int:
    quota, period = text.split()
    return max(1, int(quota) // int(period))


def settle_memory() -> None:
    """For a process of our own, before polars is imported: its allocator keeps what is freed for the next batch, and
    Python looks for garbage less often.

    By default polars' allocator has four arenas a core, and what one thread frees another one cannot use; and it gives
    memory back after half a second, to ask for it again. 10,000 small logs then cost a third more page faults (0.2 s of
    4 s). A search for garbage after every 700 new objects finds none among so many logs (0.04 s).
    """
    os.environ.setdefault("_RJEM_MALLOC_CONF", f"narenas:{usable_cores()},dirty_decay_ms:5000,muzzy_decay_ms:5000")
    gc.set_threshold(20_000)
