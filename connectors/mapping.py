"""From what files hold to raw tables: SQL files in order, over tables in memory, and what a report says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.report import Finding
from connectors.text_tables import LeftOutFile
from warehouse.errors import UserError
from warehouse.sql import quoted_identifier, quoted_literal

SHARED_SQL = Path(__file__).with_name("sql")
"""Macros, and tables that several kinds of files have in common."""
TEXT = pa.string()


def mapping_database(
    tables: Mapping[str, pa.Table], variables: Mapping[str, Any], path: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a database, in UTC, with the shared macros, these tables, and these variables of SQL.

    It is in memory; with a `path`, in that new file, which takes what has no place in memory.
    """
    db = duckdb.connect(path or ":memory:")
    # Progress is the command's to show.
    db.execute("set timezone = 'UTC'; set enable_progress_bar = false")
    db.execute((SHARED_SQL / "macros.sql").read_text(encoding="utf-8"))
    for name, value in variables.items():
        db.execute(f"set variable {quoted_identifier(name)} = $value", {"value": value})
    for name, table in tables.items():
        db.register("arrow", table)
        db.execute(f"create table {quoted_identifier(name)} as select * from arrow")
        db.unregister("arrow")
    return db


def create_tables(db: duckdb.DuckDBPyConnection, folder: Path, *names: str) -> None:
    """Make the tables of the files `NAME.sql` of a folder, one after the other."""
    for name in names:
        db.execute(f"create table {name} as {(folder / f'{name}.sql').read_text(encoding='utf-8')}")


def create_views(db: duckdb.DuckDBPyConnection, folder: Path, *names: str) -> None:
    """Make views of such files: of what is read once, or has no place in memory."""
    for name in names:
        db.execute(f"create view {name} as {(folder / f'{name}.sql').read_text(encoding='utf-8')}")


def arrow_table(types: Mapping[str, pa.DataType], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Return rows as a table of these columns."""
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return pa.table({name: pa.array(column, kind) for (name, kind), column in zip(types.items(), columns, strict=True)})


def text_columns(*names: str) -> dict[str, pa.DataType]:
    """Return columns of text."""
    return dict.fromkeys(names, TEXT)


def require_orders(db: duckdb.DuckDBPyConnection, table: str, key: str, advice: str) -> None:
    """Raise UserError where nothing tells the order of day and month in a file, or both orders are in it.

    `table` has the file's name in the column `key`, and is_contradictory, needs_order, day_first; `advice` says where
    the order can be written down.
    """
    for file, is_contradictory in db.execute(
        f"select {key}, is_contradictory from {table} "
        f"where is_contradictory or (needs_order and day_first is null) order by is_contradictory desc, {key}"
    ).fetchall():
        if is_contradictory:
            raise UserError(
                f"{file}: some dates are right with the day first, others with the month first. "
                "It was put together of several downloads, or changed: download it again."
            )
        raise UserError(
            f"{file}: no day beyond 12 shows whether the day or the month comes first (05/10 is 5 October or 10 May). "
            f"{advice}"
        )


def row_of(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """Return the one row of a query."""
    row = db.execute(query).fetchone()
    if row is None:
        raise AssertionError(query)
    return row


def count_of(db: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return how many rows a table has."""
    return int(row_of(db, f"select count(*) from {table}")[0])


def write_rows(db: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write the rows of a query into a file of a raw table or of a source's state."""
    db.execute(f"copy ({query}) to {quoted_literal(path)} (format parquet, compression zstd)")


def left_out(db: duckdb.DuckDBPyConnection, table: str, reasons: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what was left out, most first: `table` has the columns reason, line_count, examples."""
    for reason, count, examples in db.execute(
        f"select reason, line_count, examples from {table} order by line_count desc, reason"
    ).fetchall():
        yield Finding(code=reason, level="left_out", text=reasons[reason], count=count, examples=tuple(examples))


def unread_files(files: Iterable[LeftOutFile]) -> Iterator[Finding]:
    """Yield which files are not read, and why."""
    for one in files:
        yield Finding(code="file_left_out", level="warning", text=f"{one.file} is not read: {one.reason}")


def doubtful_encodings(encodings: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which files, of those with their encodings, were read in one that takes any bytes for letters."""
    for file, encoding in encodings.items():
        if encoding == "windows-1252":
            yield Finding(
                code="encoding",
                level="note",
                text=f"{file} is not UTF-8 and was read as Windows-1252: look at its accents",
            )
