"""The program that answers one query that somebody typed, or a machine wrote: a process of its own, with limits.

It reads a line of JSON from its standard input (`file`, `sql`, `row_limit`) and writes one: the columns and rows, or
the fault. It has the published file open, read-only, and can open nothing else: neither DuckDB may, nor the process.
Of a file with Parquet files beside it, DuckDB may open these.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb

from warehouse.published import parquet_of

MOST_BYTES = 400_000
"""So long may an answer be."""
CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    # No address, nothing that Python has.
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # What does not fit into memory is not laid aside on the disk.
    "temp_directory": "",
    "memory_limit": "1GB",
    "threads": "2",
}
# What Python loads to hand values over is loaded before no file can be opened any more.
EVERY_KIND = """
    select
        now(), current_date, localtime, interval 1 day, uuid(), 1.5::decimal(4, 1), {'a': [1]}, map {'a': 1}, 'a'::blob,
        1::hugeint, timestamp_ns '2026-01-01 00:00:00.000000001', timetz '12:00:00+02'
"""


class RefusedError(Exception):
    """Why a query is not run, and what to write."""


def main() -> None:
    """Answer the query on the standard input; the limits are the arguments: seconds of processor time, bytes."""
    cpu_seconds, memory_bytes = map(int, sys.argv[1:])
    asked = json.loads(sys.stdin.readline())
    # What a library prints is no part of the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with opened_alone(asked["file"]) as db:
        db.execute(EVERY_KIND).fetchall()
        limit_process(cpu_seconds, memory_bytes, opens_files=has_parquet(asked["file"]) is not None)
        try:
            found = answered(db, asked["sql"], asked["row_limit"])
        except (RefusedError, duckdb.Error, RuntimeError) as error:
            found = {"fault": str(error)}
    with answer:
        answer.write(json.dumps(found, ensure_ascii=False))


def opened_alone(file: str) -> duckdb.DuckDBPyConnection:
    """Open a published file, in UTC, by a connection that reaches nothing else and changes no setting."""
    db = duckdb.connect(file, read_only=True, config=CONFIGURATION)
    db.execute("set TimeZone = 'UTC'")
    if parquet := has_parquet(file):
        db.execute("set allowed_directories = [?]", [f"{parquet}/"])
    # No file but the one that is open and those, no other database.
    db.execute("set enable_external_access = false")
    db.execute("set lock_configuration = true")
    return db


def has_parquet(file: str) -> Path | None:
    """Return the folder of Parquet files that a published file has views of; None where it holds all of its tables."""
    folder = parquet_of(Path(file).resolve())
    return folder if folder.is_dir() else None


def limit_process(cpu_seconds: int, memory_bytes: int, *, opens_files: bool = False) -> None:
    """Take from this process, for good, processor time, memory, core dumps, and every file that it has not open.

    With `opens_files`, only DuckDB keeps it from files: it still has to open those that its views read.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if not opens_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def answered(db: duckdb.DuckDBPyConnection, sql: str, row_limit: int) -> dict[str, Any]:
    """Return the columns of a query as (name, type), its first rows, and whether there are more.

    Raises RefusedError for what is not one SELECT, and duckdb.Error for one that DuckDB does not run.
    """
    statements = db.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedError("Only one query is run at a time, and it only reads: SELECT, WITH … SELECT or DESCRIBE.")
    cursor = db.execute(statements[0])
    columns = [[column[0], str(column[1])] for column in cursor.description or []]
    rows, size, row = list[list[Any]](), 0, cursor.fetchone()
    while row is not None and len(rows) < row_limit:
        cells = [plain(value, name) for value, (name, _) in zip(row, columns, strict=True)]
        size += len(json.dumps(cells, ensure_ascii=False).encode())
        if size > MOST_BYTES:
            if not rows:
                raise RefusedError(f"The first row alone is larger than {MOST_BYTES:,} bytes. Name fewer columns.")
            break
        rows.append(cells)
        row = cursor.fetchone()
    return {"columns": columns, "rows": rows, "is_cut": row is not None}


def plain(value: Any, name: str = "") -> Any:
    """Return a value as JSON has it: exact, so that a decimal is a text, and an instant in ISO's form.

    With a Z where its `name`, a column's or a key's, is that of an instant in UTC (docs/naming.md): of another one
    without a zone nobody knows whether it is UTC or a local time.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        is_utc = value.tzinfo is None and (name.endswith("_at") or name == "data_as_of")
        return f"{value.isoformat()}{'Z' if is_utc else ''}"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): plain(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, name) for one in value]
    return str(value)


if __name__ == "__main__":
    main()
