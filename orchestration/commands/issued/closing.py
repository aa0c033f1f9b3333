"""What `opco issues` and `opco verify` say at their end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.terminal import counted
from reports.attestation.manifest import Manifest, issue_folders, read_manifest
from reports.attestation.naming import session_folder
from reports.attestation.verify import Verification
from reports.attestation.wording import duration
from warehouse.errors import UserError


def issues_closing(home: Home, session_id: str) -> Closing:
    """Return what was issued for a session. Raises UserError, naming the sessions with issues, when nothing was."""
    folder = home.attestations / session_folder(session_id)
    found = issue_folders(folder)
    if not found:
        folders = sorted(home.attestations.iterdir()) if home.attestations.is_dir() else []
        sessions = [read_manifest(made[-1][1]).session_id for one in folders if (made := issue_folders(one))]
        others = f"Sessions with issues: {', '.join(sessions)}." if sessions else "No session has any yet."
        raise UserError(f"No attestations were issued for session {session_id!r}. {others}")
    issues = [_issue_facts(read_manifest(path), path) for _, path in found]
    return {"command": "issues", "ok": True, "home": str(home.folder), "session_id": session_id, "issues": issues}


def _issue_facts(manifest: Manifest, folder: Path) -> dict[str, Any]:
    states = Counter(document.state for document in manifest.documents)
    newly = [one for one in manifest.cancelled if one.cancelled_by_issue == manifest.issue_number]
    return {
        "issue_number": manifest.issue_number,
        "issued_on": manifest.issued_on,
        "data_as_of": manifest.data_as_of,
        "build_id": manifest.build_id,
        "documents": len(manifest.documents),
        "new": states["new"],
        "replaced": states["replaced"],
        "kept": states["kept"],
        "cancelled": len(newly),
        "total_seconds": sum(document.total_seconds for document in manifest.documents),
        "folder": str(folder),
    }


def issues_lines(closing: Closing) -> list[str]:
    """Return what `opco issues` prints: one line an issue, the latest last."""
    heads = ("Issue", "Issued on", "Data as of", "PDFs", "New", "Replaced", "Kept", "Cancelled", "Time spent")
    rows = [
        (
            str(one["issue_number"]),
            one["issued_on"],
            one["data_as_of"][:16] + "Z",
            *(f"{one[name]:,}" for name in ("documents", "new", "replaced", "kept", "cancelled")),
            duration(one["total_seconds"]),
        )
        for one in closing["issues"]
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows)]
    return [f"Session {closing['session_id']}", *table, f"Folder  {closing['issues'][-1]['folder']}"]


def verify_closing(found: Verification) -> Closing:
    """Return what was verified, and what is wrong."""
    return {
        "command": "verify",
        "ok": found.is_sound,
        "path": str(found.path),
        "kind": found.kind,
        "documents": found.documents,
        "total_seconds": found.total_seconds,
        "faults": [{"file": name, "fault": what} for name, what in found.faults],
        "remarks": [{"file": name, "remark": what} for name, what in found.remarks],
    }


def verify_lines(closing: Closing) -> list[str]:
    """Return what `opco verify` prints."""
    documents = counted(closing["documents"], "PDF")
    lines = [f"  {one['file']}: {one['remark']}" for one in closing["remarks"]]
    lines += [f"  WRONG  {one['file']}: {one['fault']}" for one in closing["faults"]]
    if not closing["ok"]:
        return [
            *lines,
            f"Not sound: {counted(len(closing['faults']), 'fault')} in {closing['path']} ({documents} read).",
        ]
    held = "its attached rows add up to its printed total"
    if closing["kind"] != "pdf":
        held = "complete and unchanged against the manifest; the attached rows of each add up to its printed total"
    return [*lines, f"Sound     {documents}: {held} ({duration(closing['total_seconds'])} in all)."]
