"""A frame → one Parquet file that explains itself: units and meanings in the field metadata, words as dictionaries."""

import base64
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from .tables import Table, conform

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_ROWS, ROW_GROUP_LEAST = 1 << 18, 1 << 15

SEARCHED = ("log_id", "line", "name")
"""Columns by which rows are looked for: their smallest and largest values stand in the file."""


ROUNDED = ("value", "s_per_iter", "data_s_per_iter", "memory_mib")
"""Numbers that are printed with few digits, so that many rows have the same."""


def load() -> None:
    """Import what the first file needs."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # pyarrow loads numpy, whose threads would spin beside ours
    import pyarrow.parquet  # noqa: F401 (0.1 s that reading does not pay)


@cache
def arrow_schema(table: Table) -> "pa.Schema":
    """The table's Arrow schema with `unit` and `description` on each field (Parquet keeps it as ARROW:schema)."""
    load()
    import pyarrow as pa

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
    halve the time, and double the size.)
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = arrow_schema(table)
    rows = conform(frame, table, words=True)
    words = [name for name, dtype in table.schema.items() if dtype == pl.String]
    counted = [name for name, dtype in table.schema.items() if dtype.is_integer() or dtype == pl.Datetime]
    few = [name for name in counted if _is_constant(rows[name])]
    full = {column.name for column in table.columns if column.always and not rows[column.name].null_count()}
    coded = pa.schema(
        field.with_type(pa.dictionary(pa.int32(), field.type) if field.name in words else field.type).with_nullable(
            field.name not in full
        )
        for field in schema
    )
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [*words, *few, *(name for name in ROUNDED if name in table.schema)],
        "column_encoding": {name: "DELTA_BINARY_PACKED" for name in counted if name not in few},
        "write_statistics": [name for name in SEARCHED if name in table.schema],
        "store_schema": False,  # which would hold the dictionaries: readers are to see the table's own types
    }
    with parquet.ParquetWriter(file, coded, **options) as writer:
        for part in _chunks(rows):
            columns = [_coded(part[name], coded.field(name).type) for name in coded.names]
            writer.write_table(pa.Table.from_arrays(columns, schema=coded), row_group_size=ROW_GROUP_ROWS)
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


def _coded(column: pl.Series, dtype: "pa.DataType") -> "pa.Array | pa.ChunkedArray":
    """A column as Arrow's, words as a dictionary of those that occur (without a look at each row where it is one)."""
    import pyarrow as pa

    if not pa.types.is_dictionary(dtype):
        return column.to_arrow().cast(dtype)
    if column.null_count() == len(column):
        return pa.nulls(len(column), dtype)
    if isinstance(column.dtype, pl.Enum):
        at = column.to_physical().cast(pl.Int32).to_arrow()
        return pa.DictionaryArray.from_arrays(at, column.dtype.categories.to_arrow().cast(dtype.value_type))
    if _is_constant(column):
        at = pl.repeat(0, len(column), dtype=pl.Int32, eager=True).to_arrow()
        return pa.DictionaryArray.from_arrays(at, column.head(1).to_arrow().cast(dtype.value_type))
    return column.to_arrow().cast(dtype.value_type).dictionary_encode()


def _is_constant(column: pl.Series) -> bool:
    """Whether all rows hold the same. A literal's column is known to be sorted, and costs no look at each row."""
    if not len(column) or column.null_count() or column[0] != column[-1]:
        return False
    return column.flags["SORTED_ASC"] or bool((column == column[0]).all())
