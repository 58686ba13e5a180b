"""Section "Why 3,672": what is claimed of a run's counts, how they come about, and what excludes everything else."""

from ..tables import QUANTITIES
from . import words
from .citations import Citations
from .model import Block, Bullets, Code, Paragraph, Phrase, Section, Strong, Table, phrase
from .overview import Row
from .run_tables import RunTables

SOURCES = {"config": "configuration", "user": "you", "default": "the framework's default", "timestamps": "time stamps"}
REASONS = {
    "consistent": "One explanation fits every claim",
    "ambiguous": "Several explanations fit",
    "contradicted": "No explanation fits every claim",
    "unknown": "Too little is claimed to say more",
}
MOST = 6


def why(tables: RunTables, cite: Citations) -> Section | None:
    """The counting engine's derivation; None where it has none."""
    best = next((one for one in tables.explanations if one["position"] == 1), None)
    if best is None or not best["steps"]:
        return None
    blocks: list[Block] = [
        Bullets(tuple(phrase(step.strip()) for step in best["steps"]), numbered=True),
        *alternatives(tables),
        Paragraph(verdict(tables, best)),
        *others(tables, best),
        *claimed(tables, cite),
    ]
    return Section(title(tables.run), tuple(blocks))


def title(run: Row) -> str:
    for name in ("iters_planned", "iters_per_epoch", "updates_planned"):
        if run[name] is not None:
            return f"Why {words.count(run[name])}"
    return "How the counts come about"


def alternatives(tables: RunTables) -> list[Block]:
    rows = tuple(
        (
            phrase(f"{words.count(one['world_size'])}{' (claimed)' if one['claimed'] else ''}"),
            *(
                phrase(words.count(one[name]))
                for name in ("iters_per_epoch", "iters_planned", "updates_planned", "padded_samples_per_epoch")
            ),
            phrase(one["note"] or ""),
        )
        for one in tables.alternatives
    )
    headers = ("ranks", "iterations/epoch", "log would print", "updates", "drawn twice/epoch", "")
    return [Table(headers, "rrrrrl", rows)] if len(rows) > 1 else []


def verdict(tables: RunTables, best: Row) -> Phrase:
    gone = [claim for claim in tables.claims if claim["holds"] is False]
    told = (
        phrase(words.listed([f"{spoken(c['name'])} = {value(c)} ({source(c)})" for c in gone]), " has to go.")
        if gone
        else phrase(f"{REASONS.get(best['verdict'], best['verdict'])}.")
    )
    decide = [QUANTITIES.get(name) or name for name in best["would_decide"] or []]
    would = f" Would decide: {words.listed(decide)}." if decide and best["verdict"] != "consistent" else ""
    open_ = f" Open: {'; '.join(best['open'])}." if best["open"] else ""
    return phrase(Strong(f"Verdict: {best['verdict']}."), " ", told, would, open_)


def others(tables: RunTables, best: Row) -> list[Block]:
    """The other explanations, those that are not far-fetched first by position."""
    if best["verdict"] not in ("ambiguous", "contradicted"):
        return []
    near = [one for one in tables.explanations if one["sentence"] and not one["far"]]
    items = [phrase(one["sentence"]) for one in near[:MOST]]
    if len(near) > MOST:
        items.append(phrase(f"{words.count(len(near) - MOST)} more in the table ", Code("explanations"), "."))
    return [Paragraph(phrase("Other explanations:")), Bullets(tuple(items))] if items else []


def claimed(tables: RunTables, cite: Citations) -> list[Block]:
    rows = tuple(
        (
            phrase({True: "", False: "✗"}.get(claim["holds"], "?")),
            phrase(spoken(claim["name"])),
            phrase(value(claim)),
            phrase(source(claim)),
            phrase(cite.where(claim["log_id"], claim["line"]), seen(claim)),
        )
        for claim in tables.claims
    )
    return [Table(("", "claimed", "", "by", "where"), "llrll", rows)] if rows else []


def seen(claim: Row) -> str:
    """What was seen at the line, where it is no words of the log."""
    if claim["source"] == "default":
        return claim["text"] or ""
    return f" {claim['text']}" if claim["source"] == "counted" and claim["text"] else ""


def spoken(name: str) -> str:
    return QUANTITIES.get(name) or name


def source(claim: Row) -> str:
    return SOURCES.get(claim["source"]) or str(claim["source"])


def value(claim: Row) -> str:
    if claim["name"] == "drop_last":
        return "yes" if claim["low"] else "no"
    if claim["low"] == claim["high"]:
        return words.count(claim["low"])
    return f"{words.count(claim['low'])} … {words.count(claim['high'])}"


def unseen_gpus(tables: RunTables) -> list[Phrase]:
    """What the log looks the same for, whatever is true."""
    best = next((one for one in tables.explanations if one["position"] == 1), None)
    ranks, visible = (best or {}).get("world_size"), tables.run["gpus_visible"]
    if not ranks or not visible or visible <= ranks:
        return []
    others_ = words.plural(visible - ranks, "other GPU")
    return [
        phrase(
            f"What the {others_} did: they may wait, serve others, or carry parts of one model that is split over them."
        )
    ]
