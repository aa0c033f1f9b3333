"""A raw folder checked against the contract, with no home and nothing kept: what would stop or be rejected by a load.

The readers, the contract and the models are those of a build: what is reported here is what a load would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from warehouse.archive import INSTANT, FileVersion, Load, Manifest, write_manifest
from warehouse.build_file import BUILD_FILE, BuildIdentity, open_build_file, prepare_build_file
from warehouse.contract import RawTable, project_vars, raw_tables
from warehouse.errors import UserError
from warehouse.model_sql import Models
from warehouse.raw_folder import find_files, missing_tables, opened
from warehouse.readers import ReadSettings, read_file


@dataclass(frozen=True)
class CheckedFile:
    """A file that can be read: its records, and which columns of its table it lacks or has beside them."""

    file: str
    table_name: str
    rows: int
    missing_columns: tuple[str, ...]
    unlisted_columns: tuple[str, ...]


@dataclass(frozen=True)
class BadRows:
    """Rows of one table that one reason rejects (`row_kept`: whose cell it empties), with the first of them."""

    table_name: str
    reason: str
    row_kept: bool
    count: int
    file: str
    line: int
    column_name: str | None
    value: str | None


@dataclass(frozen=True)
class FolderCheck:
    """What a raw folder holds: `stops` are what would stop a load, `missing` the optional tables that are not there."""

    files: tuple[CheckedFile, ...]
    missing: tuple[str, ...]
    stops: tuple[str, ...]
    warnings: tuple[str, ...]
    bad_rows: tuple[BadRows, ...]


def check_folder(
    raw_folder: Path,
    *,
    clock: datetime | None = None,
    settings: ReadSettings | None = None,
    rules: Mapping[str, Any] | None = None,
) -> FolderCheck:
    """Judge a raw folder as the first load into a new home would, at `clock` (UTC, aware; default now).

    `rules` are settings of the rules by name, where they differ from the defaults. Where something stops the load, rows
    are validated by themselves: whom they point to may be in what cannot be read. Raises UserError when the folder is
    not there.
    """
    found = find_files(raw_folder)
    stops, warnings = list(found.stops), list(found.warnings)
    files: list[CheckedFile] = []
    at = clock or datetime.now(UTC)
    with TemporaryDirectory(prefix="opco-check-") as name:
        archive = Path(name)
        versions = []
        for table in raw_tables().values():
            for number, file in enumerate(found.files.get(table, ())):
                target = f"{table.name}/{number}.parquet"
                (archive / table.name).mkdir(exist_ok=True)
                try:
                    with opened(raw_folder, file) as path:
                        reading = read_file(path, table, file, archive / target, settings)
                except UserError as error:
                    stops.append(str(error))
                    continue
                missing_columns = tuple(name for name in table.column_names if name not in reading.columns)
                files.append(CheckedFile(file, table.name, reading.rows, missing_columns, reading.unlisted_columns))
                versions.append(_version(table, file, target, reading.rows, at))
        if missing := missing_tables(raw_folder, found.files, ()):
            stops.append(missing)
        write_manifest(
            archive, Manifest((Load(1, at.strftime(INSTANT), str(raw_folder), ()),), tuple(versions)), "load", "a check"
        )
        bad_rows = _bad_rows(archive, at, rules or {})
    if stops:
        bad_rows = [one for one in bad_rows if not one.reason.startswith("unknown_")]
    return FolderCheck(
        tuple(files),
        tuple(table.name for table in raw_tables().values() if table not in found.files),
        tuple(stops),
        tuple(warnings),
        tuple(bad_rows),
    )


def _version(table: RawTable, file: str, target: str, rows: int, at: datetime) -> FileVersion:
    return FileVersion(table.name, file, "", 0, rows, target, at.strftime(INSTANT), 1, archive_sha256="")


def _bad_rows(archive: Path, at: datetime, rules: Mapping[str, Any]) -> list[BadRows]:
    """Return what the models of a build reject, by table and reason, in the contract's order."""
    defaults = project_vars()
    prepare_build_file(archive, archive / BUILD_FILE, BuildIdentity("check", at, at, at, 1))
    with open_build_file(archive / BUILD_FILE) as db:
        rejected = Models(db, {**defaults, **rules}).table_of("rejected_rows")
        rows = db.execute(
            f"""
            select
                table_name, reason, row_kept, count(*) as row_count,
                unnest(arg_min({{file: file, line: line, column_name: column_name, value: value}}, (file, line)))
            from {rejected}
            group by table_name, reason, row_kept
            order by list_position($names, table_name), row_kept, row_count desc, reason
            """,
            {"names": list(raw_tables())},
        ).fetchall()
    return [BadRows(*row) for row in rows]
