"""What a table is: columns with type, unit and meaning, declared as text; and how a frame takes its form.

A table is declared one column a line (`name  type  unit  meaning`), because this text is the contract: it is what the
Parquet field metadata carry and what the documentation prints. `·` stands for "no unit"; a type with `!` has a value in
every row that a parser gives.
"""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

TYPES: dict[str, pl.DataType] = {
    "str": pl.String(),
    "bool": pl.Boolean(),
    "i32": pl.Int32(),
    "i64": pl.Int64(),
    "f64": pl.Float64(),
    "time": pl.Datetime("us"),
    "utc": pl.Datetime("us", "UTC"),
    "list[str]": pl.List(pl.String()),
}


@dataclass(frozen=True)
class Column:
    """One column: `unit` is empty where a number has none; `always`: every row has a value."""

    name: str
    dtype: pl.DataType
    unit: str
    meaning: str
    always: bool = False


@dataclass(frozen=True)
class Table:
    """A table's name, the version of its contract, and its columns in order."""

    name: str
    version: int
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pl.Schema:
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.schema)


def declare(name: str, version: int, text: str) -> Table:
    """Read a declaration (see the module's docstring). Raises ValueError for a line of another form."""
    columns: list[Column] = []
    for line in text.strip().splitlines():
        parts = line.split(None, 3)
        if len(parts) != 4 or parts[1].removesuffix("!") not in TYPES:
            raise ValueError(f"table {name}: not a column declaration: {line!r}")
        column, dtype, unit, meaning = parts
        always = dtype.endswith("!")
        columns.append(Column(column, TYPES[dtype.removesuffix("!")], "" if unit == "·" else unit, meaning, always))
    return Table(name, version, tuple(columns))


def conform(frame: pl.DataFrame, table: Table, *, words: bool = False) -> pl.DataFrame:
    """The same rows with exactly the table's columns, in order and in type; columns that are absent become null.
    `words`: texts that stand as Enum stay so.

    Raises ValueError when `frame` has a column that the table does not know: a misspelt name must not vanish.
    Casts are strict: a value that does not fit its column is a defect of the caller, not bad input.
    """
    unknown = [name for name in frame.columns if name not in table.schema]
    if unknown:
        raise ValueError(f"table {table.name} has no column {', '.join(unknown)}; it has {', '.join(table.schema)}")
    present = frame.schema
    return frame.select(
        pl.lit(None, dtype).alias(name)
        if name not in present
        else pl.col(name)
        if present[name] == dtype or (words and dtype == pl.String and present[name] == pl.Enum)
        else pl.col(name).cast(dtype)
        for name, dtype in table.schema.items()
    )
