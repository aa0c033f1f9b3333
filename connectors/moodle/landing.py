"""Tables of Moodle as Parquet files, as they are in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.moodle.connection import ARROW_TYPES, Database
from connectors.moodle.schema import LOG, ROWS_OF_OTHERS, ROWS_READ, TABLES, Access, Schema
from warehouse.sql import quoted_identifier

ROWS_A_GROUP = 122_880
"""Rows that are kept in memory before they are written: a row group of DuckDB's."""


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Return the types that columns are landed as."""
    return pa.schema([(column, ARROW_TYPES[kind]) for column, kind in columns.items()])


def tables_with_rows(database: Database, schema: Schema, tables: Iterable[str]) -> list[str]:
    """Return which of the tables have rows at all, asked for all of them at once."""
    asked = [table for table in tables if schema.is_readable(table)]
    if not asked:
        return []
    one_row = "exists (select {} from {})"
    (answers,) = database.rows(
        "select "
        + ", ".join(
            one_row.format(quoted_identifier(schema.readable(table)[0]), database.quoted(schema.real_name(table)))
            for table in asked
        )
    )
    return [table for table, has_rows in zip(asked, answers, strict=True) if has_rows]


def land(database: Database, schema: Schema, table: str, file: Path, where: Iterable[str] = ()) -> int:
    """Write the readable columns of a table to `file`, and return how many rows it has; others are null.

    Of each query in `where` the rows are taken, without it those that `ROWS_READ` says; they must not overlap. Without
    rows there is no file.
    """
    wanted = TABLES[table].columns
    types = arrow_schema(wanted)
    readable = {column: wanted[column] for column in schema.readable(table)}
    conditions = list(where) or [_rows_read(database, schema, table)]
    rows = 0
    if not readable:
        return 0
    with _Writer(file, types) as writer:
        for condition in conditions:
            waiting: list[pa.RecordBatch] = []
            for batch in database.batches(
                schema.real_name(table), readable, condition, has_long_texts=table != LOG and "text" in wanted.values()
            ):
                rows += batch.num_rows
                waiting.append(batch)
                if sum(one.num_rows for one in waiting) >= ROWS_A_GROUP:
                    writer.write(_whole(waiting, types))
                    waiting = []
            if waiting:
                writer.write(_whole(waiting, types))
    return rows


def land_activity_names(database: Database, schema: Schema, file: Path) -> None:
    """Write the names of activities (module, id, name) of all modules whose table can be read; without any, no file."""
    types = pa.schema([("module", pa.string()), ("id", pa.int64()), ("name", pa.string())])
    with _Writer(file, types) as writer:
        if "name" not in schema.readable("modules"):
            return
        found = database.rows(f"select name from {database.quoted(schema.real_name('modules'))}")
        modules = {f"{schema.prefix}{module}": module for (module,) in found}
        columns = {"id": "int", "name": "text"}
        access = database.access_of(dict.fromkeys(modules, columns)) if modules else {}
        for table, module in modules.items():
            if set(access[table].values()) != {Access.GRANTED}:
                continue
            for batch in database.batches(table, columns, has_long_texts=True):
                names = pa.array([module] * batch.num_rows, pa.string())
                writer.write(pa.table([names, batch["id"], batch["name"]], schema=types))


def _rows_read(database: Database, schema: Schema, table: str) -> str:
    """The condition of the rows that are read of a table; empty where all are."""
    other, columns, condition = ROWS_OF_OTHERS.get(table, ("", frozenset(), ""))
    if other and columns.issubset(schema.readable(other)):
        return condition.format(database.quoted(schema.real_name(other)))
    return ROWS_READ.get(table, "")


class _Writer:
    """A Parquet file that begins with its first rows."""

    def __init__(self, file: Path, types: pa.Schema) -> None:
        self._file, self._types = file, types
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, self._types)
        self._writer.write_table(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


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
