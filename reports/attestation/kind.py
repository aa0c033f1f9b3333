"""What the issuing of documents asks of a kind of document, and the attestation as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import duckdb

from reports.attestation.attachment import log_rows
from reports.attestation.inputs import AttestationInputs
from reports.attestation.model import Build, LearnerRecord, RenderedDocument, Replaced, Session, SessionLearner
from reports.attestation.parts import learner_digests, shared_digests
from reports.attestation.proof import PrintedDocument, check_proof, check_sums, read_proof
from reports.attestation.queries import read_code_texts, read_learner_records, read_session_learners
from reports.printing.images import CheckedImage


@dataclass(frozen=True)
class Scope:
    """What the documents of one issue are about: a session, whole or in one month of the display time zone."""

    session: Session
    build: Build
    inputs: AttestationInputs
    month: str | None = None


@dataclass(frozen=True)
class Printing:
    """How documents are printed: images by part, the day of issue, CSS besides ours.

    Unless `allows_missing_letters`, a document with a letter that no font has is not made.
    """

    images: dict[str, CheckedImage]
    issued_on: date
    allows_missing_letters: bool = False
    styles: tuple[str, ...] = ()


class DocumentRenderer(Protocol):
    """Renders the documents of one issue."""

    warnings: tuple[str, ...]

    def render(self, record: Any, number: str, replaced: Replaced | None = None) -> RenderedDocument:
        """Return the PDF of one learner's record; `replaced` is the document that it cancels."""


class DocumentKind(Protocol):
    """A kind of document that is made of a learner's record in a session; records have a `user_id`.

    `noun` and `nouns` name it in messages, `stem` and `stems` begin the names of its PDFs and ZIPs, `code` tells its
    numbers from those of other kinds (None for attestations).
    """

    noun: str
    nouns: str
    stem: str
    stems: str
    code: str | None

    def learners(self, db: duckdb.DuckDBPyConnection, scope: Scope) -> list[SessionLearner]:
        """Return the session's learners in alphabetical order, each with why there is no document, if there is none."""

    def records(self, db: duckdb.DuckDBPyConnection, scope: Scope, user_ids: Sequence[str]) -> list[Any]:
        """Return what is printed of these learners, in their order."""

    def shared_digests(self, scope: Scope, inputs: dict[str, Any]) -> dict[str, str]:
        """Return the digests of what all documents of an issue print; `inputs` as manifests keep them."""

    def digests(self, record: Any) -> dict[str, str]:
        """Return the digests of what one document prints beside that."""

    def renderer(self, db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> DocumentRenderer:
        """Return what renders the documents. Raises UserError for an unusable input."""

    def check_record(self, record: Any, scope: Scope) -> None:
        """Raise OpcoError where the record's rows do not add up to its totals."""

    def check_document(self, content: bytes, record: Any) -> None:
        """Raise OpcoError where the finished PDF does not print what the record says."""

    def seconds(self, record: Any) -> int:
        """Return the total that the document prints, in seconds."""

    def rows(self, record: Any) -> Sequence[Mapping[str, str]]:
        """Return the rows attached to the document."""

    def read(self, content: bytes, *, with_pages: bool = False) -> PrintedDocument:
        """Read a finished PDF of this kind. Raises ValueError where it is none."""


class Attestation:
    """The attestation of distance learning (A)."""

    noun: str = "attestation"
    nouns: str = "attestations"
    stem: str = "attestation"
    stems: str = "attestations"
    code: str | None = None

    def learners(self, db: duckdb.DuckDBPyConnection, scope: Scope) -> list[SessionLearner]:
        """Return the session's learners; who never played it gets none."""
        return read_session_learners(db, scope.session.session_id)

    def records(self, db: duckdb.DuckDBPyConnection, scope: Scope, user_ids: Sequence[str]) -> list[LearnerRecord]:
        """Return all that is printed of learners who played the session."""
        return read_learner_records(
            db, scope.session.session_id, user_ids, scope.build, scope.inputs.custom_fields, scope.month
        )

    def shared_digests(self, scope: Scope, inputs: dict[str, Any]) -> dict[str, str]:
        """Return the digests of inputs, session and settings."""
        return shared_digests(inputs, scope.session, scope.build)

    def digests(self, record: LearnerRecord) -> dict[str, str]:
        """Return the digests of the learner's own parts."""
        return learner_digests(record)

    def renderer(self, db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> DocumentRenderer:
        """Return the renderer of attestations."""
        # WeasyPrint takes half a second and Pango to load: not before they are needed.
        from reports.attestation.rendering import Renderer

        return Renderer(**printed_with(db, scope, printing))

    def check_record(self, record: LearnerRecord, scope: Scope) -> None:
        """Compare the rows of the log with the learner's total."""
        check_sums(record, scope.session)

    def check_document(self, content: bytes, record: LearnerRecord) -> None:
        """Compare the finished PDF with the learner's total, to the second."""
        check_proof(content, record)

    def seconds(self, record: LearnerRecord) -> int:
        """Return the time spent."""
        return record.totals.retained_seconds

    def rows(self, record: LearnerRecord) -> Sequence[Mapping[str, str]]:
        """Return the log."""
        return log_rows(record.log)

    def read(self, content: bytes, *, with_pages: bool = False) -> PrintedDocument:
        """Read a document with a log."""
        return read_proof(content, with_pages=with_pages)


def printed_with(db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> dict[str, Any]:
    """Return the arguments of a renderer."""
    return {
        "inputs": scope.inputs,
        "images": printing.images,
        "session": scope.session,
        "build": scope.build,
        "texts": read_code_texts(db, scope.inputs.language),
        "issued_on": printing.issued_on,
        "allows_missing_letters": printing.allows_missing_letters,
        "styles": printing.styles,
    }
