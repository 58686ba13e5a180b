"""Run names → names of files: safe on every file system, unique, and the same as long as the runs are the same."""

import re
from collections.abc import Mapping

LONGEST = 80

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_OURS = re.compile(r"\.(md|html|png|svg|json)$", re.IGNORECASE)
# names that Windows gives to devices, with any ending
_DEVICE = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


def slug(name: str) -> str:
    """A file name of at most LONGEST characters of `A-Za-z0-9._-`, no dot or dash in front, no page's ending."""
    safe = _UNSAFE.sub("-", name).strip("-. ")[:LONGEST].rstrip("-.")
    safe = _OURS.sub(r"-\1", safe)
    return f"run-{safe}"[:LONGEST] if not safe or _DEVICE.match(safe) else safe


def slugs(names: Mapping[str, str]) -> dict[str, str]:
    """run_id → slug for run_id → name. Slugs differ also where case is ignored; names that fall together, or that lost
    characters, carry the beginning of their run_id, whoever of them came first.
    """
    plain = {run_id: slug(name) for run_id, name in names.items()}
    seen: dict[str, int] = {}
    for text in plain.values():
        seen[text.casefold()] = seen.get(text.casefold(), 0) + 1
    chosen: dict[str, str] = {}
    taken = {text for text, runs in seen.items() if runs == 1}
    for run_id in sorted(plain):
        text = plain[run_id]
        if seen[text.casefold()] > 1 or text != names[run_id]:
            text = _with_id(text, run_id, taken)
        taken.add(text.casefold())
        chosen[run_id] = text
    return chosen


def _with_id(text: str, run_id: str, taken: set[str]) -> str:
    tail = _UNSAFE.sub("", run_id)
    for length in range(min(8, len(tail)), len(tail) + 1):
        candidate = f"{text[: LONGEST - length - 1].rstrip('-.')}-{tail[:length]}"[:LONGEST].rstrip("-.")
        if candidate.casefold() not in taken:
            return candidate
    place = 2
    while f"{text[:60]}-{place}".casefold() in taken:
        place += 1
    return f"{text[:60]}-{place}"
