"""A folder or URL that a cluster reaches: the archive copied there before a build on Spark, and back what it made."""

from __future__ import annotations

from pathlib import Path

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, copy_files

from warehouse.archive import Manifest
from warehouse.spark import SCHEMAS


def send_archive(archive: Path, delivered: Manifest, folder: Path, shared: str | None) -> tuple[str, str]:
    """Return where Spark finds the archive, and where it builds: for a cluster, below the folder or URL `shared`.

    There, the archive's files are copied first, those that are not yet there (a file is never written again under its
    name), and what the archive holds no more is removed: of a learner who was forgotten, nothing stays.
    """
    if shared is None:
        return str(archive.resolve()), str(folder)
    target, held = f"{shared.rstrip('/')}/archive", {version.archive_file for version in delivered.held_files}
    system, root = _system_of(target)
    system.create_dir(root, recursive=True)
    found = system.get_file_info(FileSelector(root, recursive=True))
    there = {one.path.removeprefix(root).lstrip("/") for one in found if one.type == FileType.File}
    for name in sorted(there - held):
        system.delete_file(f"{root}/{name}")
    for name in sorted(held - there):
        system.create_dir(f"{root}/{name.split('/')[0]}", recursive=True)
        # Under its name only when it is whole: what a killed copy leaves is removed by the next.
        copy_folder(str(archive.resolve() / name), f"{target}/{name}.part")
        system.move(f"{root}/{name}.part", f"{root}/{name}")
    return target, f"{shared.rstrip('/')}/builds/{folder.name}"


def bring_back(work: str, folder: Path) -> None:
    """Copy what Spark built at `work` into `folder`, where it built elsewhere, and remove it there."""
    if work == str(folder):
        return
    for schema in SCHEMAS[1:]:
        copy_folder(f"{work}/{schema}", str(folder / schema))
    system, root = _system_of(work)
    system.delete_dir(root)


def remove_builds(shared: str | None) -> None:
    """Remove what builds that did not end left below the folder or URL `shared`."""
    if shared is not None:
        system, root = _system_of(f"{shared.rstrip('/')}/builds")
        if system.get_file_info(root).type == FileType.Directory:
            system.delete_dir(root)


def copy_folder(source: str, target: str) -> None:
    """Copy all files below a folder or URL to another; between the same two, nothing."""
    if source == target:
        return
    (from_system, from_path), (to_system, to_path) = _system_of(source), _system_of(target)
    copy_files(from_path, to_path, source_filesystem=from_system, destination_filesystem=to_system)


def _system_of(place: str) -> tuple[FileSystem, str]:
    """Return the file system of a path or URL, and the path in it. Spark and Hadoop write S3 as s3a."""
    if "://" not in place:
        return LocalFileSystem(), place
    system, path = FileSystem.from_uri(place.replace("s3a://", "s3://", 1))
    return system, path
