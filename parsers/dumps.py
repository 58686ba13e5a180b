"""Configuration dumps in Python syntax, which several programs print → their scalars, with the names around them."""

import polars as pl

MAX_DEPTH = 12
"""Levels of nesting that a configuration's paths show; names that lie deeper are left out."""

_TOKEN = r"""(?x)
    [A-Za-z_][\w.]*\s*= | '[^'\n]*'\s*: | "[^"\n]*"\s*:
    | '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*"
    | [\[\](){},] | [^\s\[\](){},='"]+
"""
_NAME = r"""^[A-Za-z_][\w.]*\s*=$|^(?:'[^']*'|"[^"]*")\s*:$"""
_NUMBER, LONGEST_LIST = r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$", 64
_NO_SCALAR = ["(", "[", "{", ")", "]", "}", ",", "dict"]


def python_leaves(lines: pl.DataFrame) -> pl.DataFrame:
    """The scalars of configuration dumps in Python syntax, each with the path of its enclosing names.

    lines: KEY, `region`, `text`, in order (mmengine's and mmcv's `Config:` dumps, any version: literals and calls).
    Returns log, line, path (`train_dataloader.batch_size`) and value (text without quotes). A list of numbers alone is
    one value (`[8, 11]`), other elements are left out; names in a dict in a list stand under the list's name.
    """
    token, name, depth, part = pl.col("token"), pl.col("name"), pl.col("depth"), ["region", "part"]
    number = token.str.contains(_NUMBER)
    step = token.is_in(["(", "[", "{"]).cast(pl.Int32) - token.is_in([")", "]", "}"]).cast(pl.Int32)
    alone = (number | (token == ",") | (step != 0)).all() & (step.sum() == 0) & number.sum().is_between(1, LONGEST_LIST)
    tokens = (
        lines.select("log", "line", "region", token=pl.col("text").str.extract_all(_TOKEN))
        .explode("token")
        .drop_nulls("token")
        .with_columns(
            name=pl.when(token.str.contains(_NAME)).then(token.str.strip_chars(" =:'\"")),
            depth=step.cum_sum().over("region"),
            opens=step == 1,
            part=((step == 1).cum_sum() + (step.shift(1) == -1).cum_sum()).over("region"),  # brackets with none inside
            after=token.shift(-2).over("region"),
        )
        .with_columns(listed=pl.when(alone).then(pl.format("[{}]", token.filter(number).str.join(", "))).over(part))
        .with_columns(value=pl.when(token.is_in(["[", "("])).then(pl.coalesce("listed", token)).otherwise(token))
        .with_columns(value=pl.col("value").shift(-1).over("region"))
        .with_columns(
            owner=pl.coalesce(name.shift(1), pl.when(token.shift(1) == "dict").then(name.shift(2)), pl.lit(""))
        )
    )
    levels = {
        f"level_{level}": pl.when(pl.col("opens") & (depth == level)).then("owner").forward_fill().over("region")
        for level in range(1, MAX_DEPTH + 1)
    }
    enclosing = [
        pl.when(depth >= level).then(pl.col(f"level_{level}")).otherwise(pl.lit(""))
        for level in range(1, MAX_DEPTH + 1)
    ]
    is_leaf = name.is_not_null() & ~pl.col("value").is_in(_NO_SCALAR) & (depth <= MAX_DEPTH)
    called = pl.col("after").is_in(["(", "["]).fill_null(False)
    return (
        tokens.with_columns(**levels)
        .filter(is_leaf & ~called)
        .select(
            "log",
            "line",
            path=pl.concat_str(*enclosing, "name", separator=".").str.replace_all(r"\.{2,}", ".").str.strip_chars("."),
            value=pl.col("value").str.strip_chars("'\""),
        )
    )
