"""The published builds that are kept, and the link that says which of them readers see.

`published/builds/` holds a DuckDB file a build and beside it a record, written first, of what the file must be;
`published/opco.duckdb` is a link to one of them. Files are never written again under their names, so a reader who has
one open keeps it, whatever is published, taken back or removed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, make_folder, remove_leftovers, sha256_of, temporary_beside, written_atomically

LINK = "opco.duckdb"
BUILDS = "builds"
SUFFIX = ".duckdb"


@dataclass(frozen=True)
class BuildRecord:
    """What a published file was when it was published. Instants are UTC, as text."""

    build_id: str
    published_at: str
    data_as_of: str
    byte_count: int
    sha256: str
    row_counts: Mapping[str, int]


@dataclass(frozen=True)
class PublishedBuild:
    """A published file that is kept, its record (None where that is lost), and whether readers see it."""

    build_id: str
    path: Path
    byte_count: int
    record: BuildRecord | None
    is_shown: bool


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

    `to_the_last_byte` holds its bytes against the record's checksum; else its size is, and that DuckDB opens it as the
    build that its name says.
    """
    if not path.is_file():
        return "the file is gone"
    record = read_record(path)
    if record is not None and path.stat().st_size != record.byte_count:
        return f"it has {path.stat().st_size:,} bytes, and {record.byte_count:,} were published"
    if record is not None and to_the_last_byte and sha256_of(path) != record.sha256:
        return f"its checksum is not that of what was published, {record.sha256}"
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.execute("select build_id from warehouse_build").fetchall()
    except duckdb.Error as error:
        return f"DuckDB {duckdb.__version__} cannot read it: {str(error).splitlines()[0]}"
    return None if found == [(path.stem,)] else "it holds another build than its name says"


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

    Return the build that is shown now. Raises UserError when there is no such build, and OpcoError when its file is
    not what was published.
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
    set_link(published, target.path)
    return target


def older_builds(published: Path, keep: int) -> list[PublishedBuild]:
    """Return all but the newest `keep` builds, never the one that is shown."""
    return [build for build in published_builds(published)[keep:] if not build.is_shown]


def remove_older(published: Path, keep: int) -> list[PublishedBuild]:
    """Remove the `older_builds`, and return what went."""
    removed = older_builds(published, keep)
    for build in removed:
        build.path.unlink(missing_ok=True)
        record_of(build.path).unlink(missing_ok=True)
    for record in (published / BUILDS).glob("[!.]*.json"):  # of a build that was killed before it had its name
        if not record.with_suffix(SUFFIX).exists():
            record.unlink(missing_ok=True)
    return removed
