"""tqdm progress bars (any version; every redraw is a row).

What the counter counts: whatever the caller fed to the bar; `tqdm(dataloader)` counts micro-batches of one rank. `n` is
the number of items *finished*. `initial=k` starts the counter at k, and neither elapsed time nor rate know of it.

What a bar does not mean
- The rate is smoothed until the bar closes: an average over about the last three displays (`smoothing=0.3`; two
  bias-corrected means since 4.55, one before). Only the closing redraw shows the overall
  average (n − initial) / elapsed.
- The counter of a redraw that `set_postfix` forced is stale: its postfix belongs to a later step than its n.
- `100%` appears from 99.5 % on; at n > total the total vanishes; a total of 0 is "unknown".
- With `unit_scale=True` n, total and rate have three digits and an SI letter; `unit_scale=<number>` multiplies them.
- The clock is whole seconds without days (`26:00:01`), and can be negative after a clock step.
- Cells of the bar are not read: mojibake, ASCII and block glyphs are the same to us.

Sources: tqdm 4.70.1 run; its source to mid-2026 (FORMATS.md §1).
"""

import polars as pl

from .contract import (
    DURATION,
    KEY,
    SI,
    SI_NUMBER,
    TEXT,
    Field,
    Matched,
    Pairs,
    Parser,
    Record,
    Tables,
    per_word,
    skipped,
)

NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?[kKMGTPEZY]?"
CLOCK = r"-?(?:[0-9]+:)?[0-9]{1,2}:[0-9]{2}"
RATE = r"[0-9.]+(?:e[+-]?[0-9]+)?"

COUNT = SI_NUMBER
PACE = Field(SI_NUMBER.dtype, SI_NUMBER.read, "[0-9.e+?-]+", unknown="?")
LEFT = Field(DURATION.dtype, DURATION.read, "[0-9:?-]+", unknown="?")
PAST = Field(DURATION.dtype, DURATION.read, "[0-9:-]+")
POSTFIX = Pairs(
    r", (?:[^=,:\[\]{}]+=\{)?'?(?P<name>[^=,:\[\]{}']+)'?(?:=|: )(?P<value>\[[^\]]*\]|\([^)]*\)|[^,=\]%}]*)%?\}?"
)
"""`acc=91.5%` is 91.5; a dict as a value (`metrics={'acc': 0.5, 'f1': 0.4}`) gives its own names."""
PACED = (
    rf"(?P<rate>{RATE}|\?)(?P<per>[^,\[\]|]*/[^,\[\]|]*)(?P<pairs>(?:, .*?)?)"
    r"(?:\](?P<tail>(?:[^,\] ].*)?)|(?P<cut>(?:, ?[^,\]]*|,)?))$"
)
CUT_PAIR = skipped("[^,]*")  # of a bar that was cut at the width: `loss=0.0` may have been 0.0646, it is not read
PACE_HINTS = ("it/s", "s/it", "/s]", "/s, ", *(f"{digit}s/" for digit in range(10)))

BAR = Record(
    name="bar",
    hints=("%|", *PACE_HINTS),
    pattern=rf"^(?P<desc>.*?)(?P<pct>[0-9]{{1,3}})%(?:\|(?P<cells>[^|]*)\|)? *(?P<n>{NUMBER})/(?P<total>{NUMBER}) "
    rf"\[(?P<elapsed>{CLOCK})<(?P<left>{CLOCK}|\?), *{PACED}",
    almost=r"%\|[^|]*\| *[0-9.]+[kKMGTPEZY]?/[0-9?]",
    fields={
        "desc": TEXT,
        "pct": skipped("[0-9]+"),
        "cells": skipped("[^|]*"),
        "n": COUNT,
        "total": COUNT,
        "elapsed": PAST,
        "left": LEFT,
        "rate": PACE,
        "per": TEXT,
        "cut": CUT_PAIR,
    },
    pairs=POSTFIX,
    examples=(
        "Iteration: 100%|██████████| 1000/1000 [10:30<00:00,  1.58it/s]",
        "  0%|          | 0/4617 [00:00<?, ?it/s]",
        "  4%|▍         | 181/4617 [1:02:17<30:20:00, 24.62s/it]",
        "Epoch 1/3:  20%|██        | 4/20 [00:00<00:00, 32.88it/s, inf=inf, loss=0.2, lr=3e-5, nan=nan, text=a b]",
        "Epoch 3:  62%|######2   | 25/40 [00:00<00:00, 49.53it/s, loss=0.5, text",
        " 20%|██        | 586k/2.86M [00:01<00:04, 549kB/s]",
        "epoch 1:  40%|███▉      | 61/153 [00:01<00:02, 44.53it/s, acc=91.67%, metrics={'f1': 0.6151, 'auc': 0.7}]",
        " 45% 9/20 [00:00<00:00, 30.02it/s]",
    ),
)

UNSIZED = Record(
    name="unsized",
    hints=PACE_HINTS,
    pattern=rf"^(?P<desc>.*?)(?P<n>{NUMBER})(?P<unit>[^\[\]|/%:0-9]*) \[(?P<elapsed>{CLOCK}), *{PACED}",
    fields={"desc": TEXT, "n": COUNT, "unit": TEXT, "elapsed": PAST, "rate": PACE, "per": TEXT, "cut": CUT_PAIR},
    pairs=POSTFIX,
    examples=(
        "0it [00:00, ?it/s]",
        "reading: 7625 examples [00:01, 5321.20 examples/s]",
        "6it [00:00,  9.06it/s]",
    ),
)

OPEN = Record(
    name="open",
    hints=("/? [",),
    pattern=rf"^(?P<desc>.*?)\|(?P<cells> *)\| *(?P<n>{NUMBER})/\? \[(?P<elapsed>{CLOCK})<\?, *{PACED}",
    fields={
        "desc": TEXT,
        "cells": skipped(" *"),
        "n": COUNT,
        "elapsed": PAST,
        "rate": PACE,
        "per": TEXT,
        "cut": CUT_PAIR,
    },
    pairs=POSTFIX,
    examples=("Validation: |          | 0/? [00:00<?, ?it/s]",),
)

CUT = Record(
    name="cut",
    hints=("%|",),
    pattern=rf"^(?P<desc>.*?)(?P<pct>[0-9]{{1,3}})%\|(?:(?P<cells>[^|A-Za-z/\[]*[█▏▎▍▌▋▊▉#â1-9][^|A-Za-z/\[]*)|[^|A-Za-z/\[]*"
    rf"\| *(?P<n>{NUMBER})/(?P<total>{NUMBER}) \[(?:(?P<elapsed>{CLOCK})<[^,\]/]*(?:, *[0-9.?]*[a-zA-Z]*)?|[0-9:]*))$",
    fields={"desc": TEXT, "pct": skipped("[0-9]+"), "cells": skipped(""), "n": COUNT, "total": COUNT, "elapsed": PAST},
    examples=(
        "Epoch 27: 100%|███████████████████████████████████████████████████████",
        "a long description  12%|█▏        | 12/100 [00:01<00:1",
        "a long description  12%|█▏        | 12/100 [00",
    ),
)


BARE = Record(
    name="bare",
    hints=("%|",),
    pattern=r"^(?P<desc>[^|]*?)(?P<pct>[0-9]{1,3})%\|[^|A-Za-z/\[]+\| *"
    r"(?P<cut>(?:[0-9.]+[kKMGTPEZY]?(?:/[0-9.]*[kKMGTPEZY]?)?)?) *$",
    fields={"desc": TEXT, "pct": skipped("[0-9]+"), "cut": skipped("[0-9./kKMGTPEZY]*")},
    examples=("as wide as the terminal:   1%| | ", "as wide as the terminal:   1%|█▏        | 12/1"),
)
"""A bar that was cut before its counter or in it: `12/1` may have been `12/100`, it is not read."""


def to_tables(matched: Matched) -> Tables:
    """`iter` is the bar's n and `iters_per_epoch` its total, whatever they count."""
    progress: list[pl.DataFrame] = []
    metrics: list[pl.DataFrame] = []
    for shape in (BAR, UNSIZED, OPEN, CUT, BARE):
        rows = _progress(matched.rows(shape.name))
        progress.append(rows)
        if shape.pairs is not None:
            metrics.append(matched.metrics(shape.name, _context(rows)))
    facts = [matched.word_facts(shape.name) for shape in (BAR, UNSIZED, OPEN)]
    return {"progress": progress, "metrics": metrics, "facts": facts}


def _progress(rows: pl.DataFrame) -> pl.DataFrame:
    described = per_word(rows["desc"], lambda desc: desc.str.strip_chars().str.strip_chars_end(":").str.strip_chars())
    nested = pl.when((described == "") & (pl.col("row") > 0)).then(pl.format("row {}", "row"))
    columns: dict[str, pl.Expr | pl.Series] = {"bar": nested.otherwise(pl.when(described != "").then(described))}
    if "n" in rows.columns:
        columns["iter"] = _whole(pl.col("n"))
        columns["elapsed_s"] = pl.col("elapsed")
    if "total" in rows.columns:
        columns["iters_per_epoch"] = _whole(pl.col("total"))
    if "left" in rows.columns:
        columns["eta_s"] = pl.col("left")
    if "rate" in rows.columns:
        columns["s_per_iter"] = _seconds_per_item(pl.col("rate"), rows["per"])
    return rows.select(*KEY, **columns)


def _context(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        phase=pl.lit(None, pl.String), epoch=pl.lit(None, pl.Int32), global_iter=pl.lit(None, pl.Int64)
    )


def _whole(count: pl.Expr) -> pl.Expr:
    """Fractions are possible (`0.25/1.0`), but are no count of iterations."""
    return pl.when(count == count.round(0)).then(count.cast(pl.Int64, strict=False))


def _seconds_per_item(rate: pl.Expr, per: pl.Series) -> pl.Expr:
    """`s/it` as it is, `it/s` inverted; an SI letter before `it`, `B` or `b` is tqdm's own (unit_scale=True)."""
    inverted = per_word(per, lambda unit: unit.str.starts_with("s/"))
    scale = per_word(
        per,
        lambda unit: unit.str.extract(rf"^([{SI}])(?:it|B|b|iB)/s").replace_strict(
            {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24},
            default=1.0,
            return_dtype=pl.Float64,
        ),
    )
    return pl.when(inverted).then(rate).when(rate > 0).then(1 / (rate * scale))


PARSER = Parser("tqdm", (BAR, UNSIZED, OPEN, CUT, BARE), to_tables)
