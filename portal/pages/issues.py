"""What was issued for a session: an issue with its documents, its ZIP, one learner's PDF."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from portal import access, audit
from portal.issues import Issue
from portal.pages.common import PageRequest, found


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages and files."""
    of_session = access.session("session_id")
    path = "/sessions/{session_id:key}/issues/{number:int}"
    return [
        access.route(path, issue, who=of_session),
        access.route(f"{path}/zip", issue_zip, who=of_session),
        access.route(f"{path}/documents/{{file}}", issue_pdf, who=of_session),
    ]


def issue(request: Request) -> Response:
    """Show an issue: its documents with what became of each, who got none, and its ZIP."""
    page = PageRequest(request)
    one = _asked_for(page)
    return page.render(
        "issue.html",
        session=page.session_figures,
        issue=listed(one, page.issues.of_session(request.path_params["session_id"])[0], page.build.display_timezone),
        manifest=one.manifest,
        newly_cancelled=[gone for gone in one.manifest.cancelled if gone.cancelled_by_issue == one.number],
    )


def issue_zip(request: Request) -> Response:
    """Give the ZIP of an issue."""
    one = _asked_for(PageRequest(request))
    return _file(request, one, one.zip_path, "application/zip")


def issue_pdf(request: Request) -> Response:
    """Give one learner's PDF."""
    one = _asked_for(PageRequest(request))
    # Only what the manifest names is served: no name from outside becomes a path.
    document = found(one.document(request.path_params["file"]))
    return _file(request, one, one.folder / document.file, "application/pdf", inline="inline" in request.query_params)


def listed(issue: Issue, latest: Issue, zone: str) -> dict[str, Any]:
    """Return what a list shows of an issue; `latest` is that of its session, whose documents are those in force.

    `standing` is the key of the words for how much of it is in force: `issue_in_force`, `issue_partly` or `issue_over`.
    """
    manifest = issue.manifest
    as_of = datetime.fromisoformat(manifest.data_as_of).astimezone(ZoneInfo(zone))
    removal = issue.removal
    removed_at = datetime.fromisoformat(removal.removed_at).astimezone(ZoneInfo(zone)) if removal else None
    numbers = {document.number for document in latest.manifest.documents}
    in_force = sum(document.number in numbers for document in manifest.documents)
    standing = "issue_in_force" if issue.number == latest.number else "issue_partly" if in_force else "issue_over"
    return {
        "number": issue.number,
        "standing": standing,
        "in_force": in_force,
        "latest": latest.number,
        "issued_on": issue.issued_on,
        "data_as_of_local": as_of.replace(tzinfo=None),
        "documents": len(manifest.documents),
        "total_seconds": issue.total_seconds,
        "zip_bytes": issue.zip_bytes,
        "removed_on": removed_at.date() if removed_at else None,
    }


def _asked_for(page: PageRequest) -> Issue:
    path = page.request.path_params
    return found(page.issues.find(path["session_id"], path["number"]))


def _file(request: Request, issue: Issue, path: Path, media_type: str, *, inline: bool = False) -> Response:
    if not path.is_file():
        raise HTTPException(404)
    if request.method == "GET":
        facts = {"session_id": issue.manifest.session_id, "issue_number": issue.number, "file": path.name}
        audit.record(request, "attestations_downloaded", **facts)
    disposition = "inline" if inline else "attachment"
    return FileResponse(path, filename=path.name, media_type=media_type, content_disposition_type=disposition)
