"""The archive: every accepted delivery as Parquet under `var/raw/`, and one manifest that says what is there.

A load reads the raw folder into new Parquet files beside the old ones, then replaces the manifest in one
rename: a load that stops or is killed half-way leaves the archive as it was. Each change is an entry of a chain
(`warehouse.chain`), which shows whether anybody else changed manifest or files.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warehouse.chain import Entry, Kind, digest_of, fault_of_chain, next_entry
from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, sha256_of, written_atomically
from warehouse.forgotten import Forgotten, Redactor, RewrittenFile
from warehouse.raw_folder import find_files, missing_tables, opened
from warehouse.readers import UTF_8, ReadSettings, check_header, read_file
from warehouse.steps import TellStep, tell_nobody, told

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 3
# Format 1 knew of no forgotten learners, format 2 of no chain, nor in which loads a version was delivered.
READ_FORMATS = (1, 2, MANIFEST_FORMAT)
INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"
FAULTS_NAMED = 10


@dataclass(frozen=True)
class FileVersion:
    """One version (by content) of a delivered file; `archive_file` is relative to the archive.

    `sha256` and `byte_count` are those of the file as delivered, `archive_sha256` is that of the archive file (None
    where an earlier program wrote it, until the next load); `row_count` is what the archive holds of it, which
    is less where learners were forgotten: `forgotten_rows` lost cells or were left out. Of a version with `removed_at`
    the archive holds nothing any more: no build reads it. `delivered_in` are the loads that delivered it, as runs of
    consecutive loads, (first, last); empty where an earlier edition took it in (`Manifest.delivered_in` knows).
    `read_as` is the encoding that its text was read in: empty where it is not UTF-8 and no setting said what it is,
    None where that is not known.
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
    delivered_in: tuple[tuple[int, int], ...] = ()
    archive_sha256: str | None = None
    read_as: str | None = None


@dataclass(frozen=True)
class Load:
    """One accepted delivery."""

    load_number: int
    loaded_at: str
    raw_folder: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What the archive holds: its loads, every file version they brought, and which learners are forgotten.

    `chain` has an entry for each change that made it so.
    """

    loads: tuple[Load, ...] = ()
    files: tuple[FileVersion, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    chain: tuple[Entry, ...] = ()

    @property
    def head(self) -> str | None:
        """The hash of the chain's last entry; None before the first."""
        return self.chain[-1].hash if self.chain else None

    @property
    def digest(self) -> str:
        """What stands for loads, files and forgotten learners in an entry."""
        return digest_of([[asdict(one) for one in part] for part in (self.loads, self.files, self.forgotten)])

    @property
    def chain_fault(self) -> str | None:
        """What shows that the manifest was changed by other means than this program; None when nothing does."""
        held = {version.archive_file: version.archive_sha256 for version in self.held_files}
        return fault_of_chain(self.chain, held, self.digest)

    @property
    def last_load_number(self) -> int:
        """The number of the last load; 0 before the first."""
        return self.loads[-1].load_number if self.loads else 0

    @property
    def held_files(self) -> list[FileVersion]:
        """The versions that the archive still holds."""
        return [version for version in self.files if version.removed_at is None]

    def superseded_files(self, before: str, needed: Collection[int]) -> list[FileVersion]:
        """Return the held versions that nothing rests on any more, last delivered before the instant `before`.

        What is delivered now is none of them, nor are the versions of these numbers (`numbers`).
        """
        current = {version for versions in self.current_files().values() for version in versions}
        numbers = self.numbers
        loaded_at = {load.load_number: load.loaded_at for load in self.loads}
        return [
            version
            for version in self.held_files
            if version not in current
            and numbers[version] not in needed
            and loaded_at[version.last_load_number] < before
        ]

    @property
    def numbers(self) -> dict[FileVersion, int]:
        """The number of each file version: its place in the manifest, which only grows."""
        return {version: number for number, version in enumerate(self.files, start=1)}

    def delivered_in(self, version: FileVersion) -> tuple[tuple[int, int], ...]:
        """Return the loads that delivered a version, as runs of consecutive loads, each (first, last).

        Earlier editions kept only the first and the last: then every load between them.
        """
        if version.delivered_in:
            return version.delivered_in
        first = next((load.load_number for load in self.loads if load.loaded_at == version.loaded_at), None)
        return ((first or version.last_load_number, version.last_load_number),)

    def stood_until(self) -> dict[FileVersion, int]:
        """Return up to which load each version counted as delivered.

        Of a snapshot table that is its last load. A file of a growing table counts until another version takes its
        place, however many loads did not deliver it.
        """
        beginnings: dict[tuple[str, str], list[int]] = {}
        for version in self.files:
            firsts = beginnings.setdefault((version.table_name, version.file), [])
            firsts += [first for first, _ in self.delivered_in(version)]
        return {
            version: min(
                (first - 1 for first in beginnings[version.table_name, version.file] if first > last),
                default=self.last_load_number,
            )
            if raw_tables()[version.table_name].is_growing
            else last
            for version in self.files
            for last in [version.last_load_number]
        }

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
            tuple(_file_version(version) for version in content["files"]),
            tuple(_forgotten(record) for record in content.get("forgotten", ())),
            tuple(_entry(values) for values in content.get("chain", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpcoError(f"{path} cannot be read ({error}). Restore it from a backup of the archive.") from error


def read_whole_manifest(archive: Path) -> Manifest:
    """Return the archive's manifest as `read_manifest`, to append to. Raises OpcoError where its chain is broken."""
    manifest = read_manifest(archive)
    if fault := manifest.chain_fault:
        raise OpcoError(
            f"{archive / MANIFEST} was changed by other means than opco: {fault}. Nothing was done. Restore the "
            f"archive, {archive}, from a backup."
        )
    return manifest


def fault_of_file(archive: Path, version: FileVersion) -> str | None:
    """Return why a file of the archive is not what was archived; None when it is, or when nothing is known of it."""
    path = archive / version.archive_file
    if not path.is_file():
        return "the file is gone"
    if version.archive_sha256 is None:
        return None
    found = sha256_of(path)
    return None if found == version.archive_sha256 else f"its SHA-256 is {found}, {version.archive_sha256} was archived"


def check_files(archive: Path, manifest: Manifest, progress: TellStep = tell_nobody) -> list[str]:
    """Read every file that the archive holds, and return which are not what was archived, each with the reason."""
    return [
        f"{archive / version.archive_file} ({version.file}): {fault}"
        for version in told(manifest.held_files, progress, lambda one: one.archive_file)
        if (fault := fault_of_file(archive, version))
    ]


def require_whole_files(archive: Path, manifest: Manifest, progress: TellStep = tell_nobody) -> None:
    """Raise OpcoError naming the files of the archive that are not what was archived."""
    if faults := check_files(archive, manifest, progress):
        named = "\n".join(f"  {fault}" for fault in faults[:FAULTS_NAMED])
        more = f"\n  and {len(faults) - FAULTS_NAMED} more" if len(faults) > FAULTS_NAMED else ""
        raise OpcoError(
            f"The archive was changed by other means than opco:\n{named}{more}\n"
            "Nothing was built; what was published before stays. Restore these files from a backup, or deliver the "
            "same files again: opco build --raw FOLDER reads them again, and says so."
        )


def require_loadable(raw_folder: Path, archive: Path, settings: ReadSettings) -> None:
    """Raise UserError for what stops a load and shows without reading rows: a table, column or header that is missing.

    It takes a moment, so that nobody waits for a build to begin before he is told.
    """
    lying = find_files(raw_folder)
    if lying.stops:
        raise UserError("\n".join(lying.stops))
    if missing := missing_tables(
        raw_folder, lying.files, {version.table_name for version in read_manifest(archive).files}
    ):
        raise UserError(missing)
    for table, files in lying.files.items():
        for file in files:
            with opened(raw_folder, file) as path:
                check_header(path, table, file, settings)


def load_delivery(
    raw_folder: Path,
    archive: Path,
    *,
    loaded_at: datetime,
    settings: ReadSettings | None = None,
    progress: TellStep = tell_nobody,
) -> DeliverySummary:
    """Take the delivery in `raw_folder` into the archive and return what it brought.

    `loaded_at` is the start of the load (UTC, aware). Files already archived with the same content are not
    read again, unless they were read in another encoding than `settings` name, or what the archive has of them is no
    longer what was archived, which gives a warning, as does a clock before that of the last load. Of forgotten learners
    nothing is taken but the id.
    Raises UserError, with nothing replaced, where the contract stops a load, and OpcoError where the archive's chain
    is broken.
    """
    manifest = brought_over(archive, read_whole_manifest(archive))
    redactor = Redactor(tuple(record.user_id for record in manifest.forgotten))
    settings = settings or ReadSettings()
    lying = find_files(raw_folder)
    if lying.stops:
        raise UserError("\n".join(lying.stops))
    found, warnings = lying.files, list(lying.warnings)
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
    if missing := missing_tables(raw_folder, found, {version.table_name for version in manifest.files}):
        raise UserError(missing)
    number = manifest.last_load_number + 1
    known = {(version.table_name, version.file, version.sha256): version for version in manifest.files}
    taken: dict[tuple[str, str, str], FileVersion] = {}
    tables: dict[str, TableLoad] = {}
    files_done, file_count = 0, sum(map(len, found.values()))
    try:
        for table, files in found.items():
            new_files = rows = 0
            for file in files:
                progress(files_done, file_count, file)
                files_done += 1
                with opened(raw_folder, file) as path:
                    digest = sha256_of(path)
                    version = known.get((table.name, file, digest))
                    fault = fault_of_file(archive, version) if version and not version.removed_at else None
                    if version and fault:
                        warnings.append(f"{file}: read again, for {archive / version.archive_file} is damaged: {fault}")
                    if version is None or version.removed_at or fault or _was_read_otherwise(version, settings):
                        first_loaded_at = version.loaded_at if version else loaded_at.strftime(INSTANT)
                        version, unlisted = _archive_file(
                            path, table, file, digest, archive, first_loaded_at, redactor, settings
                        )
                        new_files += 1
                        if unlisted:
                            names = ", ".join(name or "(no name)" for name in unlisted)
                            warnings.append(f"{file}: columns that table {table.name} does not have, ignored: {names}")
                rows += version.row_count
                earlier = known.get((table.name, file, digest))
                runs = manifest.delivered_in(earlier) if earlier else ()
                taken[(table.name, file, digest)] = replace(
                    version, last_load_number=number, delivered_in=_delivered_again(runs, number)
                )
            tables[table.name] = TableLoad(len(files), new_files, rows)
        progress(file_count, file_count, "")
    except BaseException:
        remove_orphans(archive, manifest)
        raise
    load = Load(number, loaded_at.strftime(INSTANT), str(raw_folder), tuple(warnings))
    loaded = replace(manifest, loads=(*manifest.loads, load), files=tuple({**known, **taken}.values()))
    loaded = write_manifest(archive, loaded, "load", f"load {number} from {raw_folder}")
    remove_orphans(archive, loaded)
    return DeliverySummary(number, loaded_at, tuple(warnings), tables)


def _was_read_otherwise(version: FileVersion, settings: ReadSettings) -> bool:
    """Whether a text file that is not UTF-8 was read in another encoding than the setting names now."""
    is_text = not version.file.endswith(".parquet")
    return is_text and settings.encoding is not None and version.read_as not in (UTF_8, settings.encoding)


def _archive_file(
    source: Path,
    table: RawTable,
    file: str,
    digest: str,
    archive: Path,
    loaded_at: str,
    redactor: Redactor,
    settings: ReadSettings,
) -> tuple[FileVersion, tuple[str, ...]]:
    archive_file = new_archive_file(table.name, digest)
    target = archive / archive_file
    with written_atomically(target) as temporary:
        reading = read_file(source, table, file, temporary, settings)
        rows, forgotten_rows = reading.rows, sum(redactor.count([temporary], table).values())
        if forgotten_rows:
            redacted = temporary.with_name(f"{temporary.name}.redacted")
            rows = redactor.redact(temporary, redacted, table)
            redacted.replace(temporary)
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
        archive_sha256=sha256_of(target),
        read_as=reading.read_as,
    )
    return version, reading.unlisted_columns


def _delivered_again(runs: tuple[tuple[int, int], ...], number: int) -> tuple[tuple[int, int], ...]:
    """Return the runs of loads with one more, the latest."""
    if runs and runs[-1][1] == number - 1:
        return (*runs[:-1], (runs[-1][0], number))
    return (*runs, (number, number))


def new_archive_file(table_name: str, digest: str) -> str:
    """Return a name in the archive that no file has yet, for a version of a delivered file."""
    return f"{table_name}/{digest[:16]}-{uuid.uuid4().hex[:8]}.parquet"


def write_manifest(archive: Path, manifest: Manifest, kind: Kind, reason: str) -> Manifest:
    """Replace the archive's manifest, in one rename, and return it with the entry that says what changed and why.

    Where nothing changed since the last entry there is no new one.
    """
    manifest = _with_entry(manifest, kind, reason)
    with written_atomically(archive / MANIFEST) as temporary:
        content = {
            "format": MANIFEST_FORMAT,
            "loads": [asdict(load) for load in manifest.loads],
            "files": [asdict(version) for version in manifest.files],
            "forgotten": [asdict(record) for record in manifest.forgotten],
            "chain": [asdict(entry) for entry in manifest.chain],
        }
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    fsync_path(archive)
    return manifest


def brought_over(archive: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with a first entry of what an earlier program archived, with the checksums of now.

    One that has a chain, or no files, is returned as it is. Raises OpcoError when a file is gone.
    """
    if manifest.chain or not manifest.loads:
        return manifest
    for version in manifest.held_files:
        if not (archive / version.archive_file).is_file():
            raise missing_file(archive / version.archive_file)
    files = tuple(
        version if version.removed_at else replace(version, archive_sha256=sha256_of(archive / version.archive_file))
        for version in manifest.files
    )
    reason = "archived by an earlier program, which kept no checksums: these are of this instant"
    return _with_entry(replace(manifest, files=files), "brought_over", reason)


def missing_file(path: Path) -> OpcoError:
    """Return the error for a file that the archive lacks."""
    return OpcoError(f"{path}: the archive lacks this file, which its manifest names. Restore it from a backup.")


def _with_entry(manifest: Manifest, kind: Kind, reason: str) -> Manifest:
    held = {version.archive_file: version.archive_sha256 or "" for version in manifest.held_files}
    at = datetime.now(UTC).strftime(INSTANT)
    entry = next_entry(manifest.chain, kind, at, reason, held, manifest.digest)
    return replace(manifest, chain=(*manifest.chain, entry)) if entry else manifest


def remove_orphans(archive: Path, manifest: Manifest) -> None:
    """Remove what a load or a forgetting that was stopped left: Parquet files that the manifest does not name."""
    for path in orphans(archive, manifest):
        path.unlink()


def orphans(archive: Path, manifest: Manifest) -> list[Path]:
    """Return the Parquet files of the archive that the manifest does not name."""
    named = {version.archive_file for version in manifest.held_files}
    return [path for path in archive.glob("*/*.parquet*") if path.relative_to(archive).as_posix() not in named]


def _file_version(values: dict[str, Any]) -> FileVersion:
    runs = tuple((first, last) for first, last in values.get("delivered_in", ()))
    return FileVersion(**{**values, "delivered_in": runs})


def _forgotten(values: dict[str, Any]) -> Forgotten:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Forgotten(**{**values, **lists, "rewritten": tuple(RewrittenFile(**one) for one in values["rewritten"])})


def _entry(values: dict[str, Any]) -> Entry:
    added = tuple((file, digest) for file, digest in values["added"])
    return Entry(**{**values, "added": added, "removed": tuple(values["removed"])})


def remove_superseded(archive: Path, versions: Collection[FileVersion], removed_at: str) -> None:
    """Remove `versions` from the archive. The manifest still names them, with their checksums and `removed_at`.

    Should one be delivered again, it is read again. Errors as `read_whole_manifest`.
    """
    manifest = brought_over(archive, read_whole_manifest(archive))
    named = {one.archive_file for one in versions}
    files = (replace(one, removed_at=removed_at) if one.archive_file in named else one for one in manifest.files)
    manifest = replace(manifest, files=tuple(files))
    manifest = write_manifest(archive, manifest, "removal", f"{len(named)} file versions on which nothing rests")
    remove_orphans(archive, manifest)
