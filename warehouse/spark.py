"""The second engine: a session of Spark in which dbt builds the same models over the same archive.

Schema `raw` is prepared in the build file, written as Parquet and given to Spark; the archive's own Parquet files are
read where they are. What the models make lies as Parquet in the build's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.build_file import open_build_file
from warehouse.contract import RawTable, raw_tables
from warehouse.sql import quoted_literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMAS = ("raw", "staging", "intermediate", "marts")
# What makes Spark read the models as DuckDB does (docs/scaling.md says what each is for).
SQL_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.cteRecursionLevelLimit": "100000",
    "spark.sql.cteRecursionRowLimit": "-1",
    "spark.sql.parquet.compression.codec": "zstd",
}
# What the loader writes beside the columns of the contract, in every archived file.
RECORD_COLUMNS = {
    "file": "string",
    "line": "bigint",
    "malformed_line": "string",
    "unfit_columns": "array<string>",
}


def open_local_session(folder: Path, *, threads: int, memory: str) -> SparkSession:
    """Return a session in a JVM of this process's own, which keeps what it lays aside below `folder`.

    `memory` is the JVM's, such as `2g`. Tables stand in no catalog but the session's.
    """
    from pyspark.sql import SparkSession

    settings = {
        "spark.master": f"local[{threads}]",
        "spark.driver.memory": memory,
        "spark.local.dir": str(folder / "spill"),
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.sql.shuffle.partitions": str(2 * threads),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.appName("opco")
    for name, value in (settings | SQL_SETTINGS).items():
        builder = builder.config(name, value)
    session: SparkSession = builder.getOrCreate()
    return session


def create_raw(session: SparkSession, build_file: Path, archive: str, folder: Path) -> None:
    """Make the schemas that the models are built in, below `folder`, and in them what the prepared build file says.

    `archive` is the path or URL at which Spark finds the archive. Schema `raw` gets the tables of the build file's, and
    of each delivered table a view over its archived files, of which only those count that the build reads.
    """
    for schema in SCHEMAS:
        session.sql(f"drop schema if exists {schema} cascade")
        session.sql(f"create schema {schema} location {_text(str(folder / schema))}")
    with open_build_file(build_file, read_only=True) as db:
        tables = [
            name
            for (name,) in db.execute(
                "select table_name from duckdb_tables() where schema_name = 'raw' order by table_name"
            ).fetchall()
        ]
        for name in tables:
            target = folder / "raw" / name
            target.mkdir(parents=True)
            db.execute(f"copy raw.{name} to {quoted_literal(target / 'rows.parquet')} (format parquet)")
        read = dict(
            db.execute("select table_name, count(*) from raw.raw_files where is_read group by table_name").fetchall()
        )
    for name in tables:
        session.sql(f"create table raw.{name} using parquet location {_text(str(folder / 'raw' / name))}")
    for table in raw_tables().values():
        _create_records(session, table, f"{archive}/{table.name}" if read.get(table.name) else None)


def _create_records(session: SparkSession, table: RawTable, location: str | None) -> None:
    """Create the view of a delivered table, over the archived files at `location`; without it, over none."""
    types = RECORD_COLUMNS | dict.fromkeys(table.column_names, "string")
    if location is None:
        nulls = ", ".join(f"cast(null as {type_}) as {name}" for name, type_ in types.items())
        records = f"select {nulls}, cast(null as string) as file_name where false"
    else:
        # What was archived before the contract listed a column lacks it: with the types said here it is null.
        columns = ", ".join(f"{name} {type_}" for name, type_ in types.items())
        archived = f"raw.archived_{table.name}"
        session.sql(f"create table {archived} ({columns}) using parquet location {_text(location)}")
        records = f"select {', '.join(types)}, _metadata.file_name as file_name from {archived}"
    cells = "".join(f", records.{name}" for name in table.column_names)
    session.sql(
        f"""
        create view raw.{table.name} as
        select
            records.file, records.line, records.malformed_line, records.unfit_columns,
            raw_files.file_number, raw_files.loaded_at, raw_files.last_load_number, raw_files.is_current{cells}
        from ({records}) as records
        inner join raw.raw_files as raw_files
            on records.file_name = element_at(split(raw_files.archive_path, '/'), -1) and raw_files.is_read
        """
    )


def _text(text: str) -> str:
    """Return `text` as one string of Spark's SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
