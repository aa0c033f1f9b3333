"""Document numbers and file names: safe, and never the same for two learners."""

from __future__ import annotations

import glob
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from reports.attestation.model import SessionLearner
from reports.issuing.kinds import KINDS
from reports.issuing.manifest import Manifest, issue_folders
from warehouse.files import safe_file_name


def document_number(
    session_id: str, user_id: str, issue_number: int, code: str | None = None, month: str | None = None
) -> str:
    """Return the number of a document, made from session, learner and issue number alone (A1).

    Those that are no attestations have the code of their kind, and the month if they are about one, before the issue.

    What is no ASCII letter, digit, `_`, `.`, `-` or `~` in an id is percent-encoded, the slash too: two
    different (session, user) pairs never share a number.
    """
    parts = [quote(session_id, safe=""), quote(user_id, safe="")]
    if code:
        parts.append(f"{code}-{month}" if month else code)
    return "/".join([*parts, str(issue_number)])


def file_names(learners: Sequence[SessionLearner], stem: str = "attestation") -> dict[str, str]:
    """Return a PDF file name for each user_id, beginning with `stem`, sorting by last name.

    Names that are equal where case does not count get a hash of the user_id.
    """
    names = {learner.user_id: _file_stem(learner, stem) for learner in learners}
    uses = Counter(name.casefold() for name in names.values())
    return {
        user_id: f"{name}{f'-{_digest(user_id)}' if uses[name.casefold()] > 1 else ''}.pdf"
        for user_id, name in names.items()
    }


def session_name(session_id: str) -> str:
    """Return a name of a folder or file that no other session has, though ids may differ in unsafe characters alone.

    What was made safe has a `~`, which no name that is safe as it is has, and a digest of the id.
    """
    name = safe_file_name(session_id)
    return name if name == session_id else f"{name}~{hashlib.sha256(session_id.encode()).hexdigest()[:16]}"


def session_folder(attestations: Path, session_id: str) -> Path:
    """Return the folder of a session's issues in the folder of all attestations.

    An earlier release named it with eight digits of a digest, which another session could have in its id: where a
    folder of that name is there, and this session's, it is used.
    """
    folder = attestations / session_name(session_id)
    name = safe_file_name(session_id)
    earlier = attestations / f"{name}-{_digest(session_id)[:8]}"
    if name == session_id or folder.exists() or not earlier.is_dir():
        return folder
    return earlier if _session_of(earlier) == session_id else folder


def issues_folders(attestations: Path, documents: Path, session_id: str) -> list[Path]:
    """Return the folders with issues of a session: of its attestations, then of each other kind and month."""
    name = glob.escape(session_name(session_id))
    folders = [session_folder(attestations, session_id), *sorted(documents.glob(f"*/{name}/*"))]
    return [folder for folder in folders if issue_folders(folder)]


def zip_names(
    session_id: str, issue_number: int, stems: str = "attestations", month: str | None = None
) -> tuple[str, str]:
    """Return the name of an issue's ZIP, and the one that an earlier release gave it; `stems` are those of a kind."""
    names = (session_name(session_id), safe_file_name(session_id))
    end = f"{f'-{month}' if month else ''}-issue-{issue_number}.zip"
    return (f"{stems}-{names[0]}{end}", f"{stems}-{names[1]}{end}")


def zip_of(
    folder: Path, session_id: str, issue_number: int, stems: str = "attestations", month: str | None = None
) -> Path:
    """Return the path of the ZIP of an issue in its folder, whether or not it is there."""
    name, earlier = zip_names(session_id, issue_number, stems, month)
    return folder / (earlier if not (folder / name).exists() and (folder / earlier).exists() else name)


def zip_names_of(manifest: Manifest) -> tuple[str, str]:
    """Return the names that the ZIP of an issue may have, as `zip_names`."""
    return zip_names(manifest.session_id, manifest.issue_number, KINDS[manifest.kind].stems, manifest.month)


def zip_of_issue(folder: Path, manifest: Manifest) -> Path:
    """Return the path of the ZIP in the folder of an issue, whether or not it is there."""
    stems = KINDS[manifest.kind].stems
    return zip_of(folder, manifest.session_id, manifest.issue_number, stems, manifest.month)


def _session_of(folder: Path) -> str | None:
    """Return the session whose issues a folder holds, None where nothing says so."""
    for manifest in sorted(folder.glob("issue-*/manifest.json")):
        try:
            return str(json.loads(manifest.read_bytes())["session_id"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _file_stem(learner: SessionLearner, stem: str) -> str:
    names = (
        safe_file_name(name, fallback="", max_length=40)
        for name in (
            (learner.last_name or "").upper(),
            learner.first_name or "",
        )
    )
    user_id = safe_file_name(learner.user_id, fallback="")
    if user_id != learner.user_id:
        # What made the id safe may have made it another learner's.
        user_id = f"{user_id}-{_digest(learner.user_id)}".lstrip("-")
    return "-".join([stem, *(name for name in names if name), user_id])


def _digest(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:12]
