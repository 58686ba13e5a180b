"""How numbers, durations and times are written, and the sentences that name a source. English; one place for all of it.

Every function takes None for "the log does not say" and writes `?` for it: never 0, never a blank.
"""

import math
import re
from collections.abc import Iterable
from datetime import datetime

UNKNOWN = "?"
NONE_SEEN = "–"

SOURCES = {
    "log": "printed in the log",
    "config": "stated in the configuration that the log holds",
    "counted": "counted in the log",
    "timestamps": "from the log's time stamps",
    "user": "given by you",
    "inferred": "inferred: every explanation of the counts agrees",
}

STATE_MARKS = {
    "finished": "✓",
    "running": "▶",
    "stalled": "!",
    "interrupted": "!",
    "failed": "✗",
    "unknown": "?",
}
SEVERITY_MARKS = {"error": "✗", "warning": "!", "info": "~"}
SEVERITY_WORDS = {"error": "error", "warning": "warning", "info": "note"}

FIELD_NAMES = {"num_samples": "samples", "batch_size": "batch", "grad_accum": "accumulation", "world_size": "ranks"}


def count(value: float | None) -> str:
    """A count with separators: 1,224. A count that is no whole number keeps two digits: 152.5."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def number(value: float | None, digits: int = 3) -> str:
    """A measurement to `digits` significant digits, without trailing zeros: 0.62; 222."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    text = measured(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def measured(value: float | None, digits: int = 3) -> str:
    """The same with its trailing zeros, so that a column of them lines up: 0.620; 16.0; 182,857."""
    if value is None or not math.isfinite(value):
        return number(value)
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -6 or magnitude >= 15:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - magnitude)
    text = f"{value:,.{places}f}"
    # 9.996 rounds into the next decade: 10.0, not 10.00
    return text if places == 0 or len(re.sub(r"\D", "", text).lstrip("0")) <= digits else f"{value:,.{places - 1}f}"


def loss(value: float | None) -> str:
    """A loss or a metric, to four significant digits."""
    return number(value, 4)


def fraction(value: float | None) -> str:
    """A fraction 0..1 as a percentage: 0.991 is `99.1 %`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    percent = value * 100
    if percent and abs(percent) < 0.05:
        return "< 0.1 %"
    return f"{percent:.1f}".removesuffix(".0") + " %"


def duration(seconds: float | None) -> str:
    """A duration in its two largest units: 16 h 28 min; 8.8 min; 43 s; 2 d 3 h."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 59.95:
        return f"{number(seconds, 2 if seconds < 10 else 3)} s"
    if seconds < 599.7:
        return f"{number(seconds / 60, 2)} min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min" if minutes % 60 else f"{minutes // 60} h"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def short_duration(seconds: float | None) -> str:
    """For a column of durations: 16 h 28; 24 min; 43 s."""
    return re.sub(r"( h \d+) min$", r"\1", duration(seconds))


def hours(seconds: float | None) -> str:
    """A duration in decimal hours, for comparing: 16.5 h."""
    return UNKNOWN if seconds is None else f"{number(seconds / 3600)} h"


def gpu_hours(value: float | None) -> str:
    """GPU-hours to three digits, and no finer than a hundredth: 16.5; 0.01; < 0.01."""
    if value is None or not math.isfinite(value) or value >= 1:
        return number(value)
    return "< 0.01" if 0 < value < 0.005 else number(round(value, 2))


def size(bytes_: float | None) -> str:
    """A size in decimal units: 18.6 MB."""
    if bytes_ is None:
        return UNKNOWN
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{number(value)} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def mebibytes(value: float | None) -> str:
    """Memory given in MiB: 12,288 MiB is `12 GiB`."""
    if value is None:
        return UNKNOWN
    return f"{number(value / 1024)} GiB" if value >= 1024 else f"{number(value)} MiB"


def moment(value: datetime | None) -> str:
    """A log's own clock to the minute: 2025-11-25 05:13."""
    return UNKNOWN if value is None else value.strftime("%Y-%m-%d %H:%M")


def plural(value: float | None, singular: str, many: str | None = None) -> str:
    """A count with its noun: 1 update; 459 updates; ? updates."""
    return f"{count(value)} {singular if value == 1 else many or singular + 's'}"


def stage(kind: str, shape: str | None) -> str:
    """What a stage of the learning rate is called: constant; linear warm-up; cosine decay."""
    called = "warm-up" if kind == "warmup" else kind
    return called if shape is None else f"{shape} {called}"


def listed(items: Iterable[str], conjunction: str = "and") -> str:
    """Items as a person lists them: a, b and c."""
    head = list(items)
    if len(head) < 2:
        return "".join(head)
    return f"{', '.join(head[:-1])} {conjunction} {head[-1]}"


ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"  # OSC and other strings
    r"|\x1b[ -/]*[0-~]"
)


def one_line(text: str | None, limit: int = 300) -> str:
    """Text of a log or a file name as one harmless line: no control or format characters (ESC, bidirectional
    overrides), no newline; blanks are folded; longer than `limit` characters ends in `…`.
    """
    if not text:
        return ""
    if len(text) <= limit and text.isprintable() and "  " not in text:
        return text.strip()
    text = ESCAPE_SEQUENCE.sub("", text[: limit * 20])
    kept = (_shown(character) for character in text)
    folded = " ".join("".join(kept).split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""
