"""What the manifests of issues list, as a build takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from orchestration.home.paths import Home
from reports.issuing.manifest import Manifest, issue_folders, read_manifest
from warehouse.build_file import ListedDocument
from warehouse.errors import OpcoError


def read_issued(home: Home, warn: Callable[[str], None]) -> list[ListedDocument]:
    """Return the documents of all issues of a home, as each issue's manifest lists them, in no order.

    A manifest that cannot be read lacks, and `warn` is called with what is wrong with it: no build stops for it.
    """
    found: list[ListedDocument] = []
    for folder in home.issued():
        for _, issue in issue_folders(folder):
            try:
                found += _listed(read_manifest(issue))
            except OpcoError as error:
                warn(f"fct_issued_documents lacks an issue: {error}")
    return found


def _listed(manifest: Manifest) -> Iterator[ListedDocument]:
    listed = partial(
        ListedDocument,
        document_kind=manifest.kind,
        session_id=manifest.session_id,
        month=manifest.month,
        issue_number=manifest.issue_number,
        issued_at=_without_zone(manifest.making.at) if manifest.making else None,
        build_id=manifest.build_id,
        rules_edition=manifest.rules_edition,
    )
    for document in manifest.documents:
        yield listed(
            user_id=document.user_id,
            document_id=document.number,
            replaced_document_id=document.replaces["number"] if document.replaces else None,
            event="kept" if document.state == "kept" else "made",
            issued_on=document.issued_on,
            data_as_of=_without_zone(document.data_as_of),
            attested_seconds=document.total_seconds,
            page_count=document.pages,
            pdf_sha256=document.sha256,
        )
    for cancelled in manifest.cancelled:
        yield listed(
            user_id=cancelled.user_id,
            document_id=cancelled.number,
            event="cancelled",
            cancelled_reason=cancelled.reason,
            issued_on=cancelled.issued_on,
            attested_seconds=cancelled.total_seconds,
        )


def _without_zone(instant: str) -> str:
    return instant.removesuffix("Z")
