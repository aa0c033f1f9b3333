"""The kinds of documents of D5 as the issuing of documents takes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import duckdb

from reports.attestation.kind import Attestation, DocumentRenderer, Printing, Scope, printed_with
from reports.attestation.model import LearnerRecord, SessionLearner
from reports.attestation.parts import shared_digests
from reports.attestation.proof import PrintedDocument
from reports.documents.attachment import activity_rows
from reports.documents.model import FollowedRecord
from reports.documents.proof import CreditedDocument, read_document
from reports.documents.queries import read_credit, read_followed, read_followers
from reports.documents.wording import load_wording
from warehouse.errors import OpcoError, UserError

IDENTITY = ("last_name", "first_name", "employer")
PERIOD = ("first_on", "last_on")


class Certificate:
    """The certificat de réalisation: who is paid by it counts activities that are completed."""

    noun: str = "certificate"
    nouns: str = "certificates"
    stem: str = "certificat-de-realisation"
    stems: str = "certificats-de-realisation"
    code: str | None = "CR"
    counts_connections = False

    def learners(self, db: duckdb.DuckDBPyConnection, scope: Scope) -> list[SessionLearner]:
        """Return the session's learners; who completed nothing gets none, nor who did what has no planned duration."""
        return read_followers(
            db,
            scope.session.session_id,
            scope.build.display_timezone,
            scope.month,
            counts_connections=self.counts_connections,
        )

    def records(self, db: duckdb.DuckDBPyConnection, scope: Scope, user_ids: Sequence[str]) -> list[FollowedRecord]:
        """Return what these learners followed."""
        return read_followed(
            db,
            scope.session.session_id,
            scope.build.display_timezone,
            scope.month,
            user_ids,
            scope.inputs.custom_fields,
        )

    def shared_digests(self, scope: Scope, inputs: dict[str, Any]) -> dict[str, str]:
        """Return the digests of inputs, session and settings."""
        return shared_digests(inputs, scope.session, scope.build)

    def digests(self, record: FollowedRecord) -> dict[str, str]:
        """Return the digests of the learner's own parts."""
        values = asdict(record)
        return {
            "learner": _digest([values.pop(name) for name in IDENTITY]),
            "custom_fields": _digest(values.pop("custom_fields")),
            "assistance": _digest(values.pop("assistance")),
            "period": _digest([values.pop(name) for name in PERIOD]),
            "credited": _digest(values.pop("activities")),
            "figures": _digest(values),
        }

    def renderer(self, db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> DocumentRenderer:
        """Return the renderer of certificates."""
        # WeasyPrint takes half a second and Pango to load: not before they are needed.
        from reports.documents.rendering import CertificateRenderer

        return CertificateRenderer(**_printed_with(db, scope, printing))

    def check_record(self, record: FollowedRecord, scope: Scope) -> None:
        """Compare activities and proof levels with the totals (D1, D2)."""
        credited = sum(one.credited_seconds for one in record.activities)
        proven = record.work_seconds + record.tutored_seconds + record.consultation_seconds
        if (credited, proven) != (record.credited_seconds, record.retained_seconds):
            raise OpcoError(
                f"The activities of learner {record.user_id} in session {scope.session.session_id} are worth "
                f"{credited} seconds and the proof levels {proven}, but the totals say {record.credited_seconds} "
                f"and {record.retained_seconds}. Build the warehouse again with: opco build --raw FOLDER"
            )

    def check_document(self, content: bytes, record: FollowedRecord) -> None:
        """Compare the finished PDF with the credited seconds."""
        try:
            document = read_document(content)
        except ValueError as error:
            raise OpcoError(f"The finished PDF cannot be checked: {error}.") from error
        fault = document.fault_of_sums() if isinstance(document, CreditedDocument) else "it is of another kind"
        if not fault and document.printed_seconds != record.credited_seconds:
            fault = f"its rows hold {document.printed_seconds} seconds, the warehouse says {record.credited_seconds}"
        if fault:
            raise OpcoError(f"The finished PDF does not add up: {fault}.")

    def seconds(self, record: FollowedRecord) -> int:
        """Return the credited seconds."""
        return record.credited_seconds

    def rows(self, record: FollowedRecord) -> Sequence[Mapping[str, str]]:
        """Return the attached activities."""
        return activity_rows(record.activities)

    def read(self, content: bytes, *, with_pages: bool = False) -> PrintedDocument:
        """Read a finished PDF."""
        return read_document(content, with_pages=with_pages)


class Attendance(Certificate):
    """The attestation d'assiduité of distance learning: credited hours with activities, assistance and evidence."""

    noun: str = "attestation of attendance"
    nouns: str = "attestations of attendance"
    stem: str = "attestation-d-assiduite"
    stems: str = "attestations-d-assiduite"
    code: str | None = "AA"
    counts_connections = True

    def renderer(self, db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> DocumentRenderer:
        """Return the renderer of attestations of attendance."""
        from reports.documents.rendering import AttendanceRenderer

        return AttendanceRenderer(**_printed_with(db, scope, printing), credit=read_credit(db))


class MonthlyLog(Attestation):
    """The log of connections of a month, to be signed by the learner and the trainer."""

    noun: str = "log to sign"
    nouns: str = "logs to sign"
    stem: str = "releve-de-connexion"
    stems: str = "releves-de-connexion"
    code: str | None = "RC"

    def learners(self, db: duckdb.DuckDBPyConnection, scope: Scope) -> list[SessionLearner]:
        """Return the session's learners; who was not connected in the month gets none."""
        if scope.month is None:
            raise UserError("A log to sign is of one month. Name it: --month YYYY-MM")
        connected = {
            user_id
            for (user_id,) in db.execute(
                "select distinct user_id from fct_opco_connections "
                "where session_id = $session_id and strftime(connected_on, '%Y-%m') = $month",
                {"session_id": scope.session.session_id, "month": scope.month},
            ).fetchall()
        }
        return [
            SessionLearner(**asdict(one) | {"has_played": one.user_id in connected})
            for one in super().learners(db, scope)
        ]

    def digests(self, record: LearnerRecord) -> dict[str, str]:
        """Return the digests of the learner's own parts that are printed."""
        printed = ("learner", "custom_fields", "flags", "log")
        return {part: digest for part, digest in super().digests(record).items() if part in printed}

    def renderer(self, db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> DocumentRenderer:
        """Return the renderer of logs to sign."""
        from reports.documents.rendering import MonthlyLogRenderer

        return MonthlyLogRenderer(**_printed_with(db, scope, printing))


def _printed_with(db: duckdb.DuckDBPyConnection, scope: Scope, printing: Printing) -> dict[str, Any]:
    wording = load_wording(scope.inputs.language).with_nouns(scope.inputs.nouns)
    return {**printed_with(db, scope, printing), "month": scope.month, "wording": wording}


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
