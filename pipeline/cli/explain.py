"""`trainqc explain`: how the numbers of a run come about, step by step, and which of them cannot be."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..report import words
from ..say import complain, print_json, print_plain
from .numbers import Numbers, span
from .options import DONE, NOTHING_READ, Talk, UsageError, app

if TYPE_CHECKING:
    from ..analyze.claims import Claims, Explanation, Verdict
    from ..analyze.derivation import Derivation, Place
    from ..analyze.other_ranks import Row

NOTHING = (
    "nothing to explain: give numbers, as in `trainqc explain --samples 1220 --batch-size 1 --grad-accum 8 --epochs 3 "
    "--iters-total 3672`, or see `trainqc explain --help`"
)

LITTLE = (
    "Nothing follows from this alone. More would: --samples, --batch-size, --grad-accum, --world-size, --epochs, "
    "--iters-per-epoch, --iters-total, --updates-total."
)


@app.command
def explain(
    *paths: Path,
    run: Annotated[str | None, Parameter(name="--run")] = None,
    at: Annotated[str | None, Parameter(name="--at", show_default=False)] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"], show_default=False)] = None,
    numbers: Numbers = Numbers(),
    talk: Talk = Talk(),
) -> int:
    """Say how the counts of a run come about: which numbers fit, which cannot be, what is open and what would decide.

    Parameters
    ----------
    paths
        Logs, or an output folder, whose runs are explained; the numbers are then yours beside them.
    run
        Which run of the output folder.
    at
        Also say in which epoch, batch and update this global step lies.
    out
        An output folder, as for the other commands: the same as naming it without the option.
    """
    if out is not None and not (out / "tables").exists():
        raise UsageError(f"--out {out}: no tables there; it names the output folder of an earlier run")
    paths = paths if out is None else (*paths, out)
    step, last = span("at", at) if at is not None else (None, None)
    if step != last:
        raise UsageError(f"--at {at}: wanted one step")
    told_too = numbers.claims()
    found = evidence(paths, run) if paths or run is not None else []
    every = [(name, both(told_too, claims)) for name, claims in found] if paths or run else [(None, told_too)]
    if not every:
        complain("nothing could be read: these logs hold no training run")
        return NOTHING_READ
    if not any(claims.claims for _, claims in every):
        raise UsageError(NOTHING if not paths else f"{words.listed(map(str, paths))}: nothing is said of any count")
    seen = [explained(name, claims, step) for name, claims in every]
    if talk.json:
        print_json(seen[0][0] if len(seen) == 1 else [content for content, _ in seen])
    elif not talk.quiet:
        print_plain("\n\n".join("\n".join(lines) for _, lines in seen))
    return DONE


def explained(name: str | None, claims: "Claims", step: int | None) -> tuple[dict[str, Any], list[str]]:
    """A run, or bare numbers, for machines and as lines for a person."""
    from ..analyze.derivation import derive, place
    from ..analyze.solve import solve

    verdict = solve(claims)
    first = verdict.explanations[0] if verdict.explanations else None
    where = place(step, first) if step is not None and first is not None else None
    if step is not None and first is not None and first.iters_planned is not None and step > first.iters_planned:
        raise UsageError(f"--at {step:,}: the run has {words.plural(first.iters_planned, 'iteration')}")
    content = as_dict(verdict) | ({"at": None if where is None else asdict(where)} if step is not None else {})
    lines = [*told(derive(verdict)), *unheard(claims), *(told_place(step, where) if step is not None else ())]
    if name is None:
        return content, lines
    return {"run": name} | content, [f"{words.one_line(name, 120)}", *lines, *unseen(verdict)]


def unseen(verdict: "Verdict") -> list[str]:
    """What the log looks the same for, whatever is true: GPUs that could be seen and are not counted as ranks."""
    first = verdict.explanations[0] if verdict.explanations else None
    visible = [claim.low for claim in verdict.claims.of("gpus_visible") if claim.exact is not None]
    if first is None or first.world_size is None or not visible or visible[0] <= first.world_size:
        return []
    others = words.plural(visible[0] - first.world_size, "other GPU")
    ranks = words.plural(first.world_size, "rank")
    yours = any(c.source == "user" and c.exact == first.world_size for c in verdict.claims.of("world_size"))
    how = "stated by you" if yours else "counted"
    return [
        "",
        f"{words.plural(visible[0], 'GPU')} visible, {ranks} {how}. What the {others} did cannot be seen here: they "
        "may wait, serve others, or carry parts of one model that is split over them.",
    ]


def unheard(claims: "Claims") -> list[str]:
    """A sampler of which no rule is known: samples say nothing of iterations then."""
    from ..analyze.solve import known_sampler

    if claims.sampler is None or known_sampler(claims.sampler):
        return []
    return ["", f"How the sampler {words.one_line(claims.sampler, 60)} counts is not known here: samples do not tell."]


def both(told_too: "Claims", found: "Claims") -> "Claims":
    """What the options claim beside what was found; it takes the place of what the user claimed before."""
    names = {claim.name for claim in told_too.claims}
    kept = tuple(c for c in found.claims if c.source != "user" or c.name not in names)
    return replace(
        found,
        claims=(*told_too.claims, *kept),
        framework=told_too.framework or found.framework,
        sampler=told_too.sampler or found.sampler,
    )


def evidence(paths: Sequence[Path], run: str | None) -> "list[tuple[str, Claims]]":
    """What logs, or the runs of an output folder, claim, by the run's name.

    Raises UsageError for a run without a folder, and for a name that no run has.
    """
    from ..explain import NoSuchRunError, of_logs, of_tables

    folders = [path for path in paths if (path / "tables").exists()]
    if run is not None and (len(paths) != 1 or not folders):
        raise UsageError(f"--run {run}: name the output folder that it is in, as in `trainqc explain OUT --run {run}`")
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: no such file or folder")
    try:
        tables = [claims for folder in folders for claims in of_tables(folder, run)]
    except NoSuchRunError as error:
        raise UsageError(str(error)) from None
    logs = [path for path in paths if path not in folders]
    return tables + (of_logs(logs) if logs else [])


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_dict(verdict: "Verdict") -> dict[str, Any]:
    """The verdict for machines. Of several claims of one name the others stand below the first."""
    claims: dict[str, dict[str, Any]] = {}
    for claim in verdict.claims.claims:
        content = {name: value for name, value in asdict(claim).items() if name != "name"} | {"value": claim.exact}
        if claim.name in claims:
            claims[claim.name].setdefault("others", []).append(content)
        else:
            claims[claim.name] = content
    for name in ("framework", "sampler"):
        if (value := getattr(verdict.claims, name)) is not None:
            claims[name] = {"value": value, "source": "user"}
    return {
        "verdict": verdict.verdict,
        "claims": claims,
        "explanations": [explanation(one) for one in verdict.explanations],
        "contradicted_claims": list(dict.fromkeys(claim.name for claim in verdict.contradicted)),
        "would_decide": list(verdict.would_decide),
    }


def explanation(one: "Explanation") -> dict[str, Any]:
    content = asdict(one)
    content["ranges"] = {name: list(ends) for name, ends in one.ranges.items()}
    return content


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def told(seen: "Derivation") -> list[str]:
    """A derivation as lines of text."""
    lines = [verdict_line(seen), ""]
    width = max((len(said.name) for said in seen.claims), default=0)
    value = max((len(said.value) for said in seen.claims), default=0)
    lines += [
        f"  {said.name:<{width}}  {said.value:>{value}}  {said.source}{'  ✗ has to go' if said.let_go else ''}"
        for said in seen.claims
    ]
    if seen.steps:
        lines += ["", seen.question]
        number = 0
        for step in seen.steps:
            number += not step.startswith(" ")
            lines.append(f"     {step.strip()}" if step.startswith(" ") else f"  {number}. {step}")
    if len(seen.rows) > 1:
        lines += ["", *table(seen.rows)]
    for title, items in (
        ("Other explanations", seen.others),
        ("Proved", seen.proved),
        ("Open", seen.open),
    ):
        if items:
            lines += ["", title, *(f"  - {item}" for item in items)]
    if not (seen.steps or seen.others or seen.proved):
        lines += ["", LITTLE]
    if seen.would_decide:
        lines += ["", f"Would decide: {words.listed(seen.would_decide)}."]
    return [words.one_line(line, 1000) if not line.startswith(" ") else kept(line) for line in lines]


def kept(line: str) -> str:
    """The line without control characters, its blanks as they are."""
    return "".join(character for character in line if character.isprintable())


def verdict_line(seen: "Derivation") -> str:
    if seen.contradicted:
        return f"Verdict: {seen.verdict}. {words.listed(seen.contradicted)} has to go."
    reasons = {
        "consistent": "one explanation fits all of it",
        "ambiguous": "several explanations remain",
        "unknown": "too little is known to say anything",
        "contradicted": "no explanation fits, whatever single claim or pair is let go",
    }
    return f"Verdict: {seen.verdict}: {reasons[seen.verdict]}."


def table(rows: "Sequence[Row]") -> list[str]:
    head = ("ranks", "iterations/epoch", "in all", "updates", "padded/epoch", "")
    cells = [
        (
            f"{row.ranks:,}{' (claimed)' if row.claimed else ''}",
            words.count(row.iters_per_epoch),
            words.count(row.iters_planned),
            words.count(row.updates_planned),
            words.count(row.padded),
            row.note,
        )
        for row in rows
    ]
    shown = [at for at in range(len(head)) if at == len(head) - 1 or any(line[at] != words.UNKNOWN for line in cells)]
    widths = {at: max(len(line[at]) for line in (head, *cells)) for at in shown[:-1]}
    return [
        "  ".join(("", *(f"{line[at]:>{width}}" for at, width in widths.items()), line[-1])).rstrip()
        for line in (head, *cells)
    ]


def told_place(step: int, where: "Place | None") -> list[str]:
    if where is None:
        return ["", f"Step {step:,}: the iterations of an epoch are not known, so its epoch is not."]
    cycle = f"cycle {where.cycle:,}, " if where.cycle is not None else ""
    text = f"Step {step:,} is {cycle}epoch {where.epoch:,}, batch {where.batch:,} of {where.iters_per_epoch:,}"
    if where.update is None:
        return ["", f"{text}; its update depends on the accumulation ({step:,} without any)."]
    low, high = where.update
    return ["", f"{text}, update {low:,}." if low == high else f"{text}, update {low:,} … {high:,}."]
