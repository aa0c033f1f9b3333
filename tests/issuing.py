"""Attestations issued, and foreseen, from a published file named by its path; issues as their manifests alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from reports.attestation.inputs import AttestationInputs
from reports.attestation.parts import printed_inputs
from reports.issuing.issue import Foresight, IssueSummary, foresee, issue_documents
from reports.issuing.manifest import MANIFEST, Manifest
from warehouse.published import open_published

NOTHING = dict.fromkeys(("documents", "cancelled", "left_out", "asked_for"), ())


def issue_from(warehouse: Path, session_id: str, inputs: AttestationInputs, **options: Any) -> IssueSummary:
    """Issue as `issue_documents`."""
    with closing(open_published(warehouse)) as db:
        return issue_documents(db, session_id, inputs, **options)


def foresee_from(warehouse: Path, session_id: str, inputs: AttestationInputs, **options: Any) -> Foresight | None:
    """Foresee as `foresee`."""
    with closing(open_published(warehouse)) as db:
        return foresee(db, session_id, inputs, **options)


def write_empty_issue(folder: Path, session_id: str, number: int = 1, **values: Any) -> None:
    """Write an issue without documents below `folder`: its manifest, with further `values`."""
    manifest = Manifest(
        session_id=session_id,
        session_name="",
        program_template_id="",
        program_template_name="",
        issue_number=number,
        previous_issue=None,
        issued_on="2026-11-10",
        data_as_of="2026-11-10T06:00:00.000000Z",
        build_id="",
        opco_version="",
        inputs=printed_inputs(AttestationInputs(), {}),
        settings={},
        **NOTHING,  # type: ignore[arg-type]
        **values,
    )
    (folder / f"issue-{number}").mkdir(parents=True)
    (folder / f"issue-{number}" / MANIFEST).write_bytes(manifest.to_json())
