"""Footnotes of a page: where a number comes from, with path:line and the text of that line where a log shows it.

A number that is unknown has a footnote too: what is not said, and how to add it.
"""

from . import words
from .model import Code, Note, Phrase, phrase
from .overview import Row, place
from .run_tables import RunTables

_MEANINGS = {
    "num_samples": "how many samples the training set has",
    "batch_size": "how many samples a rank sees per iteration",
    "grad_accum": "how many iterations make one update",
    "world_size": "how many ranks (processes sharing the data) trained",
    "iters_per_epoch": "how many iterations an epoch has",
    "iters_planned": "how many iterations were planned",
    "updates_done": "how many updates were made",
    "s_per_iter": "how long an iteration took",
    "wall_s": "how long the run took",
    "samples_per_hour": "how many samples were seen in what time",
}

CAN_BE_SET = ("num_samples", "batch_size", "grad_accum", "world_size")


class Citations:
    """Footnotes of one page: where a number comes from, and the line of the log that shows it."""

    def __init__(self, tables: RunTables) -> None:
        self._run = tables.run
        self._paths = {log["log_id"]: log["path"] for log in tables.logs}
        self._texts: dict[tuple[str | None, int | None], str] = {}
        for source in tables.sources:
            self._texts.setdefault((source["log_id"], source["line"]), source["text"])
        self._facts: dict[str, list[Row]] = {}
        for fact in tables.facts:
            self._facts.setdefault(fact["name"], []).append(fact)
        self._heads = sorted(tables.heads, key=lambda head: (head["log_id"], head["line"]))

    def number(self, name: str) -> Note:
        """The footnote of the run's number `name`: its source, or that nobody says it."""
        value = self._run[name]
        if value is None:
            return Note(unknown(name))
        origin = self._run.get(f"{name}_from")
        said = words.SOURCES.get(origin or "", "")
        line = phrase(", ") if said else ()
        fact = self._fact(name, value, origin)
        if fact is not None and fact["source"] != "user":
            shown = self.line(fact["log_id"], fact["line"])
            return Note(
                phrase(said, line, shown) if shown else phrase(said or words.SOURCES.get(fact["source"], "stated"))
            )
        if origin == "log":
            head = next((head for head in self._heads if head.get(name) == value), None)
            if head is not None:
                return Note(phrase(said, line, self.line(head["log_id"], head["line"])))
        return Note(phrase(said or "the tables do not say where this number comes from"))

    def line(self, log_id: str | None, line: int | None) -> Phrase:
        """path:line and the line's text, as far as they are known."""
        path = self._paths.get(log_id or "")
        if not path:
            return ()
        text = self._texts.get((log_id, line))
        return phrase(Code(place(path, line)), *((" ", Code(text)) if text else ()))

    def where(self, log_id: str | None, line: int | None) -> Phrase:
        """path:line with the line's text as a footnote."""
        path = self._paths.get(log_id or "")
        if not path:
            return ()
        text = self._texts.get((log_id, line))
        return phrase(Code(place(path, line)), Note(self.line(log_id, line)) if text else None)

    def _fact(self, name: str, value: float, origin: str | None) -> Row | None:
        same = [fact for fact in self._facts.get(name, []) if fact["number"] is None or fact["number"] == value]
        fitting = [fact for fact in same if origin is None or fact["source"] == origin]
        return min(fitting, key=lambda fact: (fact["line"] is None, fact["line"] or 0), default=None)


def unknown(name: str) -> Phrase:
    said = f"The log does not say {_MEANINGS[name]}."
    return phrase(said, *((" Add it with ", Code(f"--set {name}=…"), ".") if name in CAN_BE_SET else ()))
