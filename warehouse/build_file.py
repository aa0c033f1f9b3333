"""The build file: the DuckDB file that dbt builds in, always made again from the archive.

Schema `raw` holds views over the archive's Parquet files, so loading copies nothing. A build that goes on from the last
one sees of a growing table only the files that this one had not read.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import duckdb

from warehouse.archive import FileVersion, Manifest, missing_file, read_manifest
from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.project import RULES_EDITION
from warehouse.readers import literal_path
from warehouse.sql import quoted_literal

BUILD_FILE = "opco.duckdb"
SPARK_FOLDER = "spark"


@dataclass(frozen=True)
class BuildIdentity:
    """What a build is: its id, its clock, when it was made and of which load. Instants are UTC and aware."""

    build_id: str
    clock_at: datetime
    built_at: datetime
    data_as_of: datetime
    load_number: int


@dataclass(frozen=True)
class Changes:
    """What schema `raw` holds that is not what the last build read: all of it where no build is gone on from.

    `tables` are the raw tables of which a file came, went or has another content since, or whose rows another version
    of this program read.
    """

    have_snapshots_changed: bool
    tables: frozenset[str]


@dataclass(frozen=True)
class ListedDocument:
    """A document as one issue's manifest lists it.

    `event` is what that issue did: `made`, `kept` (a document of an earlier issue) or `cancelled`. Days are ISO dates,
    instants UTC as text; of a manifest that does not say when it was made, `issued_at` is None. Of a cancelled
    document, what the manifest no longer says is None.
    """

    document_kind: str
    session_id: str
    month: str | None
    issue_number: int
    issued_at: str | None
    build_id: str
    rules_edition: int
    user_id: str
    document_id: str
    event: Literal["made", "kept", "cancelled"]
    issued_on: str
    attested_seconds: int
    replaced_document_id: str | None = None
    cancelled_reason: str | None = None
    data_as_of: str | None = None
    page_count: int | None = None
    pdf_sha256: str | None = None


@dataclass(frozen=True)
class Rejects:
    """Rows of one table that one reason rejected, or whose cell it nulled."""

    table_name: str
    reason: str
    row_kept: bool
    count: int


@dataclass(frozen=True)
class GoneRows:
    """Rows of one growing table that one load made gone.

    They stay and count as before (`is_kept`), or their ids say something else now and they count no more. `days` holds
    how many there are of each day (ISO, where a person reads; None: no date), in order.
    """

    table_name: str
    load_number: int
    is_kept: bool
    count: int
    days: list[tuple[str | None, int]]


def prepare_build_file(
    archive: Path,
    build_file: Path,
    identity: BuildIdentity,
    *,
    incremental: bool = False,
    identities: Mapping[str, int] | None = None,
    issued: Sequence[ListedDocument] = (),
) -> Changes:
    """Rewrite schema `raw` of the build file: a view per raw table, what is archived, and what this build is.

    Return what changed since the last build.

    `identities` gives accounts (user ids) the number of their learner: accounts of one number are one person. `issued`
    is what the manifests of issues list.

    The views hold every version of every file: what is delivered no more may stay. An `incremental` build keeps what
    the last one made: the views of growing tables hold only versions that were delivered since and that the last build
    had not read as delivered, those of snapshot tables only what was delivered since.
    Raises OpcoError when the archive misses a file that its manifest names, or the build file is locked.
    """
    manifest = read_manifest(archive)
    build_file.parent.mkdir(parents=True, exist_ok=True)
    with open_build_file(build_file) as db:
        db.execute("begin")
        before, is_same_version = _Delivered(), False
        if incremental:
            ((last_load, opco_version),) = db.execute("select load_number, opco_version from raw.this_build").fetchall()
            before = _Delivered.by(db, last_load)
            is_same_version = opco_version == version("opco-warehouse")
        db.execute("drop schema if exists raw cascade")
        db.execute("create schema raw")
        current = {version for versions in manifest.current_files().values() for version in versions}
        numbers = manifest.numbers
        read = [one for one in manifest.held_files if _is_read(one, numbers[one], one in current, before)]
        _create_raw_files(db, archive, manifest, read)
        _create_raw_tables(db, manifest)
        now = _Delivered.by(db, identity.load_number)
        changed = before.tables_unlike(now, manifest)
        have_snapshots_changed = before.tables != now.tables or any(
            not raw_tables()[name].is_growing for name in changed
        )
        _create_this_build(
            db,
            identity,
            earlier_load_number=before.load_number,
            have_snapshots_changed=have_snapshots_changed,
        )
        _create_identities(db, identities or {})
        _create_raw_loads(db, manifest)
        _create_issued_documents(db, issued)
        for table in raw_tables().values():
            _create_view(db, archive, table, [one for one in read if one.table_name == table.name])
        if incremental:
            _move_load_numbers(db, [one for one in raw_tables().values() if one.name not in changed])
        db.execute("commit")
    return Changes(have_snapshots_changed, changed if is_same_version else frozenset(raw_tables()))


def _is_read(version: FileVersion, number: int, is_current: bool, before: _Delivered) -> bool:
    """Whether an incremental build on what `before` holds reads the version; a full refresh reads all."""
    is_new = version.last_load_number > before.load_number
    if raw_tables()[version.table_name].is_growing:
        return is_new and number not in before.files[version.table_name]
    return is_new or is_current


@dataclass(frozen=True)
class _Delivered:
    """What a build file takes as delivered now: the load, the current files' numbers by table, the delivered tables."""

    files: Mapping[str, frozenset[int]] = field(default_factory=lambda: dict.fromkeys(raw_tables(), frozenset()))
    tables: frozenset[str] = frozenset()
    load_number: int = 0

    @classmethod
    def by(cls, db: duckdb.DuckDBPyConnection, load_number: int) -> _Delivered:
        """Return what schema `raw` says, as it was made after the load of this number."""
        files: dict[str, set[int]] = {name: set() for name in raw_tables()}
        for table, number in db.execute(
            "select table_name, file_number from raw.raw_files where is_current"
        ).fetchall():
            files[table].add(number)
        tables = db.execute("select table_name from raw.raw_tables where is_delivered").fetchall()
        return cls(
            {name: frozenset(numbers) for name, numbers in files.items()},
            frozenset(name for (name,) in tables),
            load_number,
        )

    def tables_unlike(self, other: _Delivered, manifest: Manifest) -> frozenset[str]:
        """Return the tables of which `other` holds other files, or loads since brought others in between."""
        in_between = {
            version.table_name
            for version, number in manifest.numbers.items()
            if version.last_load_number > self.load_number and number not in self.files[version.table_name]
        }
        return frozenset(
            name
            for name in raw_tables()
            if name in in_between
            or self.files[name] != other.files[name]
            or (name in self.tables) != (name in other.tables)
        )


def _move_load_numbers(db: duckdb.DuckDBPyConnection, unchanged: Sequence[RawTable]) -> None:
    """Let the rows of snapshot tables that were delivered again as they were be of the last load that did.

    Nothing else of them is another, so that no model is run for it.
    """
    for table in unchanged:
        if not table.is_growing:
            db.execute(
                f"""
                update staging.stg_{table.name} as staged set last_load_number = files.last_load_number
                from raw.raw_files as files
                where staged.file_number = files.file_number and files.is_current
                """
            )
        if table.name == "users":
            db.execute(
                """
                update staging.stg_users set last_present_load_number = this_build.load_number
                from raw.this_build as this_build
                where last_present_load_number = this_build.earlier_load_number
                """
            )


def remove_build_file(build_file: Path) -> None:
    """Remove the build file, whatever state it is in: a full refresh rebuilds it from the archive."""
    for path in (build_file, build_file.with_name(f"{build_file.name}.wal")):
        path.unlink(missing_ok=True)
    # What a build on Spark made, of which the file holds views.
    shutil.rmtree(build_file.with_name(SPARK_FOLDER), ignore_errors=True)
    # What a killed build had laid aside when memory ran short.
    shutil.rmtree(build_file.with_name(f"{build_file.name}.tmp"), ignore_errors=True)


def what_is_wrong(build_file: Path) -> str | None:
    """Return why no incremental build can start from the file that is there; None when one can.

    Raises OpcoError when another program holds it open for writing.
    """
    try:
        with duckdb.connect(str(build_file), read_only=True) as db:
            db.execute("select load_number from raw.this_build").fetchall()
            marks = "select 1 from duckdb_tables() where schema_name = 'raw' and table_name = 'built_by_hand'"
            if db.execute(marks).fetchall():
                return "dbt was run on the build file by hand"
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        if "set lock" in cause:
            open_build_file(build_file, read_only=True).close()
        return f"the build file cannot be read ({cause})"
    return None


def read_rejects(build_file: Path) -> list[Rejects]:
    """Return the counts of the build's `rejected_rows` by table and reason, most first."""
    with open_build_file(build_file, read_only=True) as db:
        return count_rejects(db, "marts.rejected_rows")


def count_rejects(db: duckdb.DuckDBPyConnection, rejected_rows: str) -> list[Rejects]:
    """Return the counts of the table `rejected_rows` (its name, as SQL) by table and reason, most first."""
    rows = db.execute(
        f"""
        select table_name, reason, row_kept, count(*) as row_count
        from {rejected_rows}
        group by table_name, reason, row_kept
        order by row_count desc, table_name, reason, row_kept
        """
    ).fetchall()
    return [Rejects(*row) for row in rows]


def read_gone(build_file: Path) -> list[GoneRows]:
    """Return what the loads since the build before made gone; after a full refresh, what the last load did."""
    with open_build_file(build_file, read_only=True) as db:
        return gone_since(
            db,
            "marts.gone_rows",
            """
            (select case when earlier_load_number = 0 then load_number - 1 else earlier_load_number end
             from raw.this_build)
            """,
        )


def gone_since(db: duckdb.DuckDBPyConnection, gone_rows: str, earlier_load: str) -> list[GoneRows]:
    """Return what the loads after `earlier_load` made gone; both are SQL, a table's name and a number."""
    rows = db.execute(
        f"""
        with by_day as (
            select table_name, load_number, is_kept, strftime(happened_on, '%Y-%m-%d') as day, count(*) as row_count
            from {gone_rows}
            where load_number > {earlier_load}
            group by all
        )

        select
            table_name, load_number, is_kept, cast(sum(row_count) as bigint),
            list((day, row_count) order by day nulls last)
        from by_day
        group by table_name, load_number, is_kept
        order by load_number, table_name, is_kept desc
        """
    ).fetchall()
    return [GoneRows(*row) for row in rows]


def read_conflicts(build_file: Path) -> dict[str, int]:
    """Return how many delivered rows of each table say something else than another of their key; none left out."""
    with open_build_file(build_file, read_only=True) as db:
        return dict(
            db.execute(
                "select table_name, conflicting from marts.load_reconciliation where conflicting > 0 order by all"
            ).fetchall()
        )


def count_affected_learners(build_file: Path) -> int:
    """Return how many learners the build rebuilt (rule T8)."""
    with open_build_file(build_file, read_only=True) as db:
        ((count,),) = db.execute("select count(*) from intermediate.int_learners__affected").fetchall()
    return int(count)


def open_build_file(build_file: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the build file, in UTC. Raises OpcoError when it cannot be opened, as when a build holds it."""
    try:
        # The newest storage format: texts take a fifth less time to write, and only this DuckDB opens the file.
        db = duckdb.connect(str(build_file), read_only=read_only, config={"storage_compatibility_version": "latest"})
    except duckdb.Error as error:
        raise OpcoError(
            f"{build_file}: the build file cannot be opened ({str(error).splitlines()[0]}). "
            "If another program holds it open, close that program; else make it again from the archive: opco rebuild"
        ) from error
    db.execute("set TimeZone = 'UTC'")
    return db


def _archive_path(archive: Path, version: FileVersion) -> Path:
    path = archive.resolve() / version.archive_file
    if not path.exists():
        raise missing_file(path)
    return path


def _create_raw_files(
    db: duckdb.DuckDBPyConnection, archive: Path, manifest: Manifest, read: Sequence[FileVersion]
) -> None:
    current = {version for versions in manifest.current_files().values() for version in versions}
    db.execute(
        """
        create table raw.raw_files (
            file_number bigint not null, table_name varchar not null, file varchar not null,
            archive_path varchar not null, sha256 varchar not null, row_count bigint not null,
            loaded_at timestamp not null, last_load_number bigint not null, is_current boolean not null,
            is_read boolean not null
        );
        create table raw.raw_deliveries (
            file_number bigint not null, table_name varchar not null,
            first_load_number bigint not null, last_load_number bigint not null
        )
        """
    )
    numbers, stood_until, is_read = manifest.numbers, manifest.stood_until(), set(read)
    held = manifest.held_files
    rows = [
        (
            numbers[version],
            version.table_name,
            version.file,
            str(_archive_path(archive, version)),
            version.sha256,
            version.row_count,
            version.loaded_at.rstrip("Z"),
            stood_until[version],
            version in current,
            version in is_read,
        )
        for version in held
    ]
    deliveries = [
        (numbers[version], version.table_name, first, last)
        for version in held
        for first, last in manifest.delivered_in(version)
    ]
    if rows:
        db.executemany("insert into raw.raw_files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("insert into raw.raw_deliveries values (?, ?, ?, ?)", deliveries)


def _create_raw_tables(db: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    db.execute("create table raw.raw_tables (table_name varchar not null, is_delivered boolean not null)")
    current = manifest.current_files()
    db.executemany(
        "insert into raw.raw_tables values (?, ?)", [(name, bool(versions)) for name, versions in current.items()]
    )


def _create_identities(db: duckdb.DuckDBPyConnection, identities: Mapping[str, int]) -> None:
    db.execute("create table raw.identities (user_id varchar not null, learner_number bigint not null)")
    db.execute(
        "insert into raw.identities select unnest(cast($ids as varchar[])), unnest(cast($numbers as bigint[]))",
        {"ids": list(identities), "numbers": list(identities.values())},
    )


def _create_raw_loads(db: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    history = {"users", "user_custom_field_values"}
    cleaned = [one for one in manifest.files if one.table_name in history and one.removed_at is not None]
    lacking = {
        number
        for version in cleaned
        for first, last in manifest.delivered_in(version)
        for number in range(first, last + 1)
    }
    db.execute(
        """
        create table raw.raw_loads as
        select
            unnest(cast($numbers as bigint[])) as load_number,
            unnest(cast($instants as timestamp[])) as loaded_at,
            unnest(cast($has_all_users as boolean[])) as has_all_users
        """,
        {
            "numbers": [load.load_number for load in manifest.loads],
            "instants": [load.loaded_at.rstrip("Z") for load in manifest.loads],
            "has_all_users": [load.load_number not in lacking for load in manifest.loads],
        },
    )


def _create_issued_documents(db: duckdb.DuckDBPyConnection, issued: Sequence[ListedDocument]) -> None:
    types = {
        "issue_number": "bigint",
        "issued_at": "timestamp",
        "rules_edition": "bigint",
        "issued_on": "date",
        "data_as_of": "timestamp",
        "attested_seconds": "bigint",
        "page_count": "bigint",
    }
    columns = [one.name for one in fields(ListedDocument)]
    unnested = ", ".join(
        f"unnest(cast(${column} as {types.get(column, 'varchar')}[])) as {column}" for column in columns
    )
    db.execute(
        f"create table raw.issued_documents as select {unnested}",
        {column: [getattr(one, column) for one in issued] for column in columns},
    )


def _create_this_build(
    db: duckdb.DuckDBPyConnection,
    identity: BuildIdentity,
    *,
    earlier_load_number: int,
    have_snapshots_changed: bool,
) -> None:
    db.execute(
        """
        create table raw.this_build as
        select
            $build_id as build_id,
            timezone('UTC', cast($clock_at as timestamptz)) as clock_at,
            timezone('UTC', cast($built_at as timestamptz)) as built_at,
            timezone('UTC', cast($data_as_of as timestamptz)) as data_as_of,
            cast($load_number as bigint) as load_number,
            $opco_version as opco_version,
            cast($rules_edition as bigint) as rules_edition,
            $duckdb_version as duckdb_version,
            cast($earlier_load_number as bigint) as earlier_load_number,
            cast($have_snapshots_changed as boolean) as have_snapshots_changed
        """,
        {
            "build_id": identity.build_id,
            "clock_at": identity.clock_at.isoformat(),
            "built_at": identity.built_at.isoformat(),
            "data_as_of": identity.data_as_of.isoformat(),
            "load_number": identity.load_number,
            "opco_version": version("opco-warehouse"),
            "rules_edition": RULES_EDITION,
            "duckdb_version": duckdb.__version__,
            "earlier_load_number": earlier_load_number,
            "have_snapshots_changed": have_snapshots_changed,
        },
    )


def _create_view(
    db: duckdb.DuckDBPyConnection, archive: Path, table: RawTable, versions: Sequence[FileVersion]
) -> None:
    nulls = "".join(f", cast(null as varchar) as {name}" for name in table.column_names)
    records = (
        "select cast(null as varchar) as file, cast(null as bigint) as line, "
        "cast(null as varchar) as malformed_line, cast(null as varchar[]) as unfit_columns, "
        f"cast(null as varchar) as archive_path{nulls} where false"
    )
    if versions:
        paths = ", ".join(quoted_literal(literal_path(_archive_path(archive, version))) for version in versions)
        options = "filename = 'archive_path', union_by_name = true, hive_partitioning = false"
        # What was archived before the contract listed a column lacks it: the empty relation gives it.
        records += f" union all by name from read_parquet([{paths}], {options})"
    db.execute(view_of_records(table, records, "records.archive_path = raw_files.archive_path"))


def view_of_records(table: RawTable, records: str, condition: str) -> str:
    """Return the SQL, of either engine, of the view of a delivered table over its archived `records`.

    `condition` joins these to the file in `raw.raw_files` that each is of.
    """
    cells = "".join(f", records.{name}" for name in table.column_names)
    return f"""
        create view raw.{table.name} as
        select
            records.file, records.line, records.malformed_line, records.unfit_columns,
            raw_files.file_number, raw_files.loaded_at, raw_files.last_load_number, raw_files.is_current{cells}
        from ({records}) as records
        inner join raw.raw_files as raw_files on {condition}
        """


def needed_versions(build_file: Path, last_load_number: int) -> set[int]:
    """Return the numbers of the file versions of which the last build holds a row that stays, or may come to count.

    What staging holds of earlier versions is just that. Raises UserError where the last load was not built: what its
    deliveries left to earlier versions is not known then.
    """
    tables = [f"select file_number from staging.stg_{name}" for name in raw_tables()]
    tables.append("select last_present_file_number from staging.stg_users")
    # What a learner's history is read from: all that the loads delivered in which a state of a learner began.
    tables.append(
        """
        select deliveries.file_number
        from raw.raw_deliveries as deliveries
        inner join (select distinct load_number from staging.stg_user_states) as states
            on states.load_number between deliveries.first_load_number and deliveries.last_load_number
        where deliveries.table_name in ('users', 'user_custom_field_values')
        """
    )
    try:
        with open_build_file(build_file, read_only=True) as db:
            # The marts name their build last: one that stopped half-way is not it.
            whole = db.execute(
                "select this_build.load_number from raw.this_build semi join marts.warehouse_build using (build_id)"
            ).fetchall()
            rows = db.execute(" union ".join(tables)).fetchall()
    except duckdb.CatalogException:
        whole, rows = [], []
    if whole != [(last_load_number,)]:
        raise UserError(
            "The last build does not hold the last load, so it is not known which earlier versions of files are still "
            "needed: nothing was cleaned. Build first: opco rebuild"
        )
    return {number for (number,) in rows if number is not None}
