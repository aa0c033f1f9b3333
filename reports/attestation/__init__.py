"""Attestations (section A of the rules): one PDF per learner who played a session, from the published file."""

from reports.attestation.issue import issue_attestations
from reports.attestation.model import AttestationInputs, IssuedDocument, IssueSummary, LeftOut

__all__ = ["AttestationInputs", "IssueSummary", "IssuedDocument", "LeftOut", "issue_attestations"]
