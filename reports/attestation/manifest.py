"""What an issue of attestations says of itself: `manifest.json`, read and written."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from reports.attestation.model import Replaced
from warehouse.errors import OpcoError

MANIFEST = "manifest.json"
FORMAT = 1

State = Literal["new", "replaced", "kept"]
Reason = Literal["never_played", "deleted_without_name", "not_asked_for", "left_the_session"]


@dataclass(frozen=True)
class Cause:
    """Why a document was made anew.

    `kind` is `late_rows`, `corrected_rows`, `withdrawn_rows` (with their `count`), `inputs`, `settings` (with the
    `names` that differ), `session`, `learner`, `results`, `activities`, or `asked_for` (nothing changed, made all
    the same).
    """

    kind: str
    count: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class IssuedDocument:
    """One PDF of an issue.

    `state` tells what this issue did: `new`, `replaced` (made anew, in place of `replaces`) or `kept` (the PDF of an
    earlier issue, with its number, its `issue_number` and its dates). `printed` holds a digest of each part of what is
    printed without number, dates and data as of. `seconds_before` and `causes` are those of a replaced document.
    """

    file: str
    user_id: str
    learner: str
    number: str
    issue_number: int
    issued_on: str
    data_as_of: str
    sha256: str
    bytes: int
    pages: int
    total_seconds: int
    state: State
    printed: dict[str, str]
    replaces: dict[str, str] | None = None
    seconds_before: int | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def as_replaced(self) -> Replaced:
        """What a later document says of this one."""
        return Replaced(self.number, date.fromisoformat(self.issued_on))


@dataclass(frozen=True)
class CancelledDocument:
    """A document of an earlier issue whose learner gets none any more; it stays listed until there is a new one."""

    user_id: str
    learner: str
    number: str
    issued_on: str
    total_seconds: int
    cancelled_by_issue: int
    reason: Reason

    @property
    def as_replaced(self) -> Replaced:
        """What a later document says of this one."""
        return Replaced(self.number, date.fromisoformat(self.issued_on))


@dataclass(frozen=True)
class LeftOut:
    """A learner of the session who gets no document, and why."""

    user_id: str
    learner: str
    reason: Reason


@dataclass(frozen=True)
class Manifest:
    """All that an issue records; instants are UTC with a `Z`, days are ISO dates."""

    session_id: str
    session_name: str
    program_template_id: str
    program_template_name: str
    issue_number: int
    previous_issue: int | None
    issued_on: str
    data_as_of: str
    build_id: str
    opco_version: str
    asked_for: tuple[str, ...]
    inputs: dict[str, Any]
    settings: dict[str, Any]
    documents: tuple[IssuedDocument, ...]
    cancelled: tuple[CancelledDocument, ...]
    left_out: tuple[LeftOut, ...]
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the manifest's file: the same manifest gives the same bytes."""
        content = asdict(self)
        return (json.dumps({"format": content.pop("format"), **content}, ensure_ascii=False, indent=2) + "\n").encode()


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Return the manifest that `content` holds. Raises OpcoError naming `where` when it is none."""
    try:
        values = json.loads(content)
        if values["format"] != FORMAT:
            raise OpcoError(f"{where} has the format {values['format']!r}; this release reads {FORMAT}.")
        documents = tuple(
            IssuedDocument(**{**one, "causes": tuple(_cause(cause) for cause in one["causes"])})
            for one in values.pop("documents")
        )
        if any(Path(one.file).name != one.file or one.file.startswith(".") for one in documents):
            raise ValueError("a file of it is not in its folder")
        cancelled = tuple(CancelledDocument(**one) for one in values.pop("cancelled"))
        left_out = tuple(LeftOut(**one) for one in values.pop("left_out"))
        asked_for = tuple(values.pop("asked_for"))
        return Manifest(**values, documents=documents, cancelled=cancelled, left_out=left_out, asked_for=asked_for)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpcoError(
            f"{where} is no manifest of attestations ({type(error).__name__}: {error}). Restore it from a backup: an "
            "issue without it can neither be verified nor gone on from."
        ) from error


def read_manifest(issue: Path) -> Manifest:
    """Return the manifest of an issue's folder. Raises OpcoError when it is missing or unreadable."""
    path = issue / MANIFEST
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except OSError as error:
        raise OpcoError(
            f"{path} cannot be read: {error.strerror}. Restore the issue from its ZIP or a backup."
        ) from error


def issue_folders(folder: Path) -> list[tuple[int, Path]]:
    """Return number and folder of each issue of a session, in order."""
    paths = folder.iterdir() if folder.is_dir() else iter(())
    found = [(int(match[1]), path) for path in paths if (match := re.fullmatch(r"issue-(\d+)", path.name))]
    return sorted(found)


def _cause(values: dict[str, Any]) -> Cause:
    return Cause(values["kind"], values["count"], tuple(values["names"]))
