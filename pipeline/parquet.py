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
    dictionary of one word; whole numbers 26 ms plain, and 8 ms as differences, at a third of the size. (Byte streams
    split halve the 32 ms of the values, and double their size.)
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = arrow_schema(table)
    rows = conform(frame, table, words=True)
    words = [name for name, dtype in table.schema.items() if dtype == pl.String]
    whole = [name for name, dtype in table.schema.items() if dtype.is_integer() or dtype == pl.Datetime]
    coded = pa.schema(
        field.with_type(pa.dictionary(pa.int32(), field.type)) if field.name in words else field for field in schema
    )
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": words,
        "column_encoding": dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
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
    if not column.null_count() and (column == column[0]).all():
        at = pl.repeat(0, len(column), dtype=pl.Int32, eager=True).to_arrow()
        return pa.DictionaryArray.from_arrays(at, column.head(1).to_arrow().cast(dtype.value_type))
    return column.to_arrow().cast(dtype.value_type).dictionary_encode()
