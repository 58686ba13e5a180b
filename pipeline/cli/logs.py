"""The commands that read logs, or the tables made of them: run, ingest, analyze, report, formats; and completion."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..bar import Bar
from ..report import words
from ..say import complain, first_sentence, print_json, print_plain, print_summary, told_of
from .options import (
    DONE,
    NOTHING_READ,
    OUT,
    STRICT,
    OutOption,
    Stated,
    Talk,
    Window,
    app,
    given,
    threads,
    version,
)

if TYPE_CHECKING:
    from ..ingest import Ingested, Progress
    from ..report.console import Places

Jobs = Annotated[int | None, Parameter(name=["--jobs", "-j"])]
Strict = Annotated[bool, Parameter(name="--strict", negative=(), show_default=False)]


@app.default
@app.command(name="run")
def run(
    *logs: Path,
    out: OutOption = OUT,
    jobs: Jobs = None,
    strict: Strict = False,
    stated: Stated = Stated(),
    window: Window = Window(),
    talk: Talk = Talk(),
) -> int:
    """Read logs, analyze them, write the report and print a summary (the default command).

    Parameters
    ----------
    logs
        Files and folders of logs, any depth; .gz, .bz2, .xz and .zst are read through.
    out
        Output folder: tables, report, and the draft of what no log says.
    jobs
        Threads; without it the cores that this process may use, at most 8.
    strict
        Exit with 1 where a log could not be read or holds issues.
    """
    from .. import commands
    from ..report import changes
    from ..report.console import as_dict, header

    now = datetime.now().astimezone()
    since, until = window.ends(now)
    paths, jobs, told = given(logs), threads(jobs), stated.told()
    if not any(path.exists() for path in paths):
        return say_none_exists(paths)
    commands.check_settings(paths, told)
    before = commands.before(out)
    with Bar(not talk.quiet) as bar:
        bar.stage("Reading")
        ingested = commands.ingest(paths, out, jobs=jobs, on_progress=reading(bar))
        if nothing_read(ingested):
            return say_nothing_read(out, paths, ingested, talk)
        bar.stage("Analyzing")
        analyzed = commands.analyze(out, told=told, now=now)
        bar.stage("Reporting")
        built = commands.report(out, since=since, until=until, plots=window.plots, now=now, on_progress=bar.update)
    if talk.verbose:
        say_settings(analyzed.settings)
        complain(f"charts drawn: {built.drawn}, files written: {built.written}, removed: {built.removed}")
    news = changes.since(before, analyzed.derived.runs, now) if before else None
    places = where(out, built.index, analyzed.draft)
    if talk.json:
        settings = [str(file) for file in analyzed.settings]
        content = {"trainqc": version(), "news": news, "settings": settings}
        print_json(content | as_dict(built.seen, places=places, ingested=ingested))
    elif not talk.quiet:
        size = commands.size(out, paths)
        first = header(version(), [str(p) for p in logs], files=ingested.seen, size_bytes=size, threads=jobs)
        print_plain("\n".join(filter(None, (first, news))))
        print_summary(built.seen, places, ingested)
    return strictly(out, paths, strict)


@app.command
def ingest(*logs: Path, out: OutOption = OUT, jobs: Jobs = None, strict: Strict = False, talk: Talk = Talk()) -> int:
    """Read what is new or changed into the tables, and no more.

    Parameters
    ----------
    logs
        Files and folders of logs, any depth.
    out
        Output folder.
    jobs
        Threads; without it the cores that this process may use, at most 8.
    strict
        Exit with 1 where a log could not be read or holds issues.
    """
    from ..ingest import ingest as read  # not `commands`, which takes analysis and report to import
    from ..registry import formats as all_formats

    paths = given(logs)
    if not any(path.exists() for path in paths):
        return say_none_exists(paths)
    with Bar(not talk.quiet) as bar:
        bar.stage("Reading")
        ingested = read(paths, out, all_formats(), jobs=threads(jobs), on_progress=reading(bar))
    if nothing_read(ingested):
        return say_nothing_read(out, paths, ingested, talk)
    if talk.json:
        print_json({"trainqc": version(), "read": asdict(ingested), "places": places_of(where(out, None, None))})
    elif not talk.quiet:
        logs_ = words.plural(ingested.read, "log")
        lines, unchanged = words.plural(ingested.lines, "line"), words.count(ingested.unchanged)
        print_plain(f"Read {logs_} ({lines}) in {words.number(ingested.seconds, 2)} s; unchanged: {unchanged}")
        print_plain(words.one_line(f"Tables {out / 'tables'}/*/*.parquet", 4096))
    return strictly(out, paths, strict)


@app.command
def analyze(out: OutOption = OUT, *, stated: Stated = Stated(), talk: Talk = Talk()) -> int:
    """Derive attempts, runs, epochs and findings from the tables again, for example with --set.

    Parameters
    ----------
    out
        Output folder of an earlier run or ingest.
    """
    from .. import commands

    told = stated.told()
    with Bar(not talk.quiet) as bar:
        bar.stage("Analyzing")
        analyzed = commands.analyze(out, told=told)
    derived = analyzed.derived
    counts = {"runs": derived.runs.height, "attempts": derived.attempts, "epochs": derived.epochs}
    counts["findings"] = derived.findings
    if talk.verbose:
        say_settings(analyzed.settings)
    if talk.json:
        settings = [str(file) for file in analyzed.settings]
        places = places_of(where(out, None, analyzed.draft))
        print_json({"trainqc": version(), "settings": settings, **counts, "places": places})
    elif not talk.quiet:
        print_plain(", ".join(words.plural(count, name.removesuffix("s")) for name, count in counts.items()))
        print_plain(words.one_line(f"Tables {out / 'tables'}/*/*.parquet", 4096))
    return DONE


@app.command
def report(out: OutOption = OUT, *, window: Window = Window(), talk: Talk = Talk()) -> int:
    """Write the report from the tables and print the summary; needs no logs.

    Parameters
    ----------
    out
        Output folder of an earlier run.
    """
    from .. import commands
    from ..report.console import as_dict

    now = datetime.now().astimezone()
    since, until = window.ends(now)
    with Bar(not talk.quiet) as bar:
        bar.stage("Reporting")
        built = commands.report(out, since=since, until=until, plots=window.plots, now=now, on_progress=bar.update)
    draft = out / commands.DRAFT
    places = where(out, built.index, draft if draft.exists() else None)
    if talk.json:
        print_json({"trainqc": version()} | as_dict(built.seen, places=places))
    elif not talk.quiet:
        print_summary(built.seen, places, None)
    return DONE


@app.command
def formats(*logs: Path, talk: Talk = Talk()) -> int:
    """List the formats that trainqc knows; with logs, which of them claim how many lines, and why.

    Parameters
    ----------
    logs
        Logs to look at; nothing is written.
    """
    from ..recognize import recognize
    from ..registry import formats as all_formats

    known = all_formats()
    if not logs:
        listed = [(name, parser.to_tables.__module__, len(parser.shapes)) for name, parser in known.parsers.items()]
        about = {name: first_sentence(sys.modules[module].__doc__) for name, module, _ in listed}
        if talk.json:
            print_json([{"format": name, "about": about[name], "shapes": shapes} for name, _, shapes in listed])
        elif not talk.quiet:
            print_plain("\n".join(f"{name:<12}  {about[name]}" for name, _, _ in listed))
        return DONE
    seen = recognize(given(logs), known)
    if talk.json:
        print_json([asdict(log) for log in seen])
    elif not talk.quiet:
        print_plain("\n".join(line for log in seen for line in told_of(log)))
    return DONE if any(log.message is None for log in seen) else NOTHING_READ


@app.command
def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the completion script of a shell: `eval "$(trainqc completion bash)"`.

    Parameters
    ----------
    shell
        The shell that it is for.
    """
    print_plain(app.generate_completion(shell=shell))
    return DONE


def where(out: Path, index: Path | None, draft: Path | None) -> "Places":
    from ..report.console import Places

    return Places(index, out / "tables", draft)


def places_of(places: "Places") -> dict[str, str | None]:
    return {name: None if path is None else str(path) for name, path in asdict(places).items()}


def reading(bar: Bar) -> "Callable[[Progress], None]":
    return lambda progress: bar.update(progress.bytes_done, progress.bytes_total)


def say_settings(files: Sequence[Path]) -> None:
    for file in files:
        complain(f"settings: {file}")


def nothing_read(ingested: "Ingested") -> bool:
    return ingested.read + ingested.unchanged == 0


def say_none_exists(paths: Sequence[Path]) -> int:
    names = words.listed(str(path) for path in paths[:3]) + (" and others" if len(paths) > 3 else "")
    complain(f"nothing could be read: {names}: no such file or folder (and no command)")
    return NOTHING_READ


def say_nothing_read(out: Path, paths: Sequence[Path], ingested: "Ingested", talk: Talk) -> int:
    from .. import commands

    reasons = commands.unreadable(out, paths)
    told = "; ".join(f"{path}: {message}" for path, message in reasons[:3]) or "there is no file that may be a log"
    if talk.json:
        print_json({"trainqc": version(), "read": asdict(ingested), "unreadable": dict(reasons)})
    complain(f"nothing could be read: {told}")
    return NOTHING_READ


def strictly(out: Path, paths: Sequence[Path], strict: bool) -> int:
    """The exit code of a run that is done; without --strict a log that could not be read is told by a line."""
    missing = [path for path in paths if not path.exists()]
    for path in missing:
        complain(f"{path}: no such file or folder; the others were read")
    if not strict:
        return DONE
    from .. import commands

    found = commands.troubles(out, paths)
    if found:
        unread, issues = words.plural(found.unread, "log"), words.plural(found.with_issues, "log")
        hint = "see the tables logs and issues"
        complain(f"--strict: {unread} could not be read whole, {issues} with issues: {hint}")
    return STRICT if found else DONE
