"""What a controller's check finds: files missing, changed, foreign, and totals that do not add up."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from reports.attestation import AttestationInputs, issue_attestations
from reports.attestation.proof import read_proof
from reports.attestation.verify import verify
from warehouse.errors import UserError

SESSION = "SST-26"
FIRST = "attestation-ARAGO-Ada-U1.pdf"
SECOND = "attestation-BIOT-Ada-U2.pdf"
ZIP = "attestations-SST-26-issue-1.zip"


@pytest.fixture
def issue(campus: Any, tmp_path: Path) -> Path:
    """The folder of an issue of two documents, of 90 minutes and of one hour."""
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    campus.learner("U1", "Arago", "Ada")
    campus.learner("U2", "Biot", "Ada")
    for user_id in ("U1", "U2"):
        campus.connected(user_id, SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.connected("U1", SESSION, "C1", "2026-10-13 07:00:00", "2026-10-13 07:30:00")
    campus.enrolled("U1", SESSION)
    campus.enrolled("U2", SESSION)
    return issue_attestations(
        campus.close(),
        SESSION,
        AttestationInputs(),
        folder=tmp_path / "issues",
        assets=tmp_path,
        issued_on=date(2027, 1, 15),
    ).folder


def with_rows(path: Path, edit: Callable[[bytes], bytes]) -> None:
    """Change the rows attached to a PDF, as a forger would."""
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        ((name, attachment),) = pdf.attachments.items()
        content = edit(attachment.get_file().read_bytes())
        pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, content, filename=name)
        pdf.save(path)


def test_an_issue_is_sound_as_folder_zip_session_and_pdf(issue: Path) -> None:
    for path, kind, documents in (
        (issue, "issue", 2),
        (issue / ZIP, "zip", 2),
        (issue.parent, "session", 2),
        (issue / FIRST, "pdf", 1),
    ):
        found = verify(path)
        assert (found.kind, found.documents, found.faults, found.remarks) == (kind, documents, [], [])
    assert verify(issue).total_seconds == 9000
    assert verify(issue / FIRST).total_seconds == 5400
    proof = read_proof((issue / FIRST).read_bytes())
    assert (proof.number, proof.printed_seconds, len(proof.rows)) == ("SST-26/U1/1", 5400, 2)


def test_what_is_missing_changed_or_foreign_is_named(issue: Path) -> None:
    (issue / FIRST).unlink()
    with (issue / SECOND).open("ab") as stream:
        stream.write(b"\n% seen\n")
    shutil.copyfile(issue / SECOND, issue / "attestation-X.pdf")
    (issue / "notes.txt").write_text("mine")
    found = verify(issue)
    assert dict(found.faults) == {
        FIRST: "it is missing (attestation SST-26/U1/1)",
        SECOND: "it has been changed: its SHA-256 is not that of the manifest",
        "attestation-X.pdf": "it is not in the manifest",
    }
    assert found.remarks == [("notes.txt", "it is not in the manifest")]
    # A copy without a ZIP is a copy.
    (issue / ZIP).unlink()
    assert (ZIP, "the ZIP is not there") in verify(issue).remarks


def test_rows_that_do_not_add_up_to_the_printed_total(issue: Path) -> None:
    path = issue / FIRST
    with_rows(path, lambda content: content.replace(b";1800;5400\r\n", b";2700;6300\r\n"))
    assert verify(path).faults == [(FIRST, "it prints 5400 seconds, its attached rows add up to 6300")]
    with_rows(path, lambda content: content.replace(b";2700;6300\r\n", b";1800;6300\r\n"))
    assert verify(path).faults == [(FIRST, "the running total of its attached rows breaks at row 2")]
    with_rows(path, lambda content: content.replace(b"retained_seconds", b"seconds"))
    assert verify(path).faults == [(FIRST, "the attached CSV has other columns")]


def test_a_manifest_that_was_changed_does_not_hide_a_document(issue: Path) -> None:
    manifest = json.loads((issue / "manifest.json").read_text())
    manifest["documents"][0]["total_seconds"] = 9999
    (issue / "manifest.json").write_text(json.dumps(manifest))
    found = dict(verify(issue).faults)
    assert found[FIRST] == "it is attestation SST-26/U1/1 of 5400 seconds, the manifest lists SST-26/U1/1 of 9999"
    assert found[ZIP] == "the ZIP does not hold the same files as the folder"
    manifest["documents"][0]["file"] = "../../elsewhere.pdf"
    (issue / "manifest.json").write_text(json.dumps(manifest))
    assert "a file of it is not in its folder" in dict(verify(issue).faults)["manifest.json"]
    (issue / "manifest.json").write_text("{}")
    ((name, fault),) = verify(issue).faults
    assert name == "manifest.json"
    assert "is no manifest of attestations" in fault


def test_a_zip_that_was_cut_or_filled_up(issue: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    content = bytearray((issue / ZIP).read_bytes())
    content[500:520] = bytes(20)
    cut.write_bytes(content)
    assert not verify(cut).is_sound
    filled = tmp_path / "filled.zip"
    shutil.copyfile(issue / ZIP, filled)
    with zipfile.ZipFile(filled, "a") as archive:
        archive.writestr("../attestation-Y.pdf", b"%PDF-1.7")
    assert verify(filled).faults == [("../attestation-Y.pdf", "it is not in the manifest")]
    assert not (tmp_path.parent / "attestation-Y.pdf").exists()


def test_a_pdf_of_others_and_what_is_no_pdf(tmp_path: Path) -> None:
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(tmp_path / "other.pdf")
    assert verify(tmp_path / "other.pdf").faults == [("other.pdf", "it has 0 attached logs of connections, not one")]
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    assert verify(tmp_path / "broken.pdf").faults == [("broken.pdf", "it is no readable PDF")]
    (tmp_path / "text.txt").write_text("text")
    for name, message in (("text.txt", "is no PDF and no ZIP"), ("none", "There is no file"), (".", "has no manifest")):
        with pytest.raises(UserError, match=message):
            verify(tmp_path / name)


def test_a_hostile_name_does_not_pass_for_the_total(campus: Any, tmp_path: Path) -> None:
    campus.build()
    # So long that the summary does not begin on the first page.
    campus.session(SESSION, "99:00:00 soit 99,00 h " * 150, None, None)
    campus.learner("U1", "Temps passé 77:00:00", "soit 77,00 h")
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", SESSION)
    summary = issue_attestations(
        campus.close(),
        SESSION,
        AttestationInputs(),
        folder=tmp_path / "i",
        assets=tmp_path,
        issued_on=date(2027, 1, 15),
    )
    assert verify(summary.folder).faults == []
    assert summary.documents[0].pages > 1
