"""The command line: arguments in, exit code out. What the commands do is in `commands`.

A file of commands each, which register themselves with `options.app`. Data goes to stdout, talk to stderr. Everything
that takes time to import is imported by the command that needs it, so that `trainqc --help` answers at once.
"""

import atexit
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import CycloptsError

from ..machine import settle_memory
from ..say import close_stdout, complain
from . import explain, logs, plan
from .options import DEFECT, DONE, INTERRUPTED, USAGE, UsageError, app, moment

__all__ = ["app", "explain", "explained", "logs", "main", "moment", "plan", "program"]


def program() -> NoReturn:
    """`main` as a process, which ends as soon as all is written: taking polars and pyarrow apart takes the interpreter
    80 ms, a fifth of a short command."""
    settle_memory()
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody reads it, closed, or none
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; only `--help` and `--version` print without one of ours."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in tokens or "--verbose" in tokens
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except KeyboardInterrupt:
        complain("interrupted: nothing is half written, run again to go on", trace=verbose)
        return INTERRUPTED
    except BrokenPipeError:
        close_stdout()
        return DONE
    except Exception as error:
        text, code = explained(error)
        complain(text, trace=verbose)
        close_stdout()
        return code


def explained(error: Exception) -> tuple[str, int]:
    """One line and the exit code for an error that a command raised."""
    if isinstance(error, UsageError):
        return str(error), USAGE
    if isinstance(error, CycloptsError):
        return f"{error} Try `trainqc --help`.", USAGE
    from ..registry import DuplicateFormatError
    from ..report.build import ReportError
    from ..settings import SettingsError
    from ..store import StoreError

    if isinstance(error, SettingsError | StoreError | ReportError | DuplicateFormatError):
        return str(error), USAGE
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{(error.strerror or str(error)).lower()}", USAGE
    told = f"{type(error).__name__}: {error}"
    return f"{told} (a defect of trainqc: run again with -v and report what it prints)", DEFECT
