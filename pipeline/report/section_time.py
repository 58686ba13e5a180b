"""The section on time: wall clock and its parts, samples an hour, seconds per iteration, GPU-hours and memory."""

from . import words
from .model import Phrase, Section, Strong, Table, phrase
from .overview import Row


def time_and_throughput(run: Row) -> Section:
    """Where the time went and what came out of it, each number with where it comes from."""
    wall, training = run["wall_s"], run["train_s"]
    pace = words.UNKNOWN if training is None else _from(run, "s_per_iter")
    span = "" if run["started_at"] is None or run["ended_at"] is None else f", {_clock_span(run)}"
    gaps = " (without the gaps between attempts)" if (run["attempts"] or 1) > 1 else ""
    rows: list[tuple[str, Phrase, Phrase]] = [
        (f"wall clock{span}{gaps}", phrase(Strong(_with_hours(wall))), phrase(_from(run, "wall_s"))),
        (
            "training" + _training_product(run),
            phrase(_share(training, wall)),
            phrase(pace),
        ),
    ]
    if wall is not None and training is not None and training <= wall:
        rest = phrase(_share(wall - training, wall))
        rows.append(("the rest: start, validation, checkpoints", rest, phrase("difference")))
    samples = run["samples_done"]
    drawn = "" if samples is None else f", {words.plural(samples, 'sample')} over wall clock"
    held = None if run["gpu_hours_held"] == run["gpu_hours"] else run["gpu_hours_held"]
    rows += [
        (
            f"samples/hour{drawn}",
            phrase(Strong(words.number(run["samples_per_hour"])), _each(run["samples_per_hour"])),
            phrase(_from(run, "samples_per_hour")),
        ),
        (
            "samples/hour while training",
            phrase(words.number(run["train_samples_per_hour"])),
            phrase("batch × ranks × 3,600 / s/iter"),
        ),
        ("seconds per iteration, median", phrase(_pace(run)), phrase(_from(run, "s_per_iter"))),
    ]
    paced = _from(run, "s_per_iter")
    rows += [
        (name, phrase(value), phrase(source))
        for name, known, value, source in (
            ("seconds per iteration, mean", run["s_per_iter_mean"], words.number(run["s_per_iter_mean"]), paced),
            (
                "seconds per iteration, 95th percentile",
                run["s_per_iter_p95"],
                words.number(run["s_per_iter_p95"]),
                paced,
            ),
            (
                "waiting for data",
                run["data_wait_fraction"],
                words.fraction(run["data_wait_fraction"]),
                "share of an iteration",
            ),
            ("GPU-hours", run["gpu_hours"], words.gpu_hours(run["gpu_hours"]), "counted ranks × wall clock"),
            (
                "GPU-hours if all visible GPUs were held",
                held,
                words.gpu_hours(run["gpu_hours_held"]),
                "visible GPUs × wall clock",
            ),
            ("memory, highest printed", run["memory_peak_mib"], words.mebibytes(run["memory_peak_mib"]), "log"),
            (
                "GPU utilisation, mean",
                run["gpu_util_mean_pct"],
                f"{words.number(run['gpu_util_mean_pct'])} %",
                "telemetry",
            ),
            ("power, mean", run["power_mean_w"], f"{words.number(run['power_mean_w'])} W", "telemetry"),
        )
        if known is not None
    ]
    table = Table(("", "", "from"), "lrl", tuple((phrase(name), value, source) for name, value, source in rows))
    return Section("Time and throughput", (table,))


def _clock_span(run: Row) -> str:
    started, ended = run["started_at"], run["ended_at"]
    if started.date() == ended.date():
        return f"{started:%Y-%m-%d %H:%M} → {ended:%H:%M}"
    return f"{words.moment(started)} → {words.moment(ended)}"


def _training_product(run: Row) -> str:
    if run["iters_done"] is None or run["s_per_iter"] is None or run["train_s"] is None:
        return ""
    product = run["iters_done"] * run["s_per_iter"]
    if abs(product - run["train_s"]) > 0.005 * run["train_s"]:
        return ""
    return f", {words.count(run['iters_done'])} × {words.number(run['s_per_iter'])} s"


def _with_hours(seconds: float | None) -> str:
    text = words.duration(seconds)
    return text if seconds is None or seconds < 3600 else f"{text} ({words.hours(seconds)})"


def _share(seconds: float | None, wall: float | None) -> str:
    text = words.duration(seconds)
    return text if seconds is None or not wall else f"{text} ({words.fraction(seconds / wall)})"


def _each(per_hour: float | None) -> str:
    return f" ({words.number(3600 / per_hour)} s each)" if per_hour else ""


def _pace(run: Row) -> str:
    low, high, values = run["s_per_iter_lo"], run["s_per_iter_hi"], run["s_per_iter_n"]
    details = []
    if low is not None and high is not None and words.number(low) != words.number(high):
        details.append(f"{words.number(low)}–{words.number(high)}")
    if values:
        details.append(f"{words.plural(values, 'value')}")
    return words.number(run["s_per_iter"]) + (f" ({', '.join(details)})" if details else "")


def _from(run: Row, name: str) -> str:
    return words.UNKNOWN if run[name] is None else words.SOURCES.get(run[f"{name}_from"] or "", words.UNKNOWN)
