"""The one door to the published warehouse file: opened read-only, by its resolved path, in UTC."""

from __future__ import annotations

from pathlib import Path

import duckdb

from warehouse.errors import OpcoError, UserError

# The SQL of a UTC timestamp's day in the time zone `$zone`, as a date that Python has. "For ever" is written as the
# last day of the calendar, which a clock east of Greenwich has passed already.
LOCAL_DAY = """
    case
        when {0} is not null
            then least(
                greatest(timezone($zone, {0} at time zone 'UTC')::date, date '0001-01-01'), date '9999-12-31'
            )
    end
"""


def open_published(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the published DuckDB file at `path` (a file or the link to one) for reading.

    Raises UserError when nothing, or no published warehouse, is there, and OpcoError when the file is
    there but cannot be read: locked by a writer, damaged, or of another file format.
    """
    # The link may be replaced at any moment: what is read, and named in errors, is one build.
    file = path.resolve()
    if not file.exists():
        raise UserError(f"There is no published warehouse at {path}. Make one with: opco build --raw FOLDER")
    if file.is_dir():
        raise UserError(f"{path} is a folder, not a published warehouse. Name the file opco.duckdb in it.")
    try:
        connection = duckdb.connect(str(file), read_only=True)
        connection.execute("set TimeZone = 'UTC'")
        is_published = connection.sql("from duckdb_tables() where table_name = 'warehouse_build'").fetchone()
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise OpcoError(f"The published warehouse {file} cannot be read: {cause}\n{_remedy(cause)}") from error
    if is_published is None:
        connection.close()
        raise UserError(
            f"{path} is a DuckDB file but not a published warehouse: it has no table warehouse_build. "
            "Name the file published/opco.duckdb, made with: opco build --raw FOLDER"
        )
    return connection


def _remedy(cause: str) -> str:
    """Say what to do about DuckDB's message `cause`."""
    if "set lock" in cause or "different configuration" in cause:
        return "Another program holds it open for writing: close that program, then try again."
    if "ermission denied" in cause:
        return "Ask for the right to read this file, then try again."
    return (
        f"DuckDB {duckdb.__version__} reads it here. `opco status` says what is kept, `opco rollback` shows an earlier "
        "build, `opco rebuild` makes the warehouse again from the archive."
    )
