"""The section on epochs: one row for each, the middle of a long table left to the table `epochs`."""

from collections.abc import Sequence

from . import words
from .model import Code, Paragraph, Section, Table, phrase
from .overview import Row

LONGEST_EPOCH_TABLE = 40


def epoch_table(epochs: Sequence[Row]) -> Section:
    """One row an epoch; `epochs` in the order of `epochs_in_order`. Columns that no epoch fills are left out."""
    if not epochs:
        return Section("Epochs", ())
    shown, skipped = epochs, 0
    if len(epochs) > LONGEST_EPOCH_TABLE:
        half = LONGEST_EPOCH_TABLE // 2
        shown, skipped = (*epochs[:half], *epochs[-half:]), len(epochs) - 2 * half
    columns = [
        ("cycle", "cycle", "r", lambda row: words.count(row["cycle"])),
        ("attempt", "attempt", "r", lambda row: words.count(row["attempt"])),
        ("epoch", "epoch", "r", lambda row: words.count(row["epoch"])),
        ("iterations", "iters", "l", _iteration_span),
        ("updates", "updates", "l", _update_span),
        ("train time", "train_s", "r", lambda row: words.duration(row["train_s"])),
        ("validation", "val_s", "r", lambda row: words.duration(row["val_s"])),
        ("s/iter", "s_per_iter", "r", lambda row: words.measured(row["s_per_iter"])),
        ("samples/hour", "samples_per_hour", "r", lambda row: words.number(row["samples_per_hour"])),
        ("learning rate", "lr_first", "l", _lr_span),
    ]
    always = {"epoch", "iters", "updates", "train_s"}
    kept = [column for column in columns if column[1] in always or any(row[column[1]] is not None for row in epochs)]
    if len({row["attempt"] for row in epochs} - {None}) < 2:
        kept = [column for column in kept if column[1] != "attempt"]
    rows = [tuple(phrase(show(row)) for _, _, _, show in kept) for row in shown]
    if skipped:
        rows.insert(LONGEST_EPOCH_TABLE // 2, tuple(phrase("…") for _ in kept))
    table = Table(tuple(title for title, *_ in kept), "".join(align for _, _, align, _ in kept), tuple(rows))
    note = (Paragraph(phrase(f"… {words.plural(skipped, 'epoch')} between them: table ", Code("epochs"), ".")),)
    return Section("Epochs", (table, *(note if skipped else ())))


def _iteration_span(row: Row) -> str:
    if row["first_iter"] is None or row["last_iter"] is None:
        return words.count(row["iters"])
    span = f"{words.count(row['first_iter'])}–{words.count(row['last_iter'])}"
    whole = row["last_iter"] - row["first_iter"] + 1
    return span if row["iters"] in (None, whole) else f"{span} ({words.count(row['iters'])} done)"


def _update_span(row: Row) -> str:
    before, upto = row["updates_before"], row["updates_upto"]
    if (
        before is None
        or upto is None
        or not (float(before).is_integer() and float(upto).is_integer())
        or upto <= before
    ):
        return words.count(row["updates"])
    return words.count(upto) if upto == before + 1 else f"{words.count(before + 1)}–{words.count(upto)}"


def _lr_span(row: Row) -> str:
    first, last = row["lr_first"], row["lr_last"]
    if first is None or last is None or first == last:
        return words.UNKNOWN if first is None and last is None else f"{first if last is None else last:.3g}"
    return f"{first:.3g} → {last:.3g}"
