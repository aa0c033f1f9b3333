"""What an issue of attestations says of itself: `manifest.json`, read and written."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from warehouse.errors import OpcoError
from warehouse.files import sha256_of

MANIFEST = "manifest.json"
FORMAT = 2
# Format 1 did not say how an issue was made, nor what it follows; 3 is that of documents that are no attestations.
FORMAT_OF_KINDS = 3
READ_FORMATS = (1, FORMAT, FORMAT_OF_KINDS)

Way = Literal["command", "night", "page", "dagster"]
State = Literal["new", "replaced", "kept"]
Reason = Literal[
    "never_played",
    "deleted_without_name",
    "instructs_the_session",
    "not_asked_for",
    "left_the_session",
    "nothing_completed",
    "without_duration",
]


@dataclass(frozen=True)
class Cause:
    """Why a document was replaced.

    `kind` is `rules` (figures changed, and another edition of the rules made them), `late_rows`, `corrected_rows`,
    `withdrawn_rows` (with their `count`), `inputs`, `settings` (with the `names` that differ), `session`, `learner`,
    `custom_fields`, `results`, `sources`, `flags`, `planned`, `activities`, or `asked_for` (nothing
    changed, made all the same).
    """

    kind: str
    count: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class IssuedDocument:
    """One PDF of an issue.

    `state` is what this issue did: `new`, `replaced` (made in place of `replaces`) or `kept` (the PDF of an
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


@dataclass(frozen=True)
class LeftOut:
    """A learner of the session who gets no document, and why; `detail` names what is to be repaired."""

    user_id: str
    learner: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Making:
    """How an issue came to be: when really (UTC, as text), by whom, and by which way.

    `by` is an e-mail address where it was asked for on a page, else an account of the machine.
    """

    at: str
    by: str
    way: Way


@dataclass(frozen=True)
class Manifest:
    """All that an issue records; instants are UTC with a `Z`, days are ISO dates.

    `issued_on_reason` says why the date of issue is no day from that of the data to today, where it is none;
    `differs_from_settings` names the inputs of organisation and signatory that are not those of the settings.
    Manifests of the first edition of the rules do not name their edition.
    `kind` is that of its documents, `month` (YYYY-MM) the month that they are about, None for the whole session.
    `archive_head` and `published_sha256` name the archive and the published file that it was made of,
    `previous_manifest_sha256` which manifest it follows. They and `making` are None of an earlier program's issues.
    """

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
    issued_on_reason: str | None = None
    differs_from_settings: tuple[str, ...] = ()
    rules_edition: int = 1
    making: Making | None = None
    archive_head: str | None = None
    published_sha256: str | None = None
    previous_manifest_sha256: str | None = None
    kind: str = "attestation"
    month: str | None = None
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the manifest's file: the same manifest gives the same bytes."""
        content = asdict(self)
        if self.format != FORMAT_OF_KINDS:
            del content["kind"], content["month"]
            for one in content["left_out"]:
                del one["detail"]
        return (json.dumps({"format": content.pop("format"), **content}, ensure_ascii=False, indent=2) + "\n").encode()


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Return the manifest that `content` holds. Raises OpcoError naming `where` when it is none."""
    try:
        values = json.loads(content)
        if values["format"] not in READ_FORMATS:
            raise OpcoError(f"{where} has the format {values['format']!r}; this release reads formats up to {FORMAT}.")
        documents = tuple(document_of(one) for one in values.pop("documents"))
        if any(Path(one.file).name != one.file or one.file.startswith(".") for one in documents):
            raise ValueError("a file of it is not in its folder")
        cancelled = tuple(CancelledDocument(**one) for one in values.pop("cancelled"))
        left_out = tuple(LeftOut(**one) for one in values.pop("left_out"))
        asked_for = tuple(values.pop("asked_for"))
        values["differs_from_settings"] = tuple(values.get("differs_from_settings", ()))
        making = Making(**made) if (made := values.pop("making", None)) else None
        return Manifest(
            **values, documents=documents, cancelled=cancelled, left_out=left_out, asked_for=asked_for, making=making
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpcoError(
            f"{where} is no manifest of attestations ({type(error).__name__}: {error}). Restore it from a backup: an "
            "issue without it can neither be verified nor continued."
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


def manifest_digest(issue: Path) -> str:
    """Return the SHA-256 of the manifest in an issue's folder. Raises OSError when it cannot be read."""
    return sha256_of(issue / MANIFEST)


def issue_folders(folder: Path) -> list[tuple[int, Path]]:
    """Return number and folder of each issue of a session, in order."""
    paths = folder.iterdir() if folder.is_dir() else iter(())
    found = [(int(match[1]), path) for path in paths if (match := re.fullmatch(r"issue-(\d+)", path.name))]
    return sorted(found)


def document_of(values: dict[str, Any]) -> IssuedDocument:
    """Return the document whose values JSON gave."""
    causes = tuple(Cause(one["kind"], one["count"], tuple(one["names"])) for one in values["causes"])
    return IssuedDocument(**values | {"causes": causes})
