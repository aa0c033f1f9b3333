"""Document numbers and file names: safe, and never the same for two learners."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from reports.attestation.model import SessionLearner
from warehouse.files import safe_file_name


def document_number(session_id: str, user_id: str, issue_number: int) -> str:
    """Return the number of a document, made from session, learner and issue number alone (A1).

    What is no ASCII letter, digit, `_`, `.`, `-` or `~` in an id is percent-encoded, the slash too: two
    different (session, user) pairs never share a number.
    """
    return f"{quote(session_id, safe='')}/{quote(user_id, safe='')}/{issue_number}"


def file_names(learners: Sequence[SessionLearner]) -> dict[str, str]:
    """Return a PDF file name for each user_id, sorting by last name.

    Names that are equal where case does not count get a hash of the user_id.
    """
    names = {learner.user_id: _file_stem(learner) for learner in learners}
    uses = Counter(name.casefold() for name in names.values())
    return {
        user_id: f"{name}{f'-{_digest(user_id)}' if uses[name.casefold()] > 1 else ''}.pdf"
        for user_id, name in names.items()
    }


def display_name(user_id: str, last_name: str | None, first_name: str | None) -> str:
    """Return a learner's name, last name first; the user_id where there is none."""
    return " ".join(part for part in (last_name, first_name) if part) or user_id


def session_folder(session_id: str) -> str:
    """Return a folder name that no other session shares, though ids may differ only in unsafe characters or case."""
    name = safe_file_name(session_id)
    return name if name == session_id else f"{name}-{_digest(session_id)[:8]}"


def _file_stem(learner: SessionLearner) -> str:
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
    return "-".join(["attestation", *(name for name in names if name), user_id])


def _digest(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:12]
