"""Parquet (E): typed, UTC instants, columns named as in the warehouse, and what they mean in the file's metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reports.export.columns import PARQUET_COLUMNS, Column, Kind
from reports.export.lines import OrderedLines, Part
from reports.export.writers import WriterInput, Written
from warehouse.sql import quoted_identifier

METADATA_KEY = "opco"
TYPES = {
    Kind.TEXT: pa.string(),
    Kind.TEXTS: pa.list_(pa.string()),
    Kind.DATE: pa.date32(),
    Kind.INSTANT: pa.timestamp("us", tz="UTC"),
    Kind.DURATION_MINUTES: pa.int64(),
    Kind.SECONDS: pa.int64(),
}


class ParquetWriter:
    """The file's columns and, after them, keys, seconds, evidence, end kind and flags; compressed with Zstandard."""

    def columns(self, printed: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns of the file."""
        return printed + PARQUET_COLUMNS

    def write(self, given: WriterInput, target: Path) -> Written:
        """Write all lines to `target`; without lines, the columns alone."""
        parts = [Part((column,), self.value(column)) for column in given.columns]
        schema = pa.schema(
            [pa.field(column.name, TYPES[column.kind], metadata=_titles(column)) for column in given.columns],
            metadata={METADATA_KEY: json.dumps(given.about, ensure_ascii=False)},
        )
        with pq.ParquetWriter(target, schema, compression="zstd") as file:
            for batch in OrderedLines(given.db, given.selection, parts, given.progress).batches():
                # By position: a custom field may bear any name.
                values = [column.cast(type_) for column, type_ in zip(batch.columns, schema.types, strict=True)]
                file.write_batch(pa.RecordBatch.from_arrays(values, schema=schema))
        return Written()

    def value(self, column: Column) -> str:
        """Return the SQL of a column's value."""
        name = f"fact.{quoted_identifier(column.name)}"
        return f"timezone('UTC', {name})" if column.kind is Kind.INSTANT else name


def _titles(column: Column) -> dict[str, str]:
    titles = {"title_en": column.header_en, "title_fr": column.header_fr}
    return titles | ({"custom_field_id": column.custom_field_id} if column.custom_field_id is not None else {})
