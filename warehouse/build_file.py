"""The build file: the DuckDB file that dbt builds in, always made again from the archive.

Schema `raw` holds views over the archive's Parquet files, so loading copies nothing. A build that goes on from the last
one sees of a growing table only the files that this one had not read.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import duckdb

from warehouse.archive import FileVersion, Manifest, read_manifest
from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError
from warehouse.readers import literal_path
from warehouse.sql import quoted_literal

BUILD_FILE = "opco.duckdb"


@dataclass(frozen=True)
class BuildIdentity:
    """What a build is: its id, its clock, when it was made and of which load. Instants are UTC and aware."""

    build_id: str
    clock_at: datetime
    built_at: datetime
    data_as_of: datetime
    load_number: int


@dataclass(frozen=True)
class Rejects:
    """Rows of one table that one reason rejected, or whose cell it emptied."""

    table_name: str
    reason: str
    row_kept: bool
    count: int


def prepare_build_file(archive: Path, build_file: Path, identity: BuildIdentity, *, goes_on: bool = False) -> None:
    """Write schema `raw` of the build file anew: a view per raw table, what is archived, and what this build is.

    With `goes_on`, the build keeps what the last one made: the views of growing tables hold only files that the last
    build had not read, those of snapshot tables only what was delivered since, and `raw.this_build` says whether
    anything else than growing tables changed since.
    Raises OpcoError when the archive misses a file that its manifest names, or the build file is locked.
    """
    manifest = read_manifest(archive)
    build_file.parent.mkdir(parents=True, exist_ok=True)
    with open_build_file(build_file) as connection:
        connection.execute("begin")
        before = _Delivered()
        if goes_on:
            ((last_load,),) = connection.execute("select load_number from raw.this_build").fetchall()
            before = _Delivered.by(connection, last_load)
        connection.execute("drop schema if exists raw cascade")
        connection.execute("create schema raw")
        _create_raw_files(connection, archive, manifest)
        _create_raw_tables(connection, manifest)
        now = _Delivered.by(connection, identity.load_number)
        _create_this_build(connection, identity, have_snapshots_changed=not before.same_beside_growing(now))
        current, numbers = manifest.current_files(), _file_numbers(manifest)
        for table in raw_tables().values():
            versions = current[table.name]
            if table.keeps_gone:  # what is delivered no more stays as it was last delivered
                versions = [
                    file
                    for file in manifest.files
                    if file.table_name == table.name
                    and (file in versions or file.last_load_number > before.load_number)
                ]
            elif table.is_growing:
                versions = [file for file in versions if numbers[file] not in before.files[table.name]]
            _create_view(connection, archive, table, versions)
        connection.execute("commit")


@dataclass(frozen=True)
class _Delivered:
    """What a build file takes as delivered now: the load, the current files' numbers by table, the delivered tables."""

    files: Mapping[str, frozenset[int]] = field(default_factory=lambda: dict.fromkeys(raw_tables(), frozenset()))
    tables: frozenset[str] = frozenset()
    load_number: int = 0

    @classmethod
    def by(cls, connection: duckdb.DuckDBPyConnection, load_number: int) -> _Delivered:
        """Return what schema `raw` says, as it was made after the load of this number."""
        files: dict[str, set[int]] = {name: set() for name in raw_tables()}
        for table, number in connection.execute(
            "select table_name, file_number from raw.raw_files where is_current"
        ).fetchall():
            files[table].add(number)
        tables = connection.execute("select table_name from raw.raw_tables where is_delivered").fetchall()
        return cls(
            {name: frozenset(numbers) for name, numbers in files.items()},
            frozenset(name for (name,) in tables),
            load_number,
        )

    def same_beside_growing(self, other: _Delivered) -> bool:
        """Whether both hold the same snapshot files and the same tables, so that only growing tables may differ."""
        return self.tables == other.tables and all(
            table.is_growing or self.files[table.name] == other.files[table.name] for table in raw_tables().values()
        )


def _file_numbers(manifest: Manifest) -> dict[FileVersion, int]:
    """Return the number of each file version: its place in the manifest, which only grows."""
    return {version: number for number, version in enumerate(manifest.files, start=1)}


def remove_build_file(build_file: Path) -> None:
    """Remove the build file, whatever state it is in: a full build makes it again from the archive."""
    for path in (build_file, build_file.with_name(f"{build_file.name}.wal")):
        path.unlink(missing_ok=True)
    # What a killed build had laid aside for want of memory.
    shutil.rmtree(build_file.with_name(f"{build_file.name}.tmp"), ignore_errors=True)


def what_is_wrong(build_file: Path) -> str | None:
    """Return why the file that stands there is no build file that a build can go on from; None when it is one.

    Raises OpcoError when another program holds it open for writing.
    """
    try:
        with duckdb.connect(str(build_file), read_only=True) as connection:
            connection.execute("select load_number from raw.this_build").fetchall()
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        if "set lock" in cause:
            open_build_file(build_file, read_only=True).close()
        return f"the build file cannot be read ({cause})"
    return None


def read_rejects(build_file: Path) -> list[Rejects]:
    """Return the counts of the build's `rejected_rows` by table and reason, most first."""
    with open_build_file(build_file, read_only=True) as connection:
        return count_rejects(connection, "marts.rejected_rows")


def count_rejects(connection: duckdb.DuckDBPyConnection, rejected_rows: str) -> list[Rejects]:
    """Return the counts of the table `rejected_rows` (its name, as SQL) by table and reason, most first."""
    rows = connection.execute(
        f"""
        select table_name, reason, row_kept, count(*) as row_count
        from {rejected_rows}
        group by table_name, reason, row_kept
        order by row_count desc, table_name, reason, row_kept
        """
    ).fetchall()
    return [Rejects(*row) for row in rows]


def count_touched(build_file: Path) -> int:
    """Return how many learners the build made anew (rule T8)."""
    with open_build_file(build_file, read_only=True) as connection:
        ((count,),) = connection.execute("select count(*) from intermediate.int_learners__touched").fetchall()
    return int(count)


def open_build_file(build_file: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the build file, in UTC. Raises OpcoError when it cannot be opened, as when a build holds it."""
    try:
        # The newest storage format: texts take a fifth less time to write, and only this DuckDB opens the file.
        connection = duckdb.connect(
            str(build_file), read_only=read_only, config={"storage_compatibility_version": "latest"}
        )
    except duckdb.Error as error:
        raise OpcoError(
            f"{build_file}: the build file cannot be opened ({str(error).splitlines()[0]}). "
            "If another program holds it open, close that program; else make it again from the archive: opco rebuild"
        ) from error
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _archive_path(archive: Path, version: FileVersion) -> Path:
    path = archive.resolve() / version.archive_file
    if not path.exists():
        raise OpcoError(f"{path}: the archive lacks this file, which its manifest names. Restore it from a backup.")
    return path


def _create_raw_files(connection: duckdb.DuckDBPyConnection, archive: Path, manifest: Manifest) -> None:
    current = {version for versions in manifest.current_files().values() for version in versions}
    connection.execute(
        """
        create table raw.raw_files (
            file_number bigint not null, table_name varchar not null, file varchar not null,
            archive_path varchar not null, sha256 varchar not null, row_count bigint not null,
            loaded_at timestamp not null, last_load_number bigint not null, is_current boolean not null
        )
        """
    )
    rows = [
        (
            number,
            version.table_name,
            version.file,
            str(_archive_path(archive, version)),
            version.sha256,
            version.row_count,
            version.loaded_at.rstrip("Z"),
            version.last_load_number,
            version in current,
        )
        for version, number in _file_numbers(manifest).items()
        if version in current or raw_tables()[version.table_name].keeps_gone
    ]
    if rows:
        connection.executemany("insert into raw.raw_files values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _create_raw_tables(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    connection.execute("create table raw.raw_tables (table_name varchar not null, is_delivered boolean not null)")
    current = manifest.current_files()
    connection.executemany(
        "insert into raw.raw_tables values (?, ?)", [(name, bool(versions)) for name, versions in current.items()]
    )


def _create_this_build(
    connection: duckdb.DuckDBPyConnection, identity: BuildIdentity, *, have_snapshots_changed: bool
) -> None:
    connection.execute(
        """
        create table raw.this_build as
        select
            $build_id as build_id,
            timezone('UTC', cast($clock_at as timestamptz)) as clock_at,
            timezone('UTC', cast($built_at as timestamptz)) as built_at,
            timezone('UTC', cast($data_as_of as timestamptz)) as data_as_of,
            cast($load_number as bigint) as load_number,
            $opco_version as opco_version,
            $duckdb_version as duckdb_version,
            cast($have_snapshots_changed as boolean) as have_snapshots_changed
        """,
        {
            "build_id": identity.build_id,
            "clock_at": identity.clock_at.isoformat(),
            "built_at": identity.built_at.isoformat(),
            "data_as_of": identity.data_as_of.isoformat(),
            "load_number": identity.load_number,
            "opco_version": version("opco-warehouse"),
            "duckdb_version": duckdb.__version__,
            "have_snapshots_changed": have_snapshots_changed,
        },
    )


def _create_view(
    connection: duckdb.DuckDBPyConnection, archive: Path, table: RawTable, versions: Sequence[FileVersion]
) -> None:
    cells = "".join(f", records.{name}" for name in table.column_names)
    if versions:
        paths = ", ".join(quoted_literal(literal_path(_archive_path(archive, version))) for version in versions)
        options = "filename = 'archive_path', union_by_name = true, hive_partitioning = false"
        records = f"read_parquet([{paths}], {options})"
    else:
        nulls = "".join(f", cast(null as varchar) as {name}" for name in table.column_names)
        records = (
            "(select cast(null as varchar) as file, cast(null as bigint) as line, "
            "cast(null as varchar) as malformed_line, cast(null as varchar[]) as unfit_columns, "
            f"cast(null as varchar) as archive_path{nulls} where false)"
        )
    connection.execute(
        f"""
        create view raw.{table.name} as
        select
            records.file, records.line, records.malformed_line, records.unfit_columns,
            raw_files.file_number, raw_files.loaded_at, raw_files.last_load_number, raw_files.is_current{cells}
        from {records} as records
        inner join raw.raw_files as raw_files on records.archive_path = raw_files.archive_path
        """
    )
