"""How a process ended: tracebacks, and ends from outside; events that make no log one of a format."""

import pytest
from reading import read

TRACE = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    main()\n'


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB.", "out_of_memory"),
        ("RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 23.69 GiB total)", "out_of_memory"),
        ("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1275", "nccl"),
        ("OSError: [Errno 28] No space left on device", "disk_full"),
        ("KeyboardInterrupt", "cancelled"),
        ("KeyError: 'img'", "traceback"),
        ("AssertionError", "traceback"),
    ],
)
def test_the_end_of_a_traceback(line: str, kind: str) -> None:
    """The error's name and words say what failed; the event stands at its line."""
    found = read(f"{TRACE}{line}\n".encode())
    assert found["events"].select("line", "kind", "message").rows() == [(4, kind, line)]
    assert found.formats.get(0, set()) == set()


def test_an_error_without_a_traceback() -> None:
    """A script may print an error's name: only behind a traceback it is one."""
    assert read(b"ValueError: skipped a sample\n")["events"].is_empty()


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (" DUE TO TIME LIMIT", "time_limit"),
        (" DUE TO PREEMPTION", "preempted"),
        (" DUE TO NODE FAILURE", "node_failure"),
        ("", "cancelled"),
    ],
)
def test_cancelled_by_slurm(reason: str, kind: str) -> None:
    """The reason that Slurm gives, a person where it gives none."""
    text = f"slurmstepd: error: *** JOB 481205 ON gpu-04 CANCELLED AT 2025-12-01T09:08:20{reason} ***\n"
    assert read(text.encode())["events"]["kind"].to_list() == [kind]
