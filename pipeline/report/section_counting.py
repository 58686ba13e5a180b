"""Sections on counts: how the iteration count comes about, and what iteration, update and epoch mean in this run."""

from math import ceil

from . import words
from .citations import Citations
from .model import Bullets, Paragraph, Phrase, Section, Strong, Table, phrase
from .overview import Row, counts_updates


def counting(run: Row, cite: Citations) -> Section:
    """How the counts come about, as far as plain arithmetic carries. The derivation that weighs samplers, repeated data
    and ranks against each other is the counting engine's; it replaces the sentences of `_epoch_step`.
    """
    steps = (
        phrase(
            Strong(words.plural(run["num_samples"], "sample")),
            cite.number("num_samples"),
            ", ",
            Strong(words.plural(run["world_size"], "rank")),
            cite.number("world_size"),
            ", micro-batch ",
            Strong(words.count(run["batch_size"])),
            cite.number("batch_size"),
            ", accumulation ",
            Strong(words.count(run["grad_accum"])),
            cite.number("grad_accum"),
            ".",
        ),
        phrase(
            Strong(words.plural(run["iters_per_epoch"], "iteration") + " an epoch"),
            cite.number("iters_per_epoch"),
            ". ",
            _epoch_step(run),
        ),
        phrase(
            Strong(words.plural(run["iters_planned"], "iteration") + " planned"),
            cite.number("iters_planned"),
            ", ",
            f"{words.count(run['iters_done'])} done. ",
            _total_step(run),
        ),
        phrase(
            Strong(words.plural(run["updates_done"], "update") + " made"),
            cite.number("updates_done"),
            ". ",
            _update_step(run),
        ),
    )
    return Section("How the iteration count comes about", (Bullets(steps, numbered=True),))


def _epoch_step(run: Row) -> str:
    samples, batch, ranks, iters = run["num_samples"], run["batch_size"], run["world_size"], run["iters_per_epoch"]
    if not batch or not ranks:
        return ""
    shared = f"({words.count(batch)} × {words.plural(ranks, 'rank')})"
    if samples is None:
        if iters is None:
            return ""
        return (
            f"With full batches that is {words.count(iters)} × {shared} = {words.count(iters * batch * ranks)} samples."
        )
    per_rank = ceil(samples / ranks)
    kept, dropped = ceil(per_rank / batch), samples // ranks // batch
    quotient = f"{words.count(samples)} / {shared} = {words.number(samples / (batch * ranks), 6)}"
    if iters is None:
        return f"By plain division: {quotient}" + (f", so {kept:,} or {dropped:,}." if kept != dropped else ".")
    if iters == kept == dropped:
        return f"{quotient}."
    if iters == kept:
        return f"{quotient}, rounded up: the last, smaller batch is used."
    if iters == dropped:
        return f"{quotient}, rounded down: the last, smaller batch is dropped."
    more = iters - kept
    return (
        f"Plain division gives {quotient}; the log counts {words.count(abs(more))} {'more' if more > 0 else 'fewer'}. "
        "A sampler that fills up, repeated or filtered data, or another number of ranks make such a difference."
    )


def _total_step(run: Row) -> str:
    iters, planned, epochs = run["iters_per_epoch"], run["iters_planned"], run["epochs_planned"]
    if not iters or planned is None:
        return ""
    if epochs is None:
        return f"{words.count(planned)} / {words.count(iters)} = {words.plural(planned / iters, 'epoch')}."
    product = f"{words.count(iters)} × {words.plural(epochs, 'epoch')} = {words.count(iters * epochs)}"
    if iters * epochs == planned:
        return f"{product}."
    return f"{product}, not {words.count(planned)}: the plan is not a whole number of these epochs."


def _update_step(run: Row) -> str:
    iters, accumulated, updates = run["iters_done"], run["grad_accum"], run["updates_done"]
    if counts_updates(run):
        return "The log counts updates itself."
    if iters is None or not accumulated:
        return "" if iters is None else f"Without accumulation it would be {words.plural(iters, 'update')}."
    quotient = f"{words.count(iters)} / {words.count(accumulated)} = {words.number(iters / accumulated, 8)}"
    per_epoch = "" if run["updates_per_epoch"] is None else f", {words.count(run['updates_per_epoch'])} an epoch"
    left = iters % accumulated
    if not left:
        return f"{quotient}{per_epoch}, no window left over."
    outcome = ""
    if updates is not None:
        outcome = " made an update too" if updates > iters // accumulated else " made none"
    return f"{quotient}{per_epoch}; the last {words.plural(left, 'iteration')}{outcome or ' were left over'}."


def meanings(run: Row, cite: Citations) -> Section:
    """What an iteration, an update and an epoch are here, and how the samples of an update come together."""
    accumulated = run["grad_accum"]
    every = "?" if accumulated is None else "each" if accumulated == 1 else f"every {words.count(accumulated)}"
    iteration = "iteration" if accumulated == 1 else "iterations"
    epoch = f"{words.plural(run['iters_per_epoch'], 'iteration')}: {_pass(run)}"
    rows = (
        (
            phrase("Iter"),
            phrase("forward and backward pass of one micro-batch on each rank"),
            phrase(words.count(run["iters_done"])),
        ),
        (
            phrase("Update"),
            phrase(f"optimizer step, after {every} {iteration}"),
            phrase(words.count(run["updates_done"])),
        ),
        (phrase("Epoch"), phrase(epoch), phrase(words.count(run["epochs_done"]))),
    )
    return Section(
        "What the words mean here",
        (Table(("word", "meaning", "this run"), "llr", rows), Paragraph(_layers(run, cite))),
    )


def _pass(run: Row) -> str:
    samples, batch, ranks, iters = run["num_samples"], run["batch_size"], run["world_size"], run["iters_per_epoch"]
    if samples is None:
        return "one turn of the training loop"
    again = 0
    if batch == 1 and ranks and iters:  # only with whole batches is the number of drawn samples certain
        again = iters * ranks - samples
    if 0 < again <= samples:
        return f"{words.plural(samples, 'sample')} once, {words.count(again)} of them twice"
    return f"one pass over {words.plural(samples, 'sample')}"


def _layers(run: Row, cite: Citations) -> Phrase:
    batch, accumulated, ranks = run["batch_size"], run["grad_accum"], run["world_size"]
    per_rank = None if batch is None or accumulated is None else batch * accumulated
    visible = run["gpus_visible"]
    return phrase(
        "micro-batch ",
        Strong(words.count(batch)),
        f" → × accumulation {words.count(accumulated)} = ",
        Strong(words.count(per_rank)),
        f" per rank → × {words.plural(ranks, 'rank')} = ",
        Strong(words.plural(run["global_batch"], "sample") + " per update"),
        cite.number("grad_accum") if accumulated is None else None,
        f" ({words.plural(visible, 'GPU')} visible)" if visible is not None and visible != ranks else None,
    )
