"""The kinds of documents that can be issued, by the name that commands and manifests give them."""

from __future__ import annotations

from reports.attestation.kind import Attestation, DocumentKind
from reports.documents.kinds import Attendance, Certificate, MonthlyLog

ATTESTATION = "attestation"
KINDS: dict[str, DocumentKind] = {
    ATTESTATION: Attestation(),
    "certificate": Certificate(),
    "attendance": Attendance(),
    "log": MonthlyLog(),
}
