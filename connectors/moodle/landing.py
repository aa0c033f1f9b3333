"""Tables of Moodle as Parquet files, as they are in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.moodle.connection import ARROW_TYPES, Database
from connectors.moodle.schema import LOG, ROWS_READ, TABLES, Access, Schema

ROWS_A_GROUP = 122_880
"""Rows that are kept in memory before they are written: a row group of DuckDB's."""


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Return the types that columns are landed as."""
    return pa.schema([(column, ARROW_TYPES[kind]) for column, kind in columns.items()])


def land(database: Database, schema: Schema, table: str, file: Path, where: Iterable[str] = ()) -> int:
    """Write the readable columns of a table to `file`, and return how many rows it has; others are null.

    Of each query in `where` the rows are taken, without it those that `ROWS_READ` says; they must not overlap.
    """
    wanted = TABLES[table].columns
    types = arrow_schema(wanted)
    readable = {column: wanted[column] for column in schema.readable(table)}
    conditions = list(where) or [ROWS_READ.get(table, "")]
    rows = 0
    with pq.ParquetWriter(file, types) as writer:
        if not readable:
            return 0
        for condition in conditions:
            waiting: list[pa.RecordBatch] = []
            for batch in database.batches(
                schema.real_name(table), readable, condition, has_long_texts=table != LOG and "text" in wanted.values()
            ):
                rows += batch.num_rows
                waiting.append(batch)
                if sum(one.num_rows for one in waiting) >= ROWS_A_GROUP:
                    writer.write_table(_whole(waiting, types))
                    waiting = []
            if waiting:
                writer.write_table(_whole(waiting, types))
    return rows


def land_activity_names(database: Database, schema: Schema, file: Path, *, is_wanted: bool) -> Path:
    """Write the names of activities (module, id, name) of all modules whose table can be read, and return `file`."""
    types = pa.schema([("module", pa.string()), ("id", pa.int64()), ("name", pa.string())])
    with pq.ParquetWriter(file, types) as writer:
        modules = database.rows(f"select name from {database.quoted(schema.real_name('modules'))}") if is_wanted else []
        for (module,) in modules:
            columns = {"id": "int", "name": "text"}
            table = f"{schema.prefix}{module}"
            if set(database.access_of(table, list(columns)).values()) != {Access.GRANTED}:
                continue
            for batch in database.batches(table, columns, has_long_texts=True):
                names = pa.array([module] * batch.num_rows, pa.string())
                writer.write_table(pa.table([names, batch["id"], batch["name"]], schema=types))
    return file


def _whole(batches: list[pa.RecordBatch], types: pa.Schema) -> pa.Table:
    """One table of all columns: null where a column cannot be read."""
    table = pa.Table.from_batches(batches)
    return pa.table(
        [
            table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
            for field in types
        ],
        schema=types,
    )
