"""An issue that later ones replaced, in whole or in part, says so wherever its ZIP can be fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reports.issuing.manifest import MANIFEST, IssuedDocument, Manifest
from reports.issuing.naming import session_folder
from tests.portal.pages_home import AWA, pages_of, rows_of, text_of

SESSION = "S-2026-MGMT-09"


def document(user_id: str, issue: int) -> IssuedDocument:
    return IssuedDocument(
        file=f"{user_id}.pdf", user_id=user_id, learner=user_id, number=f"{SESSION}/{user_id}/{issue}",
        issue_number=issue, issued_on="2026-11-10", data_as_of="2026-11-10T06:00:00.000000Z", sha256="0" * 64, bytes=1,
        pages=1, total_seconds=60, state="new", printed={},
    )  # fmt: skip


def manifest(number: int, documents: tuple[IssuedDocument, ...]) -> Manifest:
    return Manifest(
        session_id=SESSION, session_name="S", program_template_id="T", program_template_name="T", issue_number=number,
        previous_issue=number - 1 or None, issued_on="2026-11-10", data_as_of="2026-11-10T06:00:00.000000Z",
        build_id="b", opco_version="0", asked_for=(), inputs={}, settings={}, documents=documents, cancelled=(),
        left_out=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "fr",
            {
                3: "En vigueur",
                2: "En vigueur pour 1 attestation sur 2 ; le reste est annulé et remplacé par la version 3.",
                1: "Annulée et remplacée par la version 3.",
            },
        ),
        (
            "en",
            {
                3: "In force",
                2: "In force for 1 attestation of 2; the rest is cancelled and replaced by issue 3.",
                1: "Cancelled and replaced by issue 3.",
            },
        ),
    ],
)
def test_what_is_in_force_no_more_says_so(demo_home: Path, tmp_path: Path, language: str, said: dict[int, str]) -> None:
    issues = {
        1: (document("a", 1), document("b", 1)),
        2: (document("a", 2), document("b", 2)),
        3: (document("a", 3), replace(document("b", 2), state="kept")),
    }
    with pages_of(demo_home, tmp_path) as pages:
        for number, documents in issues.items():
            folder = session_folder(pages.home.attestations, SESSION) / f"issue-{number}"
            folder.mkdir(parents=True)
            (folder / MANIFEST).write_bytes(manifest(number, documents).to_json())
        browser = pages.browser(AWA, language)
        listed = [row[0].replace("\u202f", " ") for row in rows_of(browser.get(f"/sessions/{SESSION}").text)]
        for number, words in said.items():
            assert any(cell.endswith(f"{number} {words}") for cell in listed), (number, listed[:6])
            page = text_of(browser.get(f"/sessions/{SESSION}/issues/{number}").text).replace("\u202f", " ")
            assert (words in page) == (number != 3)
