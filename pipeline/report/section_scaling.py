"""Batch sizes compared: what a larger batch brought, group by group, for the page over all runs; and a run's place in
its group for the run's own page. Pure; what is compared with what is the analysis' (table `scaling`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

import polars as pl

from . import words
from .model import Block, Chart, Code, Link, Paragraph, Phrase, Picture, Section, Table, phrase
from .overview import Row, records

TITLE = "Batch sizes compared"
LONGEST_GROUP = 30
MOST_GROUPS = 10
PAYS = 0.2  # as in the analysis: a doubling that brings less does not pay
CURVE_POINTS = 60

LEGEND = (
    "samples/s are of one rank, while training · relative: to the smallest batch measured · step up: throughput over "
    "that of the next smaller batch, and the share of the growth of the batch that came out as throughput"
)


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that are compared: their rows of SCALING, each with the run's `name`, by batch size."""

    rows: Sequence[Row]

    @property
    def key(self) -> str:
        return self.rows[0]["group"]

    @property
    def sizes(self) -> list[int]:
        return sorted({row["batch_size"] for row in self.rows if row["rank_samples_per_s"] is not None})


def groups(scaling: pl.DataFrame, runs: pl.DataFrame, shown: Sequence[str]) -> list[Group]:
    """The groups of SCALING of which a run of `shown` (run_ids) is one, those with most batch sizes first.

    runs: run_id and name of all runs.
    """
    named = scaling.join(runs.select("run_id", "name"), on="run_id", how="left")
    wanted = named.filter(pl.col("run_id").is_in(list(shown)).any().over("group"))
    ordered = wanted.with_columns(sizes=pl.col("batch_size").n_unique().over("group")).sort(
        *("sizes", "experiment", "group", "batch_size", "name"), descending=[True, False, False, False, False]
    )
    return [Group(records(part)) for part in ordered.partition_by("group", maintain_order=True)]


def compared(found: Sequence[Group], links: Mapping[str, str], pictures: Mapping[str, Picture]) -> Section:
    """The section of the page over all runs. `links` gives run_ids their pages, `pictures` groups their charts."""
    if not found:
        return Section(TITLE, ())
    blocks = [block for group in found[:MOST_GROUPS] for block in _group(group, links, pictures.get(group.key))]
    more = len(found) - MOST_GROUPS
    if more > 0:
        blocks.append(Paragraph(phrase(f"… and {words.plural(more, 'more group')}: table ", Code("scaling"), ".")))
    return Section(TITLE, (*blocks, Paragraph(phrase(LEGEND))))


def beside(run: Row, rows: Sequence[Row]) -> Section:
    """The section of a run's page: its row of SCALING, and where the comparison stands."""
    if not rows:
        return Section(TITLE, ())
    row = rows[0]
    relative = row["relative_throughput"]
    pace = (
        f"trains {words.number(row['rank_samples_per_s'])} samples/s a rank, {words.number(relative)} times the "
        "smallest batch measured"
        if relative is not None
        else "did not fit into the memory"
    )
    text = f"One of several runs of {words.one_line(row['experiment'], 120)} at different batch sizes: batch "
    told = phrase(text, words.count(run["batch_size"]), f" {pace}. All of them: ", Link(TITLE, "../index.md"), ".")
    return Section(TITLE, (Paragraph(told),))


def _group(group: Group, links: Mapping[str, str], picture: Picture | None) -> tuple[Block, ...]:
    first = group.rows[0]
    ranks = "" if first["world_size"] is None else f", {words.plural(first['world_size'], 'rank')}"
    head = Paragraph(
        phrase(f"{words.one_line(first['experiment'], 120)}: {words.plural(len(group.rows), 'run')}{ranks}.")
    )
    rows = tuple(_row(row, links) for row in group.rows[:LONGEST_GROUP])
    headers = ("run", "batch", "s/iter", "samples/s", "relative", "step up", "a doubling", "memory")
    more = len(group.rows) - LONGEST_GROUP
    beyond = (
        (Paragraph(phrase(f"… and {words.plural(more, 'more run')}: table ", Code("scaling"), ".")),)
        if more > 0
        else ()
    )
    return (
        head,
        Table(headers, "lrrrrrrr", rows),
        *beyond,
        *((picture,) if picture else ()),
        Paragraph(_verdict(group)),
    )


def _row(row: Row, links: Mapping[str, str]) -> tuple[Phrase, ...]:
    name, target = row["name"] or row["run_id"], links.get(row["run_id"])
    relative, doubling = row["relative_throughput"], row["doubling_gain"]
    return (
        phrase(Link(name, target) if target else name),
        phrase(words.count(row["batch_size"])),
        phrase(words.number(row["s_per_iter"]) if row["fits"] else "out of memory"),
        phrase(words.number(row["rank_samples_per_s"])),
        phrase(words.UNKNOWN if relative is None else f"{words.number(relative)}×"),
        phrase(_step(row)),
        phrase(words.NONE_SEEN if doubling is None else f"{doubling * 100:+.0f} %"),
        phrase(words.mebibytes(row["memory_mib"])),
    )


def _step(row: Row) -> str:
    if row["step_gain"] is None:
        return words.NONE_SEEN
    growth = row["batch_size"] / row["step_from"]
    return f"{words.number(row['step_gain'])}× at {words.number(growth)}×: {words.fraction(row['step_efficiency'])}"


def _verdict(group: Group) -> Phrase:
    """Where growing stopped paying, where it stopped fitting, what memory costs, and what else differs."""
    return phrase(" ".join(filter(None, (_knee(group), _fails(group), _memory(group), _differs(group)))))


def _knee(group: Group) -> str:
    first, sizes = group.rows[0], group.sizes
    if len(sizes) < 2:
        return ""
    knee = first["knee_batch"]
    if knee is None:
        return (
            f"Each step up to {words.count(sizes[-1])}, the largest measured, still brought at least "
            f"{words.fraction(PAYS)} more samples/s a doubling."
        )
    after = next(row for row in group.rows if row["step_from"] == knee)
    return (
        f"Growing pays up to {words.count(knee)}: the step to {words.count(after['batch_size'])} brought "
        f"{after['doubling_gain'] * 100:+.0f} % samples/s a doubling, less than {words.fraction(PAYS)}."
    )


def _fails(group: Group) -> str:
    fails = group.rows[0]["fails_batch"]
    return "" if fails is None else f"Batch {words.count(fails)} ended for want of memory."


def _memory(group: Group) -> str:
    first = group.rows[0]
    slope, points = first["memory_mib_per_sample"], first["memory_points"]
    if slope is None:
        return ""
    off = (
        "a line through two batch sizes: nothing tells how well it holds"
        if points == 2
        else f"no run further than {words.mebibytes(first['memory_residual_mib'])} from that line through "
        f"{words.plural(points, 'batch size')}"
    )
    next_size = 2 * max(row["batch_size"] for row in group.rows if row["memory_mib"] is not None)
    needed = first["memory_base_mib"] + slope * next_size
    beyond = f"; beyond what was measured it gives {words.mebibytes(needed)} at batch {words.count(next_size)}"
    base = words.mebibytes(abs(first["memory_base_mib"]))
    sign = "−" if first["memory_base_mib"] < 0 else ""
    return f"Memory: {sign}{base} and {words.mebibytes(slope)} a sample ({off}){beyond if slope > 0 else ''}."


def _differs(group: Group) -> str:
    differs = group.rows[0]["differs"]
    if not differs:
        return "Nothing else that the logs state differs."
    return f"Beside the batch size differ: {'; '.join(words.one_line(text, 200) for text in differs)}."


# ── the chart ────────────────────────────────────────────────────────────────────────────────────────────────────────


def chart(group: Group) -> Chart | None:
    """Throughput and memory over the batch size: points, and the two lines of SCALING as curves. None where fewer than
    two batch sizes have a pace."""
    rows = [row for row in group.rows if row["rank_samples_per_s"] is not None]
    if len(group.sizes) < 2:
        return None
    first = rows[0]
    curve = _between(min(group.sizes), max(group.sizes))
    parts = [_series("throughput", [(row["batch_size"], row["rank_samples_per_s"]) for row in rows])]
    if first["iter_points"] > 2:
        pace = [(x, first["iter_base_s"] + first["iter_s_per_sample"] * x) for x in curve]
        parts.append(_series("throughput_line", [(x, x / s) for x, s in pace if s > 0]))
    remembered = [(row["batch_size"], row["memory_mib"] / 1024) for row in rows if row["memory_mib"] is not None]
    if len({size for size, _ in remembered}) > 1:
        base, slope = first["memory_base_mib"] / 1024, first["memory_mib_per_sample"] / 1024
        ends = (0.0, float(max(group.sizes)))
        parts += [_series("memory", remembered), _series("memory_line", [(x, base + slope * x) for x in ends])]
    best = max(rows, key=lambda row: row["rank_samples_per_s"])
    alt = (
        f"Throughput of a rank at {words.plural(len(group.sizes), 'batch size')} from {group.sizes[0]} to "
        f"{group.sizes[-1]}; most, {words.number(best['rank_samples_per_s'])} samples/s, at {best['batch_size']}"
    )
    return Chart("scaling", "Throughput of one rank", alt, "batch size", "samples per second", pl.concat(parts))


def _between(low: int, high: int) -> list[float]:
    """Places from `low` to `high`, evenly on a logarithmic axis."""
    span = log2(high / low)
    return [low * 2 ** (span * place / (CURVE_POINTS - 1)) for place in range(CURVE_POINTS)]


def _series(name: str, points: Sequence[tuple[float, float]]) -> pl.DataFrame:
    schema = {"x": pl.Float64(), "y": pl.Float64()}
    frame = pl.DataFrame([(float(x), float(y)) for x, y in points], schema=schema, orient="row")
    return frame.select(pl.lit(name).alias("series"), "x", "y", lo="y", hi="y")
