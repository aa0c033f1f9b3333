"""The second engine: a session of Spark in which dbt builds the same models over the same archive.

Schema `raw` is prepared in the build file, written as Parquet and given to Spark; the archive's own Parquet files are
read where they are. What the models make lies as Parquet in the build's folder.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.build_file import open_build_file, view_of_records
from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.readers import literal_path
from warehouse.sql import quoted_identifier, quoted_literal

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
# Java of each query, and plans that are looked at again half-way, take minutes to make whatever there is to compute.
FEW_ROWS = 1_000_000
SETTINGS_OF_FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
}
# How often a cluster that does not answer is asked again: 17 seconds as a build begins, a minute when it is at work.
CALLS_AT_FIRST, CALLS_LATER = 5, 6
# What the loader writes beside the columns of the contract, in every archived file.
RECORD_COLUMNS = {
    "file": "string",
    "line": "bigint",
    "malformed_line": "string",
    "unfit_columns": "array<string>",
}


@contextmanager
def spark_session(
    folder: Path,
    log: Path,
    *,
    rows: int = 0,
    remote: str | None = None,
    threads: int = 2,
    memory: int = 2_000_000_000,
) -> Iterator[SparkSession]:
    """Yield a session of Spark, in which dbt finds itself: of the cluster at `remote` (`sc://…`), else of a JVM here.

    `rows` is how many were delivered: few are computed without making Java of each query. A JVM here works with
    `threads`, takes `memory` bytes, lays aside below `folder` what is more, writes what it says to the file `log`, and
    ends with the session. Tables stand in no catalog that outlives it. Raises OpcoError where no session begins.
    """
    require_spark(remote)
    from pyspark.sql import SparkSession

    # It would print each query that Spark refuses, with the JVM's stack, beside the error that is raised.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    # dbt asks each time for Hive's catalog, which a cluster has or has not; the session goes on without.
    warnings.filterwarnings("ignore", "Failed to set spark.sql.catalogImplementation")

    builder = SparkSession.builder.appName("opco")
    local = {
        "spark.master": f"local[{threads}]",
        "spark.driver.memory": f"{memory // 1024**2}m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(folder / "spill"),
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.sql.shuffle.partitions": str(2 * threads),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    few = SETTINGS_OF_FEW_ROWS if rows < FEW_ROWS else {}
    for name, value in (({} if remote else local) | SQL_SETTINGS | few).items():
        builder = builder.config(name, value)
    session = None
    try:
        try:
            with _said_to(log):
                if remote:
                    # Whoever asks for the session that there is has to know its address: dbt goes by the variable.
                    os.environ["SPARK_REMOTE"] = remote
                    # This asks nothing yet; the settings do, and once: a query would be asked twice as long.
                    session = SparkSession.builder.getOrCreate()
                    _ask_patiently(session, CALLS_AT_FIRST)
                session = builder.getOrCreate()
                if remote:
                    _ask_patiently(session, CALLS_LATER)
                session.sql("select 1").collect()
        except Exception as error:
            if remote and session is not None:
                # Nor is it asked again to let the session go.
                _ask_patiently(session, 0)
            where = f"at {_without_token(remote)}" if remote else f"in this machine's Java (its words are in {log})"
            raise OpcoError(
                f"No session of Spark begins {where}: {first_line(error)}\n"
                "Nothing was built, and what was published before stays. "
                + (
                    "See that the cluster runs and can be reached from here, or build without it: --engine duckdb"
                    if remote
                    else "Give it less memory (build.memory_limit), or build with --engine duckdb"
                )
            ) from error
        yield session
    finally:
        os.environ.pop("SPARK_REMOTE", None)
        _end(session, is_local=remote is None)


def require_spark(remote: str | None) -> None:
    """Raise UserError where this environment has no Spark, or no Java for a session of its own."""
    if missing := [name for name in ("pyspark", "dbt.adapters.spark") if find_spec(name) is None]:
        raise UserError(
            f"Spark is asked for (build.engine), and this environment has no {missing[0]}. Nothing was built.\n"
            "Set the other environment up (make setup-spark) and use its program, .venv-spark/bin/opco; "
            "or build with --engine duckdb"
        )
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if os.environ.get("JAVA_HOME") else which("java")
    if remote is None and (java is None or not Path(java).is_file()):
        raise UserError(
            "Spark is asked for (build.engine), and there is no Java here (JAVA_HOME, or java on the PATH). "
            "Nothing was built.\nInstall one: apt-get install openjdk-17-jre-headless; or name a cluster "
            "(OPCO_SPARK_REMOTE=sc://HOST), or build with --engine duckdb"
        )


def is_alive(session: SparkSession) -> bool:
    """Whether the session still answers: its JVM or its cluster may be gone."""
    try:
        session.sql("select 1").collect()
    except Exception:
        return False
    return True


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of Spark's says: plans and stack traces follow it.

    Of a call that a cluster did not answer, the cause, which stands further down.
    """
    if cause := re.search(r'details = "(.+)"', str(error)):
        return cause[1]
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _ask_patiently(session: Any, calls: int) -> None:
    """Let what a cluster does not answer be asked again so many times, each after four times the pause before."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session.client.set_retry_policies([DefaultPolicy(max_retries=calls)])


def _without_token(remote: str) -> str:
    return remote.split(";", maxsplit=1)[0]


@contextmanager
def _said_to(log: Path) -> Iterator[None]:
    """Let what a process that is begun meanwhile prints, then and later, go to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        with log.open("wb") as stream:
            for number in kept:
                os.dup2(stream.fileno(), number)
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def _end(session: SparkSession | None, *, is_local: bool) -> None:
    """End a session, and the JVM that ran it here, alive or not."""
    with suppress(Exception):
        if session is not None:
            session.stop()
    if not is_local:
        return
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = None
    if gateway is not None:
        with suppress(Exception):
            gateway.shutdown()
        # It ends when nobody can speak to it any more.
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=60)


def export_raw(build_file: Path, folder: Path) -> None:
    """Write the tables of the prepared build file's schema `raw` as Parquet, one folder each, below `folder`."""
    with open_build_file(build_file, read_only=True) as db:
        tables = db.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        for (name,) in tables:
            target = folder / "raw" / name
            target.mkdir(parents=True)
            db.execute(f"copy raw.{name} to {quoted_literal(target / 'rows.parquet')} (format parquet)")


def create_raw(session: SparkSession, build_file: Path, archive: str, work: str) -> None:
    """Make the schemas that the models are built in, at `work`, and in them what the prepared build file says.

    `archive` and `work` are paths or URLs as Spark knows them; what `export_raw` wrote lies at `work`. Schema `raw`
    gets these tables, and of each delivered table a view over its archived files, of which only those count that the
    build reads.
    """
    for schema in SCHEMAS:
        session.sql(f"drop schema if exists {schema} cascade")
        session.sql(f"create schema {schema} location {_text(f'{work}/{schema}')}")
    with open_build_file(build_file, read_only=True) as db:
        tables = db.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        read = dict(
            db.execute("select table_name, count(*) from raw.raw_files where is_read group by table_name").fetchall()
        )
    for (name,) in tables:
        session.sql(f"create table raw.{name} using parquet location {_text(f'{work}/raw/{name}')}")
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
    is_of_file = "records.file_name = element_at(split(raw_files.archive_path, '/'), -1) and raw_files.is_read"
    session.sql(view_of_records(table, records, is_of_file))


@dataclass(frozen=True)
class BuiltTable:
    """A table that Spark built: Parquet files in `folder`."""

    schema: str
    name: str
    folder: Path

    @property
    def byte_count(self) -> int:
        """What it takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*.parquet"))

    def query(self, types: Mapping[str, str]) -> str:
        """Return the SQL of DuckDB's that reads it, with `types` for the columns that they name."""
        files = quoted_literal(f"{literal_path(self.folder)}/*.parquet")
        source = f"read_parquet({files}, hive_partitioning = false)"
        with duckdb.connect() as db:
            names = [name for name, *_ in db.execute(f"describe from {source}").fetchall()]
        cells = [
            f"cast({quoted_identifier(name)} as {types[name]}) as {quoted_identifier(name)}"
            if name in types
            else quoted_identifier(name)
            for name in names
        ]
        return f"select {', '.join(cells)} from {source}"


def built_tables(folder: Path) -> list[BuiltTable]:
    """Return the tables that a build made below its folder."""
    return [
        BuiltTable(schema, path.name, path)
        for schema in SCHEMAS[1:]
        for path in sorted((folder / schema).glob("*"))
        if path.is_dir()
    ]


def view_parquet(build_file: Path, tables: Mapping[BuiltTable, Mapping[str, str]]) -> None:
    """Make a view in the build file of each table that Spark built, with types for the columns that they name."""
    with open_build_file(build_file) as db:
        for table, types in tables.items():
            db.execute(f"create schema if not exists {table.schema}")
            db.execute(f"create view {table.schema}.{table.name} as {table.query(types)}")


def describe_views(build_file: Path, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Put what dbt's `nodes` say of a mart and its columns beside its view in the build file, as comments."""
    with open_build_file(build_file) as db:
        for node in nodes:
            db.execute(f"comment on view marts.{node['alias']} is {quoted_literal(node['description'])}")
            for name, column in node["columns"].items():
                target = f"marts.{node['alias']}.{quoted_identifier(name)}"
                db.execute(f"comment on column {target} is {quoted_literal(column['description'])}")


def _text(text: str) -> str:
    """Return `text` as one string of Spark's SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
