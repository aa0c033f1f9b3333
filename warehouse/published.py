"""The published builds that are kept, and the link that says which of them readers see.

`published/builds/` holds a DuckDB file a build and beside it a record, written first, of what the file must be;
`published/opco.duckdb` is a link to one of them. Files are never written again under their names, so a reader who has
one open keeps it, whatever is published, taken back or removed meanwhile.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from warehouse.archive import INSTANT
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, make_folder, remove_leftovers, sha256_of, temporary_beside, written_atomically

LINK = "opco.duckdb"
BUILDS = "builds"
SUFFIX = ".duckdb"
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
# The last day of a session in the time zone `$zone`: an end on midnight is that of the day before (T7).
LAST_DAY = LOCAL_DAY.format("(ends_at - interval 1 microsecond)")
# A published table that no earlier release had.
OF_THIS_RELEASE = "load_reconciliation"
# A large mart is a view of its Parquet files; the views of questions (mrt_) no page reads.
COLUMNS = """
select table_name, column_name
from duckdb_columns()
where database_name = current_database() and not internal and not starts_with(table_name, 'mrt_')
"""
# Fields that an organisation added are no part of a release.
CUSTOM_FIELDS = "select column_name from dim_custom_fields"
VERSION = "select opco_version from warehouse_build"
# Its record says when it was published, before it has its name.
PUBLISHING_TAKES = timedelta(seconds=2)


@dataclass(frozen=True)
class BuildRecord:
    """What a published file was when it was published. Instants are UTC, as text.

    `archive_head` is the archive's head that it was made of, None of an earlier program's. `parquet` has the SHA-256 of
    each file in `parquet_of` the published file.
    """

    build_id: str
    published_at: str
    data_as_of: str
    byte_count: int
    sha256: str
    row_counts: Mapping[str, int]
    archive_head: str | None = None
    parquet: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedBuild:
    """A published file that is kept, its record (None where that is lost), and whether readers see it."""

    build_id: str
    path: Path
    byte_count: int
    record: BuildRecord | None
    is_shown: bool


def open_published(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the published DuckDB file at `path` (a file or the link to one) for reading.

    Raises UserError when nothing, no published warehouse, or one of an earlier release is there, and OpcoError when
    the file is there but cannot be read: locked by a writer, damaged, or of another file format.
    """
    # The link may be replaced at any moment: what is read, and named in errors, is one build.
    file = path.resolve()
    if not file.exists():
        raise UserError(f"There is no published warehouse at {path}. Make one with: opco build --raw FOLDER")
    if file.is_dir():
        raise UserError(f"{path} is a folder, not a published warehouse. Name the file opco.duckdb in it.")
    try:
        db = duckdb.connect(str(file), read_only=True)
        db.execute("set TimeZone = 'UTC'")
        tables = {name for (name,) in db.execute("select table_name from duckdb_tables()").fetchall()}
        if "warehouse_build" in tables:
            # Damage shows in what is read.
            db.execute("from warehouse_build").fetchall()
    except duckdb.Error as error:
        cause = str(error).splitlines()[0]
        raise OpcoError(f"The published warehouse {file} cannot be read: {cause}\n{_reading_remedy(cause)}") from error
    if "warehouse_build" not in tables:
        db.close()
        raise UserError(
            f"{path} is a DuckDB file but not a published warehouse: it has no table warehouse_build. "
            "Name the file published/opco.duckdb, made with: opco build --raw FOLDER"
        )
    if OF_THIS_RELEASE not in tables:
        db.close()
        raise UserError(
            f"{path} was published by an earlier release, and lacks what this one reads. "
            "Bring it over with: opco rebuild (the next opco build or night does so as well)"
        )
    return db


def file_of(db: duckdb.DuckDBPyConnection) -> Path:
    """Return the published file that is open: the link may lead to another one by now."""
    ((path,),) = db.execute("select path from duckdb_databases() where database_name = current_database()").fetchall()
    return Path(path)


def _reading_remedy(cause: str) -> str:
    """Say what to do about DuckDB's message `cause`."""
    if "set lock" in cause or "different configuration" in cause:
        return "Another program holds it open for writing: close that program, then try again."
    if "ermission denied" in cause:
        return "Ask for the right to read this file, then try again."
    return (
        f"DuckDB {duckdb.__version__} reads it here. `opco status` says what is kept, `opco rollback` shows an earlier "
        "build, `opco rebuild` makes the warehouse again from the archive."
    )


def published_builds(published: Path) -> list[PublishedBuild]:
    """Return the builds that are kept, newest first: a build's id begins with its instant."""
    shown = shown_file(published)
    return [
        PublishedBuild(path.stem, path, path.stat().st_size, read_record(path), path == shown)
        for path in sorted((published / BUILDS).glob(f"[!.]*{SUFFIX}"), reverse=True)
    ]


def shown_file(published: Path) -> Path | None:
    """Return the file that the link leads to, whether or not it is there; None where nothing was published."""
    link = published / LINK
    return published / link.readlink() if link.is_symlink() else None


def record_of(path: Path) -> Path:
    """Return where the record of a published file is kept."""
    return path.with_suffix(".json")


def page_of(path: Path) -> Path:
    """Return where the documentation of a published file is, once somebody asked for it (`opco docs`)."""
    return path.with_suffix(".html")


def parquet_of(path: Path) -> Path:
    """Return the folder with the Parquet files of a published file's largest tables; without such, there is none."""
    return path.with_suffix("")


def write_record(path: Path, record: BuildRecord) -> None:
    """Write the record of the published file `path`."""
    with written_atomically(record_of(path)) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_record(path: Path) -> BuildRecord | None:
    """Return the record of the published file `path`, None where it cannot be read."""
    try:
        return BuildRecord(**json.loads(record_of(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def fault_of(path: Path, *, to_the_last_byte: bool) -> str | None:
    """Return why a published file is not what was published, None when nothing is known against it.

    `to_the_last_byte` compares its bytes with the record's checksum; else its size is, and that DuckDB opens it as the
    build that its name says. Where somebody wrote to it since, it says so.
    """
    fault = _fault_of_bytes(path, to_the_last_byte=to_the_last_byte)
    if fault is not None:
        return fault
    return _fault_of_database(path)


def _fault_of_database(path: Path) -> str | None:
    try:
        with duckdb.connect(str(path), read_only=True) as db:
            found = db.execute("select build_id from warehouse_build").fetchall()
    except duckdb.Error as error:
        return f"DuckDB {duckdb.__version__} cannot read it: {str(error).splitlines()[0]}"
    return None if found == [(path.stem,)] else "it holds another build than its name says"


def _fault_of_bytes(path: Path, *, to_the_last_byte: bool = True) -> str | None:
    """Return how the bytes of a published file differ from its record, None when they do not."""
    if not path.is_file():
        return "the file is gone"
    record = read_record(path)
    if record is None:
        lost = f"its record {record_of(path).name}, which says what was published, cannot be read"
        return lost if to_the_last_byte else None
    if changes_beside(path).exists():
        return f"{changes_beside(path).name} stands beside it, with what somebody changed in it"
    found, fault = path.stat(), None
    if found.st_size != record.byte_count:
        fault = f"it has {found.st_size:,} bytes, and {record.byte_count:,} were published"
    elif to_the_last_byte and sha256_of(path) != record.sha256:
        fault = f"its checksum is not that of what was published, {record.sha256}"
    else:
        fault = _fault_of_parquet(path, record, to_the_last_byte=to_the_last_byte)
    if fault is not None and (written_at := _written_since(path, record)):
        return f"somebody wrote to it at {written_at:%Y-%m-%dT%H:%M:%SZ}: {fault}"
    return fault


def _fault_of_parquet(path: Path, record: BuildRecord, *, to_the_last_byte: bool) -> str | None:
    for name, sha256 in record.parquet.items():
        file = parquet_of(path) / name
        if not file.is_file():
            return f"its file {file} is gone"
        if to_the_last_byte and sha256_of(file) != sha256:
            return f"the checksum of its file {file} is not that of what was published, {sha256}"
    return None


def was_written_to(path: Path) -> bool:
    """Whether somebody wrote to a published file that DuckDB reads all the same: it was changed, and is not damaged.

    A disk that fails, or a power cut, leaves the time of a file's last writing as it was.
    """
    record = read_record(path)
    if record is None or not path.is_file():
        return False
    is_changed = changes_beside(path).exists() or _written_since(path, record) is not None
    return is_changed and _fault_of_database(path) is None


def _written_since(path: Path, record: BuildRecord) -> datetime | None:
    """Return when a published file was written to, where that was after it was published."""
    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    published_at = datetime.strptime(record.published_at, INSTANT).replace(tzinfo=UTC)
    return written_at if written_at - published_at > PUBLISHING_TAKES else None


def changes_beside(path: Path) -> Path:
    """Return where DuckDB keeps what was changed in a database and is not in its file yet."""
    return path.with_name(f"{path.name}.wal")


def require_as_published(file: Path) -> BuildRecord:
    """Return the record of a published file, once its size and checksum are found to be what was published.

    To be called before anything is issued from it: a second a gigabyte. Raises OpcoError saying what differs.
    """
    fault, record = _fault_of_bytes(file), read_record(file)
    if fault is None and record is not None:
        return record
    raise OpcoError(
        f"The published file {file} is not what was published: {fault}. Nothing was issued from it.\n"
        "Make the warehouse again from the archive (opco rebuild), or show an earlier build (opco rollback)."
    )


def unknown_head(published: Path, heads: Collection[str]) -> str | None:
    """Return which kept build was made of an archive whose `heads` are others, None where there is none."""
    for build in published_builds(published):
        if build.record and build.record.archive_head and build.record.archive_head not in heads:
            return build.build_id
    return None


def set_link(published: Path, target: Path) -> None:
    """Make the link lead to `target`, in one rename. Raises OpcoError where the disk takes no symbolic links."""
    link = published / LINK
    temporary = temporary_beside(link)
    try:
        temporary.symlink_to(target.relative_to(published))
        temporary.replace(link)
        fsync_path(published)
    except OSError as error:
        raise OpcoError(
            f"{published}: the file system took no symbolic link or no rename ({error.strerror or error}). Readers see "
            "a build by a link that is replaced at once: keep the home (or its var/published) on a local file system "
            "that has both, such as ext4, XFS or APFS; not on FAT, exFAT or a share without links."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_place(published: Path) -> None:
    """Raise OpcoError where a link cannot be set and replaced in `published`, before anything long is done for it.

    What a killed publishing left there goes first: the build may need the room.
    """
    make_folder(published / BUILDS)
    for folder in (published, published / BUILDS):
        remove_leftovers(folder)
    trial = temporary_beside(published / "trial")
    trial.mkdir()
    try:
        for _ in range(2):  # the second replaces the first
            set_link(trial, trial / BUILDS)
    except OpcoError as error:
        raise OpcoError(str(error).replace(str(trial), str(published))) from error
    finally:
        (trial / LINK).unlink(missing_ok=True)
        trial.rmdir()


def roll_back(published: Path, build_id: str | None = None) -> PublishedBuild:
    """Show readers an earlier build again: `build_id`, or the one before that which is shown. Nothing is removed.

    Return the build that is shown now. Raises UserError when there is no such build, or an earlier release made it and
    it lacks what the shown one has, and OpcoError when its file is not what was published.
    """
    builds = published_builds(published)
    kept = "\n".join(f"  {build.build_id}{'  (published)' if build.is_shown else ''}" for build in builds)
    if not builds:
        raise UserError(f"No published build is kept in {published}. Make one with: opco build --raw FOLDER")
    if build_id is None:
        shown = shown_file(published)
        older = [build for build in builds if shown is None or build.build_id < shown.stem]
        if not older:
            raise UserError(f"No build older than the published one is kept. Kept:\n{kept}")
        target = older[0]
    else:
        named = [build for build in builds if build.build_id == build_id]
        if not named:
            raise UserError(
                f"The build {build_id} is not kept: it is gone, or there was none of this name. Kept:\n{kept}\n"
                "`opco rebuild` makes the warehouse again from the archive; build.keep_builds says how many are kept."
            )
        target = named[0]
    if wrong := fault_of(target.path, to_the_last_byte=True):
        raise OpcoError(
            f"{target.path} is not shown: {wrong}. Name another build, or make the warehouse again: opco rebuild"
        )
    with open_published(target.path) as db:
        _require_contents(db, target, next((build for build in builds if build.is_shown), None))
    set_link(published, target.path)
    return target


def _require_contents(db: duckdb.DuckDBPyConnection, target: PublishedBuild, shown: PublishedBuild | None) -> None:
    """Raise UserError where `target` lacks tables or columns of the build that is shown, which the pages may read."""
    if shown is None or fault_of(shown.path, to_the_last_byte=False):
        return
    with open_published(shown.path) as other:
        lacking = _contents(other) - _contents(db)
    if not lacking:
        return
    tables = {table for table, _ in _contents(db)}
    named = sorted({table if table not in tables else f"{table}.{column}" for table, column in lacking})
    (version,) = db.execute(VERSION).fetchone() or ("",)
    raise UserError(
        f"The build {target.build_id} is not shown: opco {version} made it, an earlier release, and it lacks "
        f"{', '.join(named)}, which the pages and exports of this one may read. Nothing was changed. "
        "Name a newer build, or make the warehouse again from the archive: opco rebuild"
    )


def _contents(db: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Return the tables of a published file, each with its columns, but for those of custom fields."""
    found = {(table, column) for table, column in db.execute(COLUMNS).fetchall()}
    added: set[str] = set()
    if ("dim_custom_fields", "column_name") in found:
        added = {column for (column,) in db.execute(CUSTOM_FIELDS).fetchall()}
    return {(table, column) for table, column in found if column not in added}


def older_builds(published: Path, keep: int) -> list[PublishedBuild]:
    """Return all but the newest `keep` builds, never the one that is shown."""
    return [build for build in published_builds(published)[keep:] if not build.is_shown]


def remove_build(path: Path) -> None:
    """Remove the published file `path` with all that stands beside it."""
    for file in (path, changes_beside(path), record_of(path), page_of(path)):
        file.unlink(missing_ok=True)
    shutil.rmtree(parquet_of(path), ignore_errors=True)


def remove_older(published: Path, keep: int) -> list[PublishedBuild]:
    """Remove the `older_builds`, and return what went."""
    removed = older_builds(published, keep)
    for build in removed:
        remove_build(build.path)
    for record in (published / BUILDS).glob("[!.]*.json"):  # of a build that was killed before it had its name
        if not record.with_suffix(SUFFIX).exists():
            record.unlink(missing_ok=True)
    for folder in (published / BUILDS).glob("[!.]*/"):
        if not folder.with_name(f"{folder.name}{SUFFIX}").exists():
            shutil.rmtree(folder, ignore_errors=True)
    return removed
