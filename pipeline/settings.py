"""What the user states about runs: `trainqc.toml` and `--set NAME=VALUE`, and the draft that names what is missing.

    num_samples = 1220              # holds for every log below this file

    ["work_dirs/sa2va*"]            # a glob: on the log's path, or on a folder that it lies in
    num_samples = 1220
    world_size = 4

Globs count from the folder of the file, or from the folder that was given to trainqc, as the draft writes them: `*` and
`?` stay within one folder, `**` crosses folders, `[abc]` is a set.
Where several tables match a log, the later one in the file wins; a file nearer to the logs is given later; `--set` wins
over all. Reading the file is the caller's: everything here is pure.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import polars as pl

from .tables import FACTS

Value = int | str | bool

# name → (type, what it means); a whole number has to be above zero
SETTABLE: dict[str, tuple[type, str]] = {
    "num_samples": (int, "samples of the training set, as the loader sees it"),
    "raw_samples": (int, "samples before repeats, filtering and packing"),
    "repeats": (int, "how often the data set is repeated"),
    "val_samples": (int, "samples of the validation set"),
    "batch_size": (int, "samples per rank per iteration"),
    "world_size": (int, "data-parallel ranks"),
    "grad_accum": (int, "iterations per update"),
    "gpus_visible": (int, "GPUs that the process could see"),
    "epochs_planned": (int, "epochs planned"),
    "cycles_planned": (int, "cycles of so many epochs planned"),
    "iters_per_epoch": (int, "iterations per epoch"),
    "iters_planned": (int, "iterations planned in all"),
    "updates_planned": (int, "optimizer updates planned in all"),
    "sequence_parallel": (int, "ranks that share one sample"),
    "drop_last": (bool, "whether the loader drops an incomplete last batch"),
    "sampler": (str, "class of the sampler, such as DefaultSampler"),
    "job_id": (str, "job of the scheduler"),
    "experiment": (str, "name under which runs belong together"),
}
# what the draft asks for, in this order: column of `runs` → why it is missed
ASKED = {
    "num_samples": "samples per hour, padding",
    "batch_size": "samples per hour",
    "world_size": "samples per update, GPU hours",
    "grad_accum": "updates",
    "iters_per_epoch": "epochs",
}


class SettingsError(ValueError):
    """A setting that cannot be used: the message holds where (path:line), what, and what is allowed."""


@dataclass(frozen=True)
class Rule:
    """Values for the logs that `glob` matches, counted from `folder` (absolute, POSIX); "**" matches all below it."""

    folder: str
    glob: str
    values: Mapping[str, Value]


def read_settings(text: str, path: PurePosixPath) -> list[Rule]:
    """The rules of a `trainqc.toml` with this text and absolute path, in the order in which they apply.

    Raises SettingsError for text that is no TOML, for an unknown name, and for a value of the wrong type.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise SettingsError(f"{path}:{line}: not valid TOML: {str(error).split(' (at')[0]}") from None
    common = {name: value for name, value in document.items() if not isinstance(value, dict)}
    rules: list[Rule] = []
    if common:
        rules.append(Rule(str(path.parent), "**", checked(common, partial(place, path, text, None))))
    for glob, table in document.items():
        if isinstance(table, dict):
            values = checked(table, partial(place, path, text, glob))
            pattern(glob, place(path, text, glob, None))
            rules.append(Rule(str(path.parent), glob, values))
    return rules


def read_pairs(pairs: Iterable[str]) -> dict[str, Value]:
    """The values of `--set NAME=VALUE` arguments; of a name given twice the last. Raises SettingsError."""
    values: dict[str, Value] = {}
    for pair in pairs:
        name, equals, written = (part.strip() for part in pair.partition("="))
        where = f"--set {pair}"
        if not equals:
            raise SettingsError(f"{where}: wanted NAME=VALUE, for example --set num_samples=1220")
        values |= checked({name: parsed(name, written)}, partial(shown, where))
    return values


def parsed(name: str, written: str) -> Value:
    kind = SETTABLE.get(name, (str, ""))[0]
    if kind is int and re.fullmatch(r"[+-]?\d{1,18}", written.replace("_", "").replace(",", "")):
        return int(written.replace("_", "").replace(",", ""))
    if kind is bool and written.lower() in ("true", "false"):
        return written.lower() == "true"
    return written


def checked(values: Mapping[str, object], where: Callable[[str], str]) -> dict[str, Value]:
    good: dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            raise SettingsError(f'{where(name)}: a table within a table; a glob with a dot has to be quoted: ["a.b/*"]')
        if name not in SETTABLE:
            raise SettingsError(f"{where(name)}: unknown name {name!r}; allowed are {', '.join(SETTABLE)}")
        kind, meaning = SETTABLE[name]
        wanted = {int: "a whole number above zero", bool: "true or false", str: "a text"}[kind]
        fits = type(value) is kind and (kind is not int or 0 < value < 2**53)  # type: ignore[operator]
        if not fits:
            raise SettingsError(f"{where(name)}: {name} ({meaning}) has to be {wanted}, not {value!r}")
        good[name] = value  # type: ignore[assignment]
    return good


def place(path: PurePosixPath, text: str, glob: str | None, name: str | None) -> str:
    """`path:line` of a name in its table, for an error."""
    return f"{path}:{line_of(text, glob, name)}"


def shown(where: str, _name: str) -> str:
    return where


def line_of(text: str, glob: str | None, name: str | None) -> int:
    """The 1-based line of a name in its table, or of the table; tomllib tells none. 1 where it is written otherwise."""
    table: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*(.+?)\s*\]\s*(#.*)?$", line)
        if head:
            table = head[1].strip("\"'")
            if name is None and table == glob:
                return number
        key = re.match(r"\s*[\"']?([^\"'=\s]+)[\"']?\s*=", line)
        if name is not None and table == glob and key and key[1] == name:
            return number
    return 1


def pattern(glob: str, where: str = "glob") -> str:
    """A glob as a pattern that matches a path or a folder that it lies in. Raises SettingsError for an open `[`."""
    out, rest = "", glob.removeprefix("./").rstrip("/")
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(.*/)?", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:]
        elif rest[0] in "*?":
            out, rest = out + ("[^/]*" if rest[0] == "*" else "[^/]"), rest[1:]
        elif rest[0] == "[":
            closing = rest.find("]", 2)
            if closing < 0:
                raise SettingsError(f"{where}: the set opened by '[' in {glob!r} is not closed")
            members = rest[1:closing]
            negated = members.startswith("!")
            literal = "".join(re.escape(c) if c != "-" else c for c in members.removeprefix("!"))
            out, rest = f"{out}[{'^' if negated else ''}{literal}]", rest[closing + 1 :]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return f"^(?s:{out})(/.*)?$"


def user_facts(logs: pl.DataFrame, rules: Sequence[Rule], values: Mapping[str, Value] | None = None) -> pl.DataFrame:
    """Rows of FACTS with source `user` for the logs (log_id, root, path): the last rule that fits wins."""
    address = (
        pl.when(pl.col("root").str.ends_with(pl.concat_str(pl.lit("/"), "path")))
        .then("root")
        .otherwise(pl.concat_str("root", "path", separator="/"))
    )
    addressed = logs.select("log_id", "path", address=address)
    stated: list[pl.DataFrame] = []
    for order, rule in enumerate([*rules, Rule("", "**", values or {})]):
        prefix = rule.folder.rstrip("/") + "/"
        below = pl.col("address").str.starts_with(prefix)
        target = pl.when(below).then(pl.col("address").str.slice(len(prefix))).otherwise("path")
        told = pattern(rule.glob)
        matched = addressed.filter(target.str.contains(told) | (below & pl.col("path").str.contains(told)))
        if rule.glob == "**" and rule.folder:
            matched = addressed.filter(below)
        stated += [
            matched.select(
                "log_id",
                name=pl.lit(name),
                value=pl.lit(str(value).lower() if isinstance(value, bool) else str(value)),
                number=pl.lit(float(value) if isinstance(value, int) else None, pl.Float64),
                source=pl.lit("user"),
                line=pl.lit(None, pl.Int64),
                order=pl.lit(order),
            )
            for name, value in rule.values.items()
        ]
    if not stated:
        return FACTS.empty()
    facts = pl.concat(stated).sort("order").unique(["log_id", "name"], keep="last", maintain_order=True)
    return facts.drop("order").sort("log_id", "name")


def draft(runs: pl.DataFrame) -> str:
    """The text of `trainqc.toml.draft`: per run, commented out, exactly what its logs do not say; "" where all is said.

    `runs` holds name, log_paths, state, train records' counts and the columns of `ASKED`, as in the table `runs`.
    """
    missing = pl.any_horizontal(pl.col(name).is_null() for name in ASKED) & pl.col("iters_done").is_not_null()
    asked = runs.filter(missing).sort("name")
    if asked.is_empty():
        return ""
    path = one_line(pl.col("log_paths").list.first().fill_null(""))
    glob = (
        path.str.replace_all(r"([\[*?])", "[$1]")
        .str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all('"', '\\"', literal=True)
    )
    lines = [
        pl.format("# {}: {}", one_line(pl.col("name")), pl.col("state")),
        pl.format('# ["{}"]', glob),
        *(
            pl.when(pl.col(name).is_null()).then(
                pl.lit(f"# {name} = ?{' ' * (16 - len(name))}# {SETTABLE[name][1]} (for {why})")
            )
            for name, why in ASKED.items()
        ),
    ]
    blocks = asked.select(pl.concat_str(lines, separator="\n", ignore_nulls=True)).to_series().str.join("\n\n").item()
    return (
        "# What the logs do not say. Take away the '#' of a table and of the lines that you can fill in, save it as\n"
        '# trainqc.toml beside or above the logs, and run again. A glob such as ["work_dirs/**"] holds for many.\n\n'
        f"{blocks}\n"
    )


def one_line(text: pl.Expr) -> pl.Expr:
    """Text without control characters: a path may not end the line of its comment."""
    return text.str.replace_all(r"\p{C}", "?")
