"""Plans an issue: which documents of its learners stay as they are, and which have to be made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from reports.attestation.kind import DocumentKind, Scope
from reports.issuing.changes import changed_parts
from reports.issuing.kinds import KINDS
from reports.issuing.manifest import CancelledDocument, IssuedDocument
from reports.printing.images import CheckedImage
from warehouse.errors import OpcoError

# Learners read and made at a time: memory stays flat however many played the session.
SLICE = 8


@dataclass(frozen=True)
class IssueJob:
    """What all documents of an issue share.

    `folder` is where they are made; where not `replaces_for_inputs`, a document that differs in its inputs alone stays.
    """

    kind_name: str
    scope: Scope
    printed_inputs: dict[str, Any]
    images: dict[str, CheckedImage]
    issue_number: int
    issued_on: date
    is_forced: bool
    replaces_for_inputs: bool
    allows_missing_letters: bool
    folder: Path

    @property
    def kind(self) -> DocumentKind:
        """The kind of its documents."""
        return KINDS[self.kind_name]


@dataclass(frozen=True)
class Task:
    """One learner's document: the file to make, and the document that the learner has had, if any.

    `earlier_file` is the PDF of `earlier` where that is in force; where `is_carried`, it is kept whatever the data say
    now.
    """

    user_id: str
    learner: str
    file: str
    earlier: IssuedDocument | CancelledDocument | None = None
    earlier_file: Path | None = None
    is_carried: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a document, with what was noticed, or why there is none.

    `is_mistake` where that is for those to repair who gave what it is made from.
    """

    task: Task
    document: IssuedDocument | None
    warnings: tuple[str, ...] = ()
    failure: str = ""
    is_mistake: bool = False


class Planner:
    """Finds the documents that stay as they are: those that would print the same. `db` is the published file."""

    def __init__(self, job: IssueJob, db: duckdb.DuckDBPyConnection) -> None:
        self._job = job
        self._db = db
        self._shared = job.kind.shared_digests(job.scope, job.printed_inputs)

    def kept(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Return the outcomes of those of a slice of learners whose documents stay."""
        records = self._records(tasks)
        found = ((task, self._stays(task, records.get(task.user_id))) for task in tasks)
        return [Outcome(task, document) for task, document in found if document is not None]

    def changes_in(self, tasks: Sequence[Task]) -> Iterator[list[str]]:
        """Yield for each document in force of a slice of learners the parts of it that would print otherwise now."""
        records = self._records(tasks)
        for task in tasks:
            if isinstance(task.earlier, IssuedDocument):
                record, before = records.get(task.user_id), task.earlier.printed
                now = self._printed(record) if record is not None else before
                yield changed_parts(before, now)

    def _records(self, tasks: Sequence[Task]) -> dict[str, Any]:
        read = [task.user_id for task in tasks if not task.is_carried]
        return {one.user_id: one for one in self._job.kind.records(self._db, self._job.scope, read)}

    def _printed(self, record: Any) -> dict[str, str]:
        return self._shared | self._job.kind.digests(record)

    def _stays(self, task: Task, record: Any) -> IssuedDocument | None:
        """Return the document in force where it stays, having looked whether its PDF is what it was."""
        earlier = task.earlier
        if not isinstance(earlier, IssuedDocument):
            return None
        if record is not None:
            changed = changed_parts(earlier.printed, self._printed(record))
            if self._job.is_forced or (changed and (self._job.replaces_for_inputs or changed != ["inputs"])):
                return None
        if task.earlier_file is not None:
            read_kept(task.earlier_file, earlier)
        return replace(earlier, file=task.file, state="kept", replaces=None, seconds_before=None, causes=())


def in_slices(tasks: Sequence[Task], workers: int = 1) -> Iterator[Sequence[Task]]:
    """Part the tasks so that each process gets several turns, smaller and smaller: none waits long for the last."""
    start = 0
    while start < len(tasks):
        size = max(1, min(SLICE, (len(tasks) - start) // (workers + 1)))
        yield tasks[start : start + size]
        start += size


def read_kept(path: Path, document: IssuedDocument) -> bytes:
    """Return the bytes of a document of an earlier issue. Raises OpcoError when they are gone or others."""
    try:
        content, reason = path.read_bytes(), "it has been changed since"
    except OSError as error:
        content, reason = b"", error.strerror or str(error)
    if hashlib.sha256(content).hexdigest() != document.sha256:
        raise OpcoError(
            f"The PDF of document {document.number}, {path}, cannot be kept: {reason}. Restore it from the issue's "
            "ZIP or a backup, or replace all with --force."
        )
    return content
