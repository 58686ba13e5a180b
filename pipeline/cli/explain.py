"""`trainqc explain`: how the numbers of a run come about, step by step, and which of them cannot be."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..report import words
from ..say import print_json, print_plain
from .numbers import Numbers, span
from .options import DONE, Talk, UsageError, app

if TYPE_CHECKING:
    from ..analyze.claims import Claims, Explanation, Verdict
    from ..analyze.derivation import Derivation, Place, Row

NOTHING = (
    "nothing to explain: give numbers, as in `trainqc explain --samples 1220 --batch-size 1 --grad-accum 8 --epochs 3 "
    "--iters-total 3672`, or see `trainqc explain --help`"
)


@app.command
def explain(
    *paths: Path,
    run: Annotated[str | None, Parameter(name="--run")] = None,
    at: Annotated[str | None, Parameter(name="--at", show_default=False)] = None,
    numbers: Numbers = Numbers(),
    talk: Talk = Talk(),
) -> int:
    """Say how the counts of a run come about: which numbers fit, which cannot be, what is open and what would decide.

    Parameters
    ----------
    paths
        A log or an output folder whose run is explained; the numbers are then yours beside it.
    run
        Which run of the output folder.
    at
        Also say in which epoch, batch and update this global step lies.
    """
    step = span("at", at)[0] if at is not None else None
    claims = numbers.claims()
    if paths or run is not None:
        found = evidence(paths, run)
        claims = replace(
            found,
            claims=(*claims.claims, *found.claims),
            framework=claims.framework or found.framework,
            sampler=claims.sampler or found.sampler,
        )
    if not claims.claims:
        raise UsageError(NOTHING)
    from ..analyze.derivation import derive, place
    from ..analyze.solve import solve

    verdict = solve(claims)
    first = verdict.explanations[0] if verdict.explanations else None
    where = place(step, first) if step is not None and first is not None else None
    if step is not None and first is not None and first.iters_planned is not None and step > first.iters_planned:
        raise UsageError(f"--at {step:,}: the run has {words.plural(first.iters_planned, 'iteration')}")
    if talk.json:
        print_json(as_dict(verdict) | ({"at": None if where is None else asdict(where)} if step is not None else {}))
    elif not talk.quiet:
        print_plain("\n".join([*told(derive(verdict)), *(told_place(step, where) if step is not None else ())]))
    return DONE


def evidence(paths: Sequence[Path], run: str | None) -> "Claims":
    """What a log, or a run of an output folder, claims. Raises UsageError: only numbers are explained yet."""
    named = words.listed(str(path) for path in paths) or f"--run {run}"
    raise UsageError(
        f"{named}: logs and runs are not explained yet, numbers are: give them as options, as in `trainqc explain "
        "--samples 1220 --batch-size 1 --iters-per-epoch 1224`"
    )


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
