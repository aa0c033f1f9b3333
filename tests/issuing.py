"""Attestations issued, and foreseen, from a published file that is named by its path."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from reports.attestation.inputs import AttestationInputs
from reports.issuing.issue import Foresight, IssueSummary, foresee, issue_documents
from warehouse.published import open_published


def issue_from(warehouse: Path, session_id: str, inputs: AttestationInputs, **options: Any) -> IssueSummary:
    """Issue as `issue_documents`."""
    with closing(open_published(warehouse)) as db:
        return issue_documents(db, session_id, inputs, **options)


def foresee_from(warehouse: Path, session_id: str, inputs: AttestationInputs, **options: Any) -> Foresight | None:
    """Foresee as `foresee`."""
    with closing(open_published(warehouse)) as db:
        return foresee(db, session_id, inputs, **options)
