"""`opco issues`, `opco verify`: what was issued, and whether it is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, SessionArgument, app
from opco.running import open_home
from opco.terminal import HomeResult, Result, TerminalProgress, print_result, table
from orchestration.home.paths import Home
from orchestration.runs.progress import counted_stage
from reports.issuing.manifest import issue_folders, read_manifest
from reports.issuing.naming import issues_folders
from reports.issuing.verify import Verification
from reports.issuing.verify import verify as verify_path
from reports.language import duration
from warehouse.errors import UserError
from warehouse.wording import counted


@app.command(epilog="Example:  opco issues S-2026-MGMT-09")
def issues(
    session_id: SessionArgument,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List what was issued for a session, of every kind of document: each with its date, its data, what it did."""
    home = open_home(home_folder)
    print_result(IssuesResult(home.folder, session_id, _issues(home, session_id)), as_json=as_json)


@dataclass(frozen=True)
class Issue:
    """One issue: its kind, its month if it is about one, its date, its data, and how many documents, of each state."""

    kind: str
    month: str | None
    issue_number: int
    issued_on: str
    data_as_of: str
    build_id: str
    documents: int
    new: int
    replaced: int
    kept: int
    cancelled: int
    total_seconds: int
    folder: Path


@dataclass(frozen=True)
class IssuesResult(HomeResult, command="issues"):
    """What was issued for a session: attestations, then other kinds and months; of each the latest last."""

    session_id: str
    issues: list[Issue]

    def lines(self) -> list[str]:
        """Return one line an issue."""
        heads = (
            "Document",
            "Issue",
            "Issued on",
            "Data as of",
            "PDFs",
            "New",
            "Replaced",
            "Kept",
            "Cancelled",
            "Time spent",
        )
        rows = [
            (
                f"{one.kind} {one.month or ''}".strip(),
                str(one.issue_number),
                one.issued_on,
                one.data_as_of[:16] + "Z",
                *(f"{count:,}" for count in (one.documents, one.new, one.replaced, one.kept, one.cancelled)),
                duration(one.total_seconds),
            )
            for one in self.issues
        ]
        latest = {one.folder.parent: one.folder for one in self.issues}
        lines = table([heads, *rows], right=range(1, len(heads)))
        return [f"Session {self.session_id}", *lines, *(f"Folder  {folder}" for folder in latest.values())]


def _issues(home: Home, session_id: str) -> list[Issue]:
    """Return the issues of a session. Raises UserError, naming the sessions with issues, when it has none."""
    folders = issues_folders(home.attestations, home.documents, session_id)
    if not folders:
        every = [*home.attestations.glob("*"), *home.documents.glob("*/*/*")]
        sessions = {read_manifest(made[-1][1]).session_id for one in every if (made := issue_folders(one))}
        others = f"Sessions with issues: {', '.join(sorted(sessions))}." if sessions else "No session has any yet."
        raise UserError(f"Nothing was issued for session {session_id!r}. {others}")
    return [_issue(folder) for one in folders for _, folder in issue_folders(one)]


def _issue(folder: Path) -> Issue:
    manifest = read_manifest(folder)
    states = Counter(document.state for document in manifest.documents)
    return Issue(
        manifest.kind,
        manifest.month,
        manifest.issue_number,
        manifest.issued_on,
        manifest.data_as_of,
        manifest.build_id,
        documents=len(manifest.documents),
        new=states["new"],
        replaced=states["replaced"],
        kept=states["kept"],
        cancelled=sum(one.cancelled_by_issue == manifest.issue_number for one in manifest.cancelled),
        total_seconds=sum(document.total_seconds for document in manifest.documents),
        folder=folder,
    )


@app.command(epilog="Examples:  opco verify attestations-S-2026-MGMT-09-issue-1.zip   ·   opco verify attestation.pdf")
def verify(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A PDF, the ZIP or folder of an issue, or a session's folder.")
    ],
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Verify offline, with no warehouse, that attestations add up, and that an issue or a session is all there.

    What each PDF prints is compared with the rows attached to it, and its files with the manifest that came with
    them. A PDF alone can add up; that it is the one that was issued only its manifest shows. Exit code 1 where
    something is wrong.
    """
    progress = TerminalProgress()
    with progress.shown():
        found = verify_path(path.expanduser(), counted_stage(progress, "Verifying"))
    print_result(VerifyResult(found), as_json=as_json)


@dataclass(frozen=True)
class VerifyResult(Result, command="verify"):
    """What was verified, and what is wrong."""

    found: Verification

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.found.is_sound

    def facts(self) -> dict[str, Any]:
        """Return what was read, and of each fault and remark its file."""
        found = self.found
        return {
            "path": found.path,
            "kind": found.kind,
            "documents": found.documents,
            "total_seconds": found.total_seconds,
            "faults": [{"file": name, "fault": what} for name, what in found.faults],
            "remarks": [{"file": name, "remark": what} for name, what in found.remarks],
        }

    def lines(self) -> Iterator[str]:
        """Yield the remarks, what is wrong, and the verdict."""
        found = self.found
        documents, total = counted(found.documents, "PDF"), duration(found.total_seconds)
        yield from (f"  {name}: {what}" for name, what in found.remarks)
        yield from (f"  WRONG  {name}: {what}" for name, what in found.faults)
        if not found.is_sound:
            yield f"Not sound: {counted(len(found.faults), 'fault')} in {found.path} ({documents} read)."
        elif not found.documents:
            yield "Nothing   no PDF to read: none is in force, or a later issue took the place of those removed."
        elif found.kind == "pdf":
            yield f"Adds up   it prints what its attached rows say, {total} in all; nothing else is in the file."
            yield "          Only its issue's manifest, or a copy kept elsewhere, shows whether it is the one issued."
        elif found.kind == "session":
            yield (
                f"Sound     {documents} of all issues up to the latest there, each as its manifest lists it; each adds "
                f"up ({total} in all)."
            )
        else:
            yield f"Sound     {documents}, all of the manifest and as it lists them; each adds up ({total} in all)."
