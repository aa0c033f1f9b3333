"""Whether the archive of a home is the one that its builds and its issues were made of, and what it was."""

from __future__ import annotations

from orchestration.home.paths import Home
from reports.issuing.manifest import issue_folders
from reports.issuing.manifest import read_manifest as read_issue
from warehouse.archive import Manifest, check_files
from warehouse.errors import OpcoError
from warehouse.published import BUILDS, unknown_head
from warehouse.steps import TellStep


def require_known_archive(home: Home, manifest: Manifest) -> None:
    """Raise OpcoError where a kept build was made of another archive: one that was put there, or started again."""
    if build_id := _foreign_build(home, manifest):
        record = home.published / BUILDS / build_id
        raise OpcoError(
            f"The archive {home.archive} is not the one that the published build {build_id} was made of: its chain "
            "does not hold the entry that the build names. Nothing was done. Restore archive and published builds "
            f"from the same backup. If the archive is an older one on purpose, remove {record}.json and .duckdb first: "
            "the next build is then made of what is there."
        )


def archive_fault(home: Home, manifest: Manifest, progress: TellStep | None = None) -> str | None:
    """Return why the archive must have been changed by other means than this program; None when it was not.

    With `progress` every file is read.
    """
    if fault := manifest.chain_fault:
        return f"its manifest was changed by other means than opco: {fault}"
    if build_id := _foreign_build(home, manifest):
        return f"it is not the one that the published build {build_id} was made of"
    if progress is None:
        return None
    return "\n".join(check_files(home.archive, manifest, progress)) or None


def issues_of_another_archive(home: Home, manifest: Manifest) -> list[str]:
    """Return the issues of attestations that name an entry which the archive's chain does not hold.

    They may be of a load that was lost with a backup of before, or of an archive that was put aside.
    """
    heads = {entry.hash for entry in manifest.chain}
    return [
        issue.relative_to(home.folder).as_posix()
        for folder in home.issued()
        for _, issue in issue_folders(folder)
        if (named := read_issue(issue).archive_head) is not None and named not in heads
    ]


def _foreign_build(home: Home, manifest: Manifest) -> str | None:
    return unknown_head(home.published, {entry.hash for entry in manifest.chain})
