"""Verdicts of many runs: from the claims of each to its explanations, in columns but for one step per run.

Runs that claim the same are solved once: the lines that claims stand on change nothing in what they allow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import polars as pl

from ..tables import ALTERNATIVES, CLAIMS, EXPLANATIONS, RUNS, conform
from .claims import Claim, Claims, Explanation, Verdict
from .derivation import derive

Solve = Callable[[Claims], Verdict]
Told = Callable[[Verdict], list[dict[str, object]]]
Schema = Mapping[str, pl.DataType]

MOST = 2**53
"""What is counted beyond it fits no machine (and no column)."""

SMALL = {name for table in (RUNS, EXPLANATIONS) for name, dtype in table.schema.items() if dtype == pl.Int32()}

CASE = ("name", "low", "high", "source")
"""What of a claim the counting looks at."""

NO_RANKS = ("world_size",)
"""Keras' steps are those of all replicas together: one "rank" is how it counts, and says nothing of processes."""

FILLED = (
    *("num_samples", "batch_size", "world_size", "grad_accum", "epochs_planned"),
    *("iters_per_epoch", "iters_planned", "updates_per_epoch", "updates_planned"),
)
"""Columns of `runs` that are inferred where all explanations agree."""
COUNTS: Schema = {"updates_per_epoch": pl.Float64()}
SAID = tuple(field.name for field in fields(Explanation) if field.name in EXPLANATIONS.schema)
CASE_SCHEMA: Schema = {name: CLAIMS.schema[name] for name in CASE}
BESIDE: Schema = {name: dtype for name, dtype in ALTERNATIVES.schema.items() if name != "run_id"}
EXPLAINED: Schema = {name: dtype for name, dtype in EXPLANATIONS.schema.items() if name != "run_id"}
SPAN: Schema = {"samples_lo": pl.Int64(), "samples_hi": pl.Int64()}
AGREED: Schema = {**{name: COUNTS.get(name, pl.Int64()) for name in FILLED}, **SPAN}


@dataclass(frozen=True)
class Judged:
    """The tables `claims`, `explanations` and `alternatives`, and what all explanations of a run agree on: run_id,
    `FILLED`, and the least and most samples (samples_lo, samples_hi)."""

    claims: pl.DataFrame
    explanations: pl.DataFrame
    alternatives: pl.DataFrame
    agreed: pl.DataFrame


def judge(claims: pl.DataFrame, runs: pl.DataFrame, solve: Solve) -> Judged:
    """Solve every run. `claims` as `evidence.claims` gives them; `runs` has run_id, framework and sampler."""
    cases = (
        claims.group_by("run_id", maintain_order=True)
        .agg(case=pl.struct(CASE))
        .join(runs.select("run_id", "framework", "sampler"), on="run_id", maintain_order="left")
        .with_columns(number=pl.struct("case", "framework", "sampler").rank("dense").cast(pl.Int64))
    )
    distinct = cases.unique("number", keep="first", maintain_order=True)
    columns = (distinct[name].to_list() for name in ("number", "case", "framework", "sampler"))
    verdicts = {
        number: solve(Claims(tuple(Claim(**claim) for claim in case), framework, sampler))
        for number, case, framework, sampler in zip(*columns, strict=True)
    }
    numbers = cases.select("run_id", "number")
    told = claims.join(numbers, on="run_id", how="left", maintain_order="left")
    fallen = rows(verdicts, lambda v: [{n: getattr(c, n) for n in CASE} for c in v.contradicted], CASE_SCHEMA)
    open_ = rows(verdicts, lambda v: [{}] if v.verdict == "unknown" else [], {})
    held = (
        told.join(fallen.with_columns(goes=True), on=["number", *CASE], how="left", maintain_order="left")
        .join(open_.with_columns(open=True), on="number", how="left", maintain_order="left")
        .with_columns(holds=pl.when(pl.col("open").is_null()).then(pl.col("goes").is_null()))
    )
    beside = numbers.join(rows(verdicts, alternatives, BESIDE), on="number")
    explained = numbers.join(rows(verdicts, explanations, EXPLAINED), on="number")
    agreed = numbers.join(rows(verdicts, agreements, AGREED), on="number", how="left", maintain_order="left")
    return Judged(
        conform(held.select(CLAIMS.schema.names()), CLAIMS),
        conform(explained.drop("number"), EXPLANATIONS).sort("run_id", "position"),
        conform(beside.drop("number"), ALTERNATIVES).sort("run_id", "position"),
        agreed.drop("number"),
    )


def rows(verdicts: Mapping[int, Verdict], told: Told, schema: Schema) -> pl.DataFrame:
    """What `told` says of each verdict, a row each, with its `number`."""
    every = [{"number": number, **row} for number, verdict in verdicts.items() for row in told(verdict)]
    return pl.DataFrame(every, schema={"number": pl.Int64(), **schema})


def explanations(verdict: Verdict) -> list[dict[str, object]]:
    """Rows of the table `explanations`; a run without any has one row that holds its verdict alone."""
    meant = {"framework": verdict.claims.framework, "sampler": verdict.claims.sampler}
    of_run: dict[str, object] = {**meant, "verdict": verdict.verdict, "would_decide": list(verdict.would_decide)}
    if not verdict.explanations:
        return [{**of_run, "position": 1}]
    seen = derive(verdict, len(verdict.explanations))
    told = dict(enumerate(seen.others, 2))
    return [
        {
            **of_run,
            **{name: as_cell(getattr(explanation, name), name) for name in SAID},
            "position": position,
            "steps": list(seen.steps) if position == 1 else None,
            "open": list(seen.open) if position == 1 else None,
            "sentence": told.get(position),
            "fits": not explanation.contradicts,
        }
        for position, explanation in enumerate(verdict.explanations, 1)
    ]


def alternatives(verdict: Verdict) -> list[dict[str, object]]:
    return [
        {
            "position": position,
            "world_size": row.ranks,
            "claimed": row.claimed,
            "num_samples": as_cell(row.samples),
            "iters_per_epoch": as_cell(row.iters_per_epoch),
            "iters_planned": as_cell(row.iters_planned),
            "updates_planned": as_cell(row.updates_planned),
            "padded_samples_per_epoch": as_cell(row.padded),
            "note": row.note,
        }
        for position, row in enumerate(derive(verdict).rows, 1)
    ]


def as_cell(value: object, name: str = "") -> object:
    """A number that the column of this name does not hold is as good as open."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if abs(value) < (2**31 if name in SMALL else MOST) else None
    return list(value) if isinstance(value, tuple) else value


def agreements(verdict: Verdict) -> list[dict[str, object]]:
    """What all explanations agree on, and what those leave of the samples that fit every claim without being
    far-fetched."""
    fits = [one for one in verdict.explanations if not one.contradicts and not one.far]
    least, most = {as_cell(one.samples_low) for one in fits}, {as_cell(one.samples_high) for one in fits}
    open_ = not fits or None in least | most
    unseen = NO_RANKS if (verdict.claims.framework or "").split(" ")[0] == "keras" else ()
    return [
        {
            **{name: as_cell(verdict.agreed.get(name), name) for name in FILLED if name not in unseen},
            "samples_lo": None if open_ else min(low for low in least if isinstance(low, int)),
            "samples_hi": None if open_ else max(high for high in most if isinstance(high, int)),
        }
    ]
