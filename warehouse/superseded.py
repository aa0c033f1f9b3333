"""Versions of delivered files that no build reads any more: removed from the archive only where somebody names them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from warehouse.archive import FileVersion, read_manifest, remove_orphans, write_manifest


def remove_superseded(archive: Path, versions: Collection[FileVersion], removed_at: str) -> None:
    """Remove `versions` from the archive. The manifest goes on naming them, with their checksums and `removed_at`.

    Should one be delivered again, it is read again.
    """
    manifest = read_manifest(archive)
    named = set(versions)
    files = (replace(one, removed_at=removed_at) if one in named else one for one in manifest.files)
    manifest = replace(manifest, files=tuple(files))
    write_manifest(archive, manifest)
    remove_orphans(archive, manifest)
