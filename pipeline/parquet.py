"""A frame → one Parquet file that explains itself: units and meanings in the field metadata, words as dictionaries."""

import base64
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from .tables import TABLES, Table, conform

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_ROWS, ROW_GROUP_LEAST = 1 << 18, 1 << 15

SEARCHED = ("log_id", "line", "name")
"""Columns by which rows are looked for: their smallest and largest values stand in the file. Those of the `log_id`s of
many logs, which are hashes, exclude nothing."""


ROUNDED = ("value", "s_per_iter", "data_s_per_iter", "memory_mib")
"""Numbers that are printed with few digits, so that many rows have the same."""


def load() -> None:
    """Import and make what files need before the first row: pyarrow 0.1 s, all schemas 0.03 s."""
    for table in TABLES.values():
        arrow_schema(table)


@cache
def arrow_schema(table: Table) -> "pa.Schema":
    """The table's Arrow schema with `unit` and `description` on each field (Parquet keeps it as ARROW:schema)."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # pyarrow loads numpy, whose threads would spin beside ours
    import pyarrow as pa
    import pyarrow.parquet

    fields = table.empty().to_arrow().schema
    return pa.schema(
        fields.field(column.name).with_metadata({"unit": column.unit, "description": column.meaning})
        for column in table.columns
    )


def metadata_of(table: Table) -> dict[str, str]:
    """The file metadata: what table it is, and of which version."""
    return {"trainqc.table": table.name, "trainqc.version": str(table.version)}


def write_frame(file: Path, frame: pl.DataFrame, table: Table) -> None:
    """Write a frame by pyarrow, cut where its own chunks end: there a column of names is mostly one name.

    Of 600,000 rows of `metrics` a column of one word takes polars 28 ms, which hashes each row, and 4 ms as a
    dictionary of one word; whole numbers 26 ms plain, and 8 ms as differences, at a third of the size. Printed numbers
    have few digits: a dictionary of them is as fast as they are plain, at two thirds of the size. (Byte streams split
    halve the time, and double the size.) One number in all rows is fastest plain where it has 32 bits: zstd takes 13
    times as long with the eight bytes of a longer one.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = arrow_schema(table)
    rows = conform(frame, table, words=True)
    parts = list(_chunks(rows))
    words = [name for name, dtype in table.schema.items() if dtype == pl.String]
    counted = [name for name, dtype in table.schema.items() if dtype.is_integer() or dtype == pl.Datetime]
    same = [name for name in counted if is_constant(rows[name])]
    few = [name for name in same if table.schema[name] != pl.Int32]
    full = [column.name for column in table.columns if column.always and not rows[column.name].null_count()]
    columns = {field.name: _arrays([part[field.name] for part in parts], field.type) for field in schema}
    coded = pa.schema(
        pa.field(name, arrays[0].type if arrays else schema.field(name).type, nullable=name not in full)
        for name, arrays in columns.items()
    )
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [*words, *few, *(name for name in ROUNDED if name in table.schema)],
        "column_encoding": {name: "DELTA_BINARY_PACKED" for name in counted if name not in same},
        "write_statistics": [
            name for name in SEARCHED if name in table.schema and (name != "log_id" or is_constant(rows[name]))
        ],
        "store_schema": False,  # which would hold the dictionaries: readers are to see the table's own types
    }
    with parquet.ParquetWriter(file, coded, **options) as writer:
        for arrays in zip(*columns.values(), strict=True):
            writer.write_table(pa.Table.from_arrays(list(arrays), schema=coded), row_group_size=ROW_GROUP_ROWS)
        told = {"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes()).decode(), **metadata_of(table)}
        writer.add_key_value_metadata(told)


def _chunks(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows between the borders of the frame's chunks, and no few rows alone."""
    begin = end = 0
    for length in max((column.chunk_lengths() for column in frame), key=len):
        end += length
        if end - begin >= ROW_GROUP_LEAST or end == frame.height:
            yield frame.slice(begin, end - begin)
            begin = end


def _arrays(chunks: Sequence[pl.Series], dtype: "pa.DataType") -> "list[pa.Array]":
    """A column as Arrow's; words as dictionaries where all of its chunks are such without a look at each row."""
    import pyarrow as pa

    if dtype in (pa.large_string(), pa.string()):
        coded = [_dictionary(chunk, dtype) for chunk in chunks]
        if all(each is not None for each in coded):
            return coded
        chunks = [chunk.cast(pl.String) for chunk in chunks]
    return [_as_arrow(chunk, dtype) for chunk in chunks]


def _dictionary(column: pl.Series, dtype: "pa.DataType") -> "pa.Array | None":
    import pyarrow as pa

    if column.null_count() == len(column):
        return pa.nulls(len(column), pa.dictionary(pa.int32(), dtype))
    if is_constant(column):
        at, words = pl.Series([0], dtype=pl.Int32).new_from_index(0, len(column)), column.head(1).cast(pl.String)
    elif isinstance(column.dtype, pl.Enum):
        at, words = column.to_physical().cast(pl.Int32), column.dtype.categories
    else:
        return None
    return pa.DictionaryArray.from_arrays(at.to_arrow(), _as_arrow(words, dtype), safe=False)


def _as_arrow(column: pl.Series, dtype: "pa.DataType") -> "pa.Array":
    """The column, whose type mostly is the one that is asked for: a cast loads pyarrow's kernels, which takes 60 ms."""
    array = column.to_arrow()
    return array if array.type == dtype else array.cast(dtype)


def is_constant(column: pl.Series) -> bool:
    """Whether all rows hold the same. A literal's column is known to be sorted, and costs no look at each row."""
    if not len(column) or column.null_count() or column[0] != column[-1]:
        return False
    return column.flags["SORTED_ASC"] or bool((column == column[0]).all())
