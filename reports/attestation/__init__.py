"""Attestations (section A of the rules): one PDF per learner who played a session, from the published file."""

from reports.attestation.issue import IssueSummary, issue_attestations
from reports.attestation.manifest import CancelledDocument, IssuedDocument, LeftOut, Manifest
from reports.attestation.model import AttestationInputs

__all__ = [
    "AttestationInputs",
    "CancelledDocument",
    "IssueSummary",
    "IssuedDocument",
    "LeftOut",
    "Manifest",
    "issue_attestations",
]
