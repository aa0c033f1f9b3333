"""Publishing: the marts alone, in a new compact file, shown to readers by one atomic rename of a link."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from warehouse.archive import INSTANT
from warehouse.errors import OpcoError
from warehouse.files import make_folder, sha256_of, written_atomically
from warehouse.published import (
    BUILDS,
    LINK,
    SUFFIX,
    BuildRecord,
    fault_of,
    parquet_of,
    read_record,
    record_of,
    remove_older,
    set_link,
    write_record,
)
from warehouse.readers import literal_path
from warehouse.sql import quoted_identifier, quoted_literal
from warehouse.steps import TellStep, tell_nobody, told
from warehouse.views import create_views

# What a file needs beside the blocks of its tables.
ROOM_TO_SPARE = 16 * 1024 * 1024
WRITING = 0o222
# What tools draw a diagram from. Of tables that others point to, and of code lists.
PRIMARY_KEYS = {
    "connection_flags": "flag",
    "dim_assessments": "assessment_id",
    "dim_courses": "course_id",
    "dim_custom_fields": "custom_field_id",
    "dim_dates": "day_on",
    "dim_groups": "group_id",
    "dim_learners": "user_id",
    "dim_program_sessions": "session_id",
    "end_kinds": "end_kind",
    "evidence_levels": "evidence_level",
    "follow_up_measures": "measure",
    "follow_up_reasons": "follow_up_reason",
    "follow_up_statuses": "follow_up_status",
    "reject_reasons": "reason",
}
# A mart that is a view in the build file is larger than a file should be; its rows become Parquet files of this size.
PARQUET_FILE_SIZE = "512MB"
LEARNER, SESSION = ("user_id", "dim_learners"), ("session_id", "dim_program_sessions")
# Column and table that it points to, of tables with a row per learner and session at most: DuckDB keeps an index for
# each, which on lines, days and steps would take a multiple of the rest (0174).
FOREIGN_KEYS = {
    "bridge_group_members": (("group_id", "dim_groups"), LEARNER),
    "bridge_session_instructors": (SESSION, LEARNER),
    "fct_enrollments": (LEARNER, SESSION),
    "fct_learner_follow_up": (LEARNER, SESSION),
    "fct_learner_sessions": (LEARNER, SESSION),
    "fct_program_session_indicators": (SESSION,),
    "fct_program_sessions": (SESSION,),
}
# The order of rows in a table means nothing, and to keep one takes a third of the copying. A learner's days stand
# together all the same: a page then reads these and no other's, and the table is a fifth smaller (0180).
ORDERED = {"fct_learner_days": "user_id"}
# Tables that have a column for each custom field.
WITH_CUSTOM_FIELDS = ("dim_learners", "fct_opco_connections")
# What tells a whole build.
MARTS_OF_VIEWS = {"dim_dates", "fct_learner_sessions", "fct_opco_connections"}
FIELDS = """
select
    column_name,
    replace(
        format('Custom field {} ({}) of the learner, as delivered last; {}.', title, custom_field_id, value_type),
        chr(0),
        ''
    )
from build.marts.dim_custom_fields
order by field_position
"""


@dataclass(frozen=True)
class PublishSummary:
    """What was published: the file, the link that readers open, rows by table, and the builds that had to go."""

    path: Path
    link: Path
    byte_count: int
    sha256: str
    row_counts: Mapping[str, int]
    removed: tuple[str, ...]


def publish(
    build_file: Path,
    published: Path,
    build_id: str,
    keep: int,
    archive_head: str | None = None,
    progress: TellStep = tell_nobody,
) -> PublishSummary:
    """Copy schema `marts` of the build file to `published/builds/<build_id>.duckdb` and set the link to it.

    Tables stand in schema `main`, with the models' descriptions as comments and the keys of `PRIMARY_KEYS` and
    `FOREIGN_KEYS`; the views of `views/` stand beside them. A mart that is a view in the build file stays Parquet,
    beside the published file, which has a view of it. A build whose file is there and whole is only shown again. Its
    record names `archive_head`, the archive's head that it was made of. The newest `keep` builds stay. The steps of
    `progress` are tables. Raises OpcoError, with nothing changed for readers, when the build file holds another build
    than `build_id`, when the disk has no room, or when the copy fails.
    """
    target = published / BUILDS / f"{build_id}{SUFFIX}"
    make_folder(target.parent)
    record = None if fault_of(target, to_the_last_byte=True) else read_record(target)
    if record is None:
        record = _write(build_file, target, build_id, archive_head, progress)
    set_link(published, target)
    removed = remove_older(published, keep)
    return PublishSummary(
        target,
        published / LINK,
        record.byte_count,
        record.sha256,
        record.row_counts,
        tuple(build.build_id for build in removed),
    )


def _write(
    build_file: Path,
    target: Path,
    build_id: str,
    archive_head: str | None,
    progress: TellStep,
) -> BuildRecord:
    try:
        with written_atomically(target) as temporary:
            parquet = parquet_of(target)
            shutil.rmtree(parquet, ignore_errors=True)
            data_as_of, row_counts = _copy_marts(build_file, temporary, build_id, parquet, progress)
            record = BuildRecord(
                build_id=build_id,
                published_at=datetime.now(UTC).strftime(INSTANT),
                data_as_of=data_as_of.strftime(INSTANT),
                byte_count=temporary.stat().st_size,
                sha256=sha256_of(temporary),
                row_counts=row_counts,
                archive_head=archive_head,
                parquet={path.relative_to(parquet).as_posix(): sha256_of(path) for path in sorted(parquet.glob("*/*"))},
            )
            # Tools that open a database for writing unless told otherwise would change it.
            temporary.chmod(stat.S_IMODE(temporary.stat().st_mode) & ~WRITING)
            # First the record: a file under its name always has one.
            write_record(target, record)
    except (duckdb.Error, OSError) as error:
        if not target.exists():
            record_of(target).unlink(missing_ok=True)
            shutil.rmtree(parquet_of(target), ignore_errors=True)
        raise OpcoError(
            f"{build_file} could not be published to {target.parent} ({str(error).splitlines()[0]}). "
            "What was published before stays. Mend the cause (room, rights, the disk) and run the build again."
        ) from error
    return record


def _copy_marts(
    build_file: Path, target: Path, build_id: str, parquet: Path, progress: TellStep
) -> tuple[datetime, dict[str, int]]:
    with duckdb.connect() as db:
        db.execute(f"attach {quoted_literal(build_file)} as build (read_only)")
        found = db.execute("select build_id, data_as_of from build.marts.warehouse_build").fetchall()
        if [row[0] for row in found] != [build_id]:
            raise OpcoError(f"{build_file} holds another build than {build_id}. Run the build again.")
        marts = db.execute(
            """
            select table_name, comment, true as is_table from duckdb_tables()
            where database_name = 'build' and schema_name = 'marts'
            union all
            select view_name, comment, false from duckdb_views()
            where database_name = 'build' and schema_name = 'marts'
            order by all
            """
        ).fetchall()
        _check_room(db, target.parent, [table for table, _, is_table in marts if is_table])
        db.execute(f"attach {quoted_literal(target)} as published")
        row_counts, keyed = {}, set()
        db.execute("use published.main")
        # What is pointed to stands there first.
        in_order = sorted(marts, key=lambda one: one[0] in FOREIGN_KEYS)
        for table, comment, is_table in told(in_order, progress, lambda one: str(one[0])):
            name = quoted_identifier(table)
            order = f"order by {ORDERED[table]}" if table in ORDERED else ""
            db.execute(f"set preserve_insertion_order = {'true' if order else 'false'}")
            if not is_table:
                _write_parquet(db, table, parquet / table)
            elif keys := [key for key in FOREIGN_KEYS.get(table, ()) if key[1] in keyed]:
                db.execute(_definition(db, table, keys))
                db.execute(f"insert into published.main.{name} from build.marts.{name}")
            else:
                db.execute(f"create table published.main.{name} as from build.marts.{name} {order}")
            counted = db.execute(f"select count(*) from published.main.{name}").fetchone()
            row_counts[table] = counted[0] if counted else 0
            if is_table and (key := PRIMARY_KEYS.get(table)):
                db.execute(f"alter table published.main.{name} add primary key ({key})")
                keyed.add(table)
            if comment:
                kind = "table" if is_table else "view"
                db.execute(f"comment on {kind} published.main.{name} is {quoted_literal(comment)}")
        # One transaction: each of the comments, some hundred, would be written to the disk by itself.
        db.execute("begin")
        comments = db.execute(
            """
            select table_name, column_name, comment from duckdb_columns()
            where database_name = 'build' and schema_name = 'marts' and comment is not null
            order by table_name, column_index
            """
        ).fetchall()
        fields = db.execute(FIELDS).fetchall() if "dim_custom_fields" in row_counts else []
        comments += [(table, column, comment) for column, comment in fields for table in WITH_CUSTOM_FIELDS]
        db.execute("".join(_comment(*one) for one in comments))
        if row_counts.keys() >= MARTS_OF_VIEWS:
            create_views(db)
        db.execute("commit")
        db.execute("use memory")
        db.execute("detach published")
    return found[0][1], row_counts


def _write_parquet(db: duckdb.DuckDBPyConnection, table: str, folder: Path) -> None:
    """Write the rows of a mart to Parquet files in `folder`, and make a published view of them.

    They lie in the order of their session, so that who asks for one session reads only the files, and of these only the
    parts, that hold it.
    """
    folder.mkdir(parents=True)
    names = [name for name, *_ in db.execute(f"describe build.marts.{table}").fetchall()]
    order = " order by session_id" if "session_id" in names else ""
    db.execute(
        f"copy (from build.marts.{table}{order}) to {quoted_literal(folder)} "
        f"(format parquet, compression zstd, file_size_bytes {quoted_literal(PARQUET_FILE_SIZE)}, overwrite true)"
    )
    files = quoted_literal(f"{literal_path(folder.resolve())}/*.parquet")
    db.execute(f"create view published.main.{table} as from read_parquet({files}, hive_partitioning = false)")


def _definition(db: duckdb.DuckDBPyConnection, table: str, keys: list[tuple[str, str]]) -> str:
    """Return the SQL that creates a table as the build file has it, with foreign keys, which cannot be added later."""
    columns = db.execute(
        """
        select column_name, data_type from duckdb_columns()
        where database_name = 'build' and schema_name = 'marts' and table_name = $table
        order by column_index
        """,
        {"table": table},
    ).fetchall()
    parts = [f"{quoted_identifier(column)} {data_type}" for column, data_type in columns]
    parts += [f"foreign key ({column}) references {target} ({PRIMARY_KEYS[target]})" for column, target in keys]
    return f"create table published.main.{quoted_identifier(table)} ({', '.join(parts)})"


def _comment(table: str, column: str, comment: str) -> str:
    name = f"published.main.{quoted_identifier(table)}.{quoted_identifier(column)}"
    return f"comment on column {name} is {quoted_literal(comment)};\n"


def _check_room(db: duckdb.DuckDBPyConnection, folder: Path, tables: list[str]) -> None:
    """Raise OpcoError where the disk of `folder` has less room than the marts take in the build file."""
    db.execute("use build.marts")
    blocks = " union ".join(
        f"select block_id from pragma_storage_info({quoted_literal(quoted_identifier(table))})" for table in tables
    )
    ((needed,),) = db.execute(
        f"""
        select (select count(*) from ({blocks})) * block_size + {ROOM_TO_SPARE}
        from pragma_database_size() where database_name = 'build'
        """
    ).fetchall()
    db.execute("use memory")
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OpcoError(
            f"{folder}: {free / 1e6:,.0f} MB are free on this disk, and the published file takes about "
            f"{needed / 1e6:,.0f} MB. What was published before stays. Make room, or keep fewer builds "
            "(build.keep_builds), then run the build again."
        )
