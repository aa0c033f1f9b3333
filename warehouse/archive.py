"""The archive: every accepted delivery as Parquet under `var/raw/`, and one manifest that says what is there.

A load reads the raw folder into new Parquet files beside the old ones, then replaces the manifest in one
rename: a load that stops or is killed half-way leaves the archive as it was.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, sha256_of, written_atomically
from warehouse.forgotten import Forgotten, RewrittenFile, Scrubber
from warehouse.readers import SUFFIXES, read_file

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 2
# Format 1 knew of no forgotten learners.
READ_FORMATS = (1, MANIFEST_FORMAT)
INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class FileVersion:
    """One version (by content) of a delivered file; `archive_file` is relative to the archive.

    `sha256` and `byte_count` are those of the file as delivered; `row_count` is what the archive holds of it, which
    is less where learners were forgotten: `forgotten_rows` lost cells or were left out. Of a version with `removed_at`
    the archive holds nothing any more: no build reads it.
    """

    table_name: str
    file: str
    sha256: str
    byte_count: int
    row_count: int
    archive_file: str
    loaded_at: str
    last_load_number: int
    forgotten_rows: int = 0
    removed_at: str | None = None


@dataclass(frozen=True)
class Load:
    """One accepted delivery."""

    load_number: int
    loaded_at: str
    raw_folder: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What the archive holds: its loads, every file version they brought, and which learners are forgotten."""

    loads: tuple[Load, ...] = ()
    files: tuple[FileVersion, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()

    @property
    def last_load_number(self) -> int:
        """The number of the last load; 0 before the first."""
        return self.loads[-1].load_number if self.loads else 0

    @property
    def held_files(self) -> list[FileVersion]:
        """The versions that the archive still holds."""
        return [version for version in self.files if version.removed_at is None]

    def superseded_files(self, before: str) -> list[FileVersion]:
        """Return the held versions that no build reads any more, last delivered before the instant `before`.

        What may be read again is none of them: the current files, and every version of tables whose rows outlive
        their delivery.
        """
        current = {version for versions in self.current_files().values() for version in versions}
        loaded_at = {load.load_number: load.loaded_at for load in self.loads}
        return [
            version
            for version in self.held_files
            if version not in current
            and not raw_tables()[version.table_name].keeps_gone
            and loaded_at[version.last_load_number] < before
        ]

    def current_files(self) -> dict[str, list[FileVersion]]:
        """Return what is delivered now, by table, in file order.

        Of a snapshot table these are the files of the last load; of a growing table the latest version of
        every file that was ever delivered.
        """
        tables: dict[str, list[FileVersion]] = {name: [] for name in raw_tables()}
        latest: dict[tuple[str, str], FileVersion] = {}
        for version in self.files:
            key = (version.table_name, version.file)
            if key not in latest or version.last_load_number > latest[key].last_load_number:
                latest[key] = version
        for version in latest.values():
            if raw_tables()[version.table_name].is_growing or version.last_load_number == self.last_load_number:
                tables[version.table_name].append(version)
        for versions in tables.values():
            versions.sort(key=lambda version: version.file.encode())
        return tables


@dataclass(frozen=True)
class TableLoad:
    """What a load brought for one table."""

    files: int = 0
    new_files: int = 0
    rows: int = 0


@dataclass(frozen=True)
class DeliverySummary:
    """What a load did: its number, warnings for the data engineer, and files and rows by table."""

    load_number: int
    loaded_at: datetime
    warnings: tuple[str, ...]
    tables: dict[str, TableLoad] = field(default_factory=dict)


def read_manifest(archive: Path) -> Manifest:
    """Return the archive's manifest; an archive without one is empty. Raises OpcoError if it cannot be read."""
    path = archive / MANIFEST
    if not path.exists():
        if any(archive.glob("*/[!.]*.parquet")):
            raise OpcoError(
                f"{path} is missing, but the archive holds files. Restore the manifest from a backup. Only if no load "
                f"into this home ever ended well, remove {archive} and load again."
            )
        return Manifest()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] not in READ_FORMATS:
            raise OpcoError(
                f"{path} has format {content['format']}, this version reads formats up to {MANIFEST_FORMAT}. "
                "Install the version of opco-warehouse that wrote it, or a later one."
            )
        return Manifest(
            tuple(Load(**{**load, "warnings": tuple(load["warnings"])}) for load in content["loads"]),
            tuple(FileVersion(**version) for version in content["files"]),
            tuple(_forgotten(record) for record in content.get("forgotten", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpcoError(f"{path} cannot be read ({error}). Restore it from a backup of the archive.") from error


def load_delivery(
    raw_folder: Path, archive: Path, *, loaded_at: datetime, progress: Callable[[str], None] = lambda _: None
) -> DeliverySummary:
    """Take the delivery in `raw_folder` into the archive and return what it brought.

    `loaded_at` is the start of the load (UTC, aware). Files already archived with the same content are not
    read again; a clock before that of the last load gives a warning. Of forgotten learners nothing is taken but the id.
    Raises UserError, with nothing replaced, where the contract stops a load.
    """
    manifest = read_manifest(archive)
    scrubber = Scrubber(tuple(record.user_id for record in manifest.forgotten))
    found, warnings = _find_files(raw_folder)
    if manifest.loads and loaded_at.strftime(INSTANT) < manifest.loads[-1].loaded_at:
        warnings.append(
            f"this load's clock, {loaded_at.strftime(INSTANT)}, is before that of the last load, "
            f"{manifest.loads[-1].loaded_at}: the data as of goes back with it"
        )
    warnings += [
        f"the forgetting of learner {record.user_id} did not end: run it again (opco forget {record.user_id})"
        for record in manifest.forgotten
        if record.completed_at is None
    ]
    _require_tables(raw_folder, found, manifest)
    number = manifest.last_load_number + 1
    known = {(version.table_name, version.file, version.sha256): version for version in manifest.files}
    taken: dict[tuple[str, str, str], FileVersion] = {}
    tables: dict[str, TableLoad] = {}
    try:
        for table, paths in found.items():
            new_files = rows = 0
            for path in paths:
                file = path.relative_to(raw_folder).as_posix()
                digest = sha256_of(path)
                version = known.get((table.name, file, digest))
                if version is None or version.removed_at:
                    progress(f"reading {file}")
                    first_loaded_at = version.loaded_at if version else loaded_at.strftime(INSTANT)
                    version, unlisted = _archive_file(path, table, file, digest, archive, first_loaded_at, scrubber)
                    new_files += 1
                    if unlisted:
                        warnings.append(
                            f"{file}: columns that table {table.name} does not have, ignored: {', '.join(unlisted)}"
                        )
                rows += version.row_count
                taken[(table.name, file, digest)] = replace(version, last_load_number=number)
            tables[table.name] = TableLoad(len(paths), new_files, rows)
    except BaseException:
        remove_orphans(archive, manifest)
        raise
    load = Load(number, loaded_at.strftime(INSTANT), str(raw_folder), tuple(warnings))
    loaded = Manifest((*manifest.loads, load), tuple({**known, **taken}.values()), manifest.forgotten)
    write_manifest(archive, loaded)
    remove_orphans(archive, loaded)
    return DeliverySummary(number, loaded_at, tuple(warnings), tables)


def _suffix(name: str) -> str | None:
    return next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), None)


def _visible(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        if not path.name.startswith((".", "_")):
            yield path


def _printable(path: Path) -> str:
    return os.fsencode(path).decode(errors="replace")


def _find_files(raw_folder: Path) -> tuple[dict[RawTable, list[Path]], list[str]]:
    """Return the delivered files by table in file order, and a warning for each file of no table."""
    if not raw_folder.is_dir():
        raise UserError(f"{raw_folder}: no such raw folder. Give the folder that holds the LMS's tables with --raw.")
    tables = raw_tables()
    found: dict[RawTable, list[Path]] = {}
    forms: dict[RawTable, int] = {}
    warnings = []
    for path in _visible(raw_folder):
        suffix = None if path.is_dir() else _suffix(path.name)
        table = tables.get(path.name if path.is_dir() else path.name[: -len(suffix)] if suffix else "")
        if table is None:
            warnings.append(
                f"{_printable(path.relative_to(raw_folder))}: belongs to no table of the raw contract, ignored"
            )
            continue
        if path.is_dir():
            parts = [part for part in _visible(path) if part.is_file()]
            files = [part for part in parts if _suffix(part.name)]
            warnings += [
                f"{_printable(part.relative_to(raw_folder))}: of no known format ({', '.join(SUFFIXES)}), ignored"
                for part in parts
                if part not in files
            ]
        else:
            files = [path]
        for file in files:
            if not file.name.isprintable():
                raise UserError(f"{path}: the file name {file.name!r} is not readable text. Give it another name.")
        if files:
            found.setdefault(table, []).extend(files)
            forms[table] = forms.get(table, 0) + 1
    for table, count in forms.items():
        if count > 1 and not table.is_growing:
            names = ", ".join(dict.fromkeys(path.relative_to(raw_folder).parts[0] for path in found[table]))
            raise UserError(
                f"{raw_folder}: snapshot table {table.name} is delivered in {count} forms ({names}). Keep one."
            )
    for paths in found.values():
        paths.sort(key=lambda path: path.relative_to(raw_folder).as_posix().encode())
    return found, warnings


def _require_tables(raw_folder: Path, found: dict[RawTable, list[Path]], manifest: Manifest) -> None:
    if not found:
        raise UserError(
            f"{raw_folder}: holds no table of the raw contract. Expected files such as users.csv or courses.parquet."
        )
    missing = [table.name for table in raw_tables().values() if table.presence == "required" and table not in found]
    if missing:
        raise UserError(
            f"{raw_folder}: lacks the required table{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            f"Deliver {'them' if len(missing) > 1 else 'it'} as {missing[0]}{', '.join(SUFFIXES)}, or a folder "
            f"{missing[0]}/ of such files."
        )
    alternatives = [table for table in raw_tables().values() if table.presence == "either"]
    delivered_before = {version.table_name for version in manifest.files}
    if not any(table in found or table.name in delivered_before for table in alternatives):
        names = " nor ".join(table.name for table in alternatives)
        raise UserError(f"{raw_folder}: holds neither {names}. At least one of them must be delivered.")


def _archive_file(
    source: Path, table: RawTable, file: str, digest: str, archive: Path, loaded_at: str, scrubber: Scrubber
) -> tuple[FileVersion, tuple[str, ...]]:
    archive_file = new_archive_file(table.name, digest)
    target = archive / archive_file
    with written_atomically(target) as temporary:
        reading = read_file(source, table, file, temporary)
        rows, forgotten_rows = reading.rows, sum(scrubber.count([temporary], table).values())
        if forgotten_rows:
            scrubbed = temporary.with_name(f"{temporary.name}.scrubbed")
            rows = scrubber.scrub(temporary, scrubbed, table)
            scrubbed.replace(temporary)
    version = FileVersion(
        table_name=table.name,
        file=file,
        sha256=digest,
        byte_count=source.stat().st_size,
        row_count=rows,
        archive_file=archive_file,
        loaded_at=loaded_at,
        last_load_number=0,
        forgotten_rows=forgotten_rows,
    )
    return version, reading.unlisted_columns


def new_archive_file(table_name: str, digest: str) -> str:
    """Return a name in the archive that no file has yet, for a version of a delivered file."""
    return f"{table_name}/{digest[:16]}-{uuid.uuid4().hex[:8]}.parquet"


def write_manifest(archive: Path, manifest: Manifest) -> None:
    """Replace the archive's manifest, in one rename."""
    with written_atomically(archive / MANIFEST) as temporary:
        content = {
            "format": MANIFEST_FORMAT,
            "loads": [asdict(load) for load in manifest.loads],
            "files": [asdict(version) for version in manifest.files],
            "forgotten": [asdict(record) for record in manifest.forgotten],
        }
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    fsync_path(archive)


def remove_orphans(archive: Path, manifest: Manifest) -> None:
    """Remove what a load or a forgetting that was stopped left: Parquet files that the manifest does not name."""
    for path in orphans(archive, manifest):
        path.unlink()


def orphans(archive: Path, manifest: Manifest) -> list[Path]:
    """Return the Parquet files of the archive that the manifest does not name."""
    named = {version.archive_file for version in manifest.held_files}
    return [path for path in archive.glob("*/*.parquet*") if path.relative_to(archive).as_posix() not in named]


def _forgotten(values: dict[str, Any]) -> Forgotten:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Forgotten(**{**values, **lists, "rewritten": tuple(RewrittenFile(**one) for one in values["rewritten"])})
