"""What the commands share: the app, its exit codes, and the options that several of them take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ..machine import usable_cores

if TYPE_CHECKING:
    from ..commands import Told

DONE, STRICT, USAGE, NOTHING_READ, DEFECT, INTERRUPTED = 0, 1, 2, 3, 70, 130
OUT = Path("trainqc-out")

EXIT_CODES = (
    "Exit codes: 0 done, even where a training failed; 1 with --strict, where a log could not be read or holds issues; "
    "2 wrong usage, a trainqc.toml or an output folder that cannot be used; 3 nothing could be read; 70 a defect of "
    "trainqc; 130 interrupted, the tables are as they were."
)


class UsageError(Exception):
    """Arguments that make no sense; the message says which and what to do."""


def version() -> str:
    from importlib.metadata import version as installed

    return installed("trainqc")


app = App(
    name="trainqc",
    help="Turn folders of raw training logs into typed Parquet tables and a report. `trainqc LOGS...` does it all.",
    help_epilogue=EXIT_CODES,
    help_format="plaintext",
    version=version,
    suppress_keyboard_interrupt=False,  # `main` says what became of the tables
)


@Parameter(name="*")
@dataclass(frozen=True)
class Talk:
    """How much is said."""

    json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False
    """Print one JSON value on stdout instead of text."""
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=(), show_default=False)] = False
    """Print errors only (and the JSON that was asked for)."""
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative=(), show_default=False)] = False
    """Say on stderr what is done; show the traceback of an error."""


@Parameter(name="*")
@dataclass(frozen=True)
class Stated:
    """What the logs do not say and the user does."""

    pairs: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)] = ()
    """NAME=VALUE that holds for all logs, in this run alone: num_samples=1220. May be given several times."""
    config: Annotated[Path | None, Parameter(name="--config")] = None
    """Settings file to use instead of every trainqc.toml beside and above the logs."""

    def told(self) -> "Told":
        from ..commands import Told

        return Told.of(self.pairs, self.config)


@Parameter(name="*")
@dataclass(frozen=True)
class Window:
    """Which runs the report shows."""

    since: Annotated[str | None, Parameter(name="--since")] = None
    """Only runs that were active since then: 7d, 24h, 2025-11-20, 2025-11-20T08:00."""
    until: Annotated[str | None, Parameter(name="--until")] = None
    """Only runs that were active until then; a date includes that day."""
    plots: Annotated[int, Parameter(name="--plots")] = 40
    """Draw charts for so many runs: those that need a look, then the newest."""

    def ends(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        since, until = moment("--since", self.since, now, time.min), moment("--until", self.until, now, time.max)
        if since and until and since > until:
            raise UsageError(f"--since {self.since} is later than --until {self.until}: exchange them")
        if self.plots < 0:
            raise UsageError(f"--plots {self.plots}: wanted 0 or more")
        return since, until


OutOption = Annotated[Path, Parameter(name=["--out", "-o"])]


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(option: str, text: str | None, now: datetime, of_a_date: time) -> datetime | None:
    """`7d`, `24h`, a date or a date with a time, on this machine's clock where no zone is named."""
    if text is None:
        return None
    try:
        if back := re.fullmatch(r"(\d+)([mhdw])", text.strip()):
            return now - timedelta(**{UNITS[back[2]]: int(back[1])})
        if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text.strip()):
            return datetime.combine(date.fromisoformat(text.strip()), of_a_date).astimezone()
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text}: wanted 7d, 24h, 2025-11-20 or 2025-11-20T08:00") from None


def given(logs: Sequence[Path]) -> list[Path]:
    if not logs:
        raise UsageError("no LOGS given: name files or folders, as in `trainqc work_dirs`, or see `trainqc --help`")
    return list(logs)


def threads(jobs: int | None) -> int:
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: wanted 1 or more")
    return jobs or usable_cores()
