"""Superseded issues of a session, whose documents may be removed once they are named; their manifests stay."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from reports.issuing.manifest import MANIFEST, issue_folders
from warehouse.files import fsync_path, written_atomically

RECORD = "removed.json"


@dataclass(frozen=True)
class Removal:
    """When the documents of an issue were removed (UTC, as text), and by which account of the machine."""

    removed_at: str
    removed_by: str


def superseded_issues(folder: Path) -> list[Path]:
    """Return the issues of a session's folder whose documents are there and that a later issue has replaced."""
    return [issue for _, issue in issue_folders(folder)[:-1] if document_files(issue)]


def document_files(issue: Path) -> list[Path]:
    """Return the PDFs and the ZIP of an issue."""
    return sorted(path for path in issue.iterdir() if path.name not in (MANIFEST, RECORD))


def remove_documents(issue: Path, removal: Removal) -> None:
    """Remove the PDFs and the ZIP of an issue; first it is put on record beside the manifest, which stays."""
    with written_atomically(issue / RECORD) as temporary:
        temporary.write_text(json.dumps(asdict(removal)) + "\n", encoding="utf-8")
    for path in document_files(issue):
        path.unlink()
    fsync_path(issue)


def read_removal(content: bytes) -> Removal | None:
    """Return what the record of a removal says, None when it is none."""
    try:
        return Removal(**json.loads(content))
    except (ValueError, TypeError):
        return None
