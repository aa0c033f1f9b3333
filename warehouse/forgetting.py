"""Forgetting a learner in the archive: their data leaves every file in one step, and what was done is on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from warehouse.archive import (
    FileVersion,
    Manifest,
    brought_over,
    fault_of_file,
    new_archive_file,
    read_whole_manifest,
    remove_orphans,
    write_manifest,
)
from warehouse.contract import raw_tables
from warehouse.errors import OpcoError
from warehouse.files import sha256_of, written_atomically
from warehouse.forgotten import BLANKS, PERSONAL, Forgotten, Identifiers, Redactor, RewrittenFile
from warehouse.readers import literal_path
from warehouse.sql import quoted_literal
from warehouse.steps import TellStep, told

NAME_LENGTH = 4
VALUE_LENGTH = 6


def forgotten_learner(manifest: Manifest, user_id: str) -> Forgotten | None:
    """Return what is on record of the forgetting of `user_id`, None where there was none."""
    return next((one for one in manifest.forgotten if one.user_id == user_id), None)


def delivered_user_ids(archive: Path, manifest: Manifest) -> list[str]:
    """Return every id that a delivered row of a table of personal data has."""
    tables = (_files(archive, manifest, name) for name in PERSONAL)
    query = " union ".join(f"select trim(user_id, {BLANKS}) as user_id from {files}" for files in tables if files)
    with duckdb.connect() as db:
        found = db.execute(f"from ({query}) where user_id <> ''").fetchall()
    return [user_id for (user_id,) in found]


def identifiers_of(archive: Path, manifest: Manifest, user_id: str) -> Identifiers:
    """Return the texts by which a learner is known, as delivered: e-mail, user name, names, values of their own.

    A text that another learner has too is no mark; a first and a last name in one row always are.
    """
    with duckdb.connect() as db:
        found = db.execute(
            f"""
            with cells as ({_personal_cells(archive, manifest)}),

            mine as (
                select distinct row_key, kind, text from cells where user_id = $user_id
            ),

            others as (
                select distinct lower(text) as text
                from cells
                where user_id <> $user_id and user_id <> '' and lower(text) in (select lower(text) from mine)
            )

            select distinct row_key, kind, text, lower(text) not in (from others) as is_own from mine order by all
            """,
            {"user_id": user_id},
        ).fetchall()
    single: dict[str, None] = {}
    names: dict[str, dict[str, str]] = {}
    for row_key, kind, text, is_own in found:
        if kind in ("first_name", "last_name"):
            names.setdefault(row_key, {})[kind] = text
        if is_own and text != user_id and _tells_alone(kind, text):
            single[text] = None
    pairs = {(row["first_name"], row["last_name"]): None for row in names.values() if len(row) == 2}
    return Identifiers(tuple(single), tuple(pairs))


def _tells_alone(kind: str, text: str) -> bool:
    if kind in ("email", "username", "last_name"):
        return len(text) >= NAME_LENGTH
    # A day or a number stands in many places.
    return kind not in ("first_name", "employer") and len(text) >= VALUE_LENGTH and any(map(str.isalpha, text))


def _personal_cells(archive: Path, manifest: Manifest) -> str:
    """Return the query of every cell about a learner: user_id ('' for none), a key of its row, kind, trimmed text."""
    kept = ("user_id", "status", "deleted_at", "language", "custom_field_id")
    parts = [
        f"select coalesce(trim(user_id, {BLANKS}), '') as user_id, filename || line as row_key, "
        f"'{column}' as kind, coalesce(trim({column}, {BLANKS}), '') as text "
        f"from {files} where malformed_line is null"
        for name in PERSONAL
        if (files := _files(archive, manifest, name))
        for column in raw_tables()[name].column_names
        if column not in kept
    ]
    return " union all ".join(parts)


def _files(archive: Path, manifest: Manifest, table_name: str) -> str | None:
    """Return what DuckDB reads all versions of a table with, None where the archive has none."""
    versions = [version for version in manifest.held_files if version.table_name == table_name]
    listed = ", ".join(quoted_literal(literal_path(archive / version.archive_file)) for version in versions)
    return f"read_parquet([{listed}], filename = true, hive_partitioning = false)" if versions else None


def rows_to_forget(
    archive: Path, manifest: Manifest, redactor: Redactor, progress: TellStep
) -> list[tuple[FileVersion, int]]:
    """Return the files of the archive that hold the learners' data, and how many rows of each do."""
    found = []
    for table in told(list(raw_tables().values()), progress, lambda one: one.name):
        versions = {archive / one.archive_file: one for one in manifest.held_files if one.table_name == table.name}
        touched = redactor.count(list(versions), table)
        found += [(version, touched[path]) for path, version in versions.items() if path in touched]
    return found


def forget_in_archive(
    archive: Path, record: Forgotten, redactor: Redactor, holding: list[tuple[FileVersion, int]]
) -> Forgotten:
    """Write the files of `holding` again without the learners' data, and put `record` on record; return it completed.

    The manifest is replaced in one rename: a process that is killed before leaves the archive as it was, one that is
    killed after leaves old files that the next load, or this function asked again, removes. Raises OpcoError, with
    nothing changed, where a file cannot be written, or is not what was archived: it would be taken for that ever after.
    """
    manifest = read_whole_manifest(archive)
    rewritten: dict[str, FileVersion] = {}
    for version, _ in holding:
        if fault := fault_of_file(archive, version):
            raise OpcoError(
                f"The archive was changed by other means than opco:\n  {archive / version.archive_file} "
                f"({version.file}): {fault}\nNothing was forgotten. Restore this file from a backup, or deliver the "
                "same file again: opco build --raw FOLDER reads it again, and says so."
            )
    try:
        for version, touched in holding:
            archive_file = new_archive_file(version.table_name, version.sha256)
            with written_atomically(archive / archive_file) as temporary:
                rows = redactor.redact(archive / version.archive_file, temporary, raw_tables()[version.table_name])
            rewritten[version.archive_file] = replace(
                version,
                archive_file=archive_file,
                archive_sha256=sha256_of(archive / archive_file),
                row_count=rows,
                forgotten_rows=version.forgotten_rows + touched,
            )
    except BaseException as error:
        remove_orphans(archive, manifest)
        if isinstance(error, (OSError, duckdb.Error)):
            raise OpcoError(
                f"{archive}: the files could not be rewritten ({str(error).splitlines()[0]}). The archive is as it "
                "was. Mend the cause (room, rights, the disk) and run the command again."
            ) from error
        raise
    files = tuple(
        RewrittenFile(version.table_name, version.file, version.sha256, touched) for version, touched in holding
    )
    record = replace(record, rewritten=files)
    write_record(archive, record, rewritten)
    return record


def write_record(archive: Path, record: Forgotten, rewritten: Mapping[str, FileVersion] | None = None) -> None:
    """Put `record` into the archive's manifest, in place of an earlier one of the same learner.

    `rewritten` holds what takes the place of a file version, by its archive file. Errors as `read_whole_manifest`.
    """
    manifest = brought_over(archive, read_whole_manifest(archive))
    others = tuple(one for one in manifest.forgotten if one.user_id != record.user_id)
    files = tuple((rewritten or {}).get(version.archive_file, version) for version in manifest.files)
    manifest = replace(manifest, files=files, forgotten=(*others, record))
    manifest = write_manifest(archive, manifest, "forgetting", f"learner {record.user_id}: {record.reason}")
    remove_orphans(archive, manifest)
