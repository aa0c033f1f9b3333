"""What a controller's check finds: files missing, changed, foreign, and what a PDF prints that its rows do not say."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from reports.attestation.inputs import AttestationInputs
from reports.attestation.proof import read_proof
from reports.issuing import verify as verifying
from reports.issuing.manifest import Making, read_manifest
from reports.issuing.verify import Verification, verify
from reports.printing.structure import fault_of_form
from tests.issuing import issue_from
from tests.reports.conftest import Campus
from warehouse.errors import OpcoError, UserError

SESSION = "SST-26"
FIRST = "attestation-ARAGO-Ada-U1.pdf"
SECOND = "attestation-BIOT-Ada-U2.pdf"
ZIP = "attestations-SST-26-issue-1.zip"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An issue of two documents, of 90 minutes and of one hour: its folder, and the published file it was made of."""
    home = tmp_path_factory.mktemp("issued")
    campus = Campus(home / "opco.duckdb")
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    campus.learner("U1", "Arago", "Ada")
    campus.learner("U2", "Biot", "Ada")
    for user_id in ("U1", "U2"):
        campus.connected(user_id, SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.connected("U1", SESSION, "C1", "2026-10-13 07:00:00", "2026-10-13 07:30:00")
    campus.enrolled("U1", SESSION)
    campus.enrolled("U2", SESSION)
    warehouse, inputs = campus.close(), AttestationInputs()
    issue_from(warehouse, SESSION, inputs, folder=home / "issues", assets=home, issued_on=date(2027, 1, 15))
    return home


@pytest.fixture
def issue(issued: Path, tmp_path: Path) -> Path:
    """The folder of a copy of that issue, to do with as a test likes."""
    shutil.copytree(issued, tmp_path, dirs_exist_ok=True)
    return tmp_path / "issues" / "issue-1"


def with_rows(path: Path, edit: Callable[[bytes], bytes]) -> None:
    """Change the rows attached to a PDF, as a forger would."""
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        ((name, attachment),) = pdf.attachments.items()
        content = edit(attachment.get_file().read_bytes())
        pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, content, filename=name)
        pdf.save(path)


def zipped_again(issue: Path) -> None:
    """Make the ZIP of an issue anew from its folder, as a forger would."""
    (path,) = issue.glob("*.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(issue.iterdir()):
            if member != path:
                archive.write(member, member.name)


def edit_manifest(issue: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((issue / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (issue / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    zipped_again(issue)


def faults_of(path: Path) -> str:
    return " | ".join(f"{name}: {fault}" for name, fault in verify(path).faults)


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
        FIRST: "it is missing (no. SST-26/U1/1)",
        SECOND: "it is not in the form in which it was issued (its end is another, or something follows it): another "
        "program saved or changed it",
        "attestation-X.pdf": "it is not in the manifest",
    }
    assert found.remarks == [("notes.txt", "it is not in the manifest")]
    # A copy without a ZIP is a copy.
    (issue / ZIP).unlink()
    assert (ZIP, "the ZIP is not there") in verify(issue).remarks


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(verifying, "OF_A_PROCESS", 1)
    monkeypatch.setattr(verifying, "AT_ONCE", 1)
    return monkeypatch


def _with_its_process(*arguments: Any) -> Verification:
    found = verifying._verify_document(*arguments)
    found.faults.append((found.path.name, f"read by {os.getpid()}"))
    return found


def _waiting_at_the_second(files: Any, manifest: Any, document: Any) -> Verification:
    if document.file == SECOND:
        time.sleep(10_000)
    return verifying._verify_document(files, manifest, document)


def _dying(*_arguments: Any) -> Verification:
    os._exit(9)


def test_several_processes_find_what_one_does(issue: Path, two_processes: pytest.MonkeyPatch) -> None:
    with (issue / SECOND).open("ab") as stream:
        stream.write(b"\n% seen\n")
    two_processes.setattr(verifying, "_verify_document", _with_its_process)
    steps = list[tuple[int, int, str]]()
    found = verify(issue, lambda *step: steps.append(step))
    read_by = {what for _, what in found.faults if what.startswith("read by ")}
    assert read_by
    assert f"read by {os.getpid()}" not in read_by
    # Its digest and its form.
    assert [name for name, what in found.faults if what not in read_by] == [SECOND, SECOND]
    assert [name for name, what in found.faults if what in read_by] == [FIRST, SECOND]
    assert (found.documents, found.total_seconds) == (2, 9000)
    assert steps == [(0, 2, FIRST), (1, 2, SECOND), (2, 2, "")]


def test_who_stops_verifying_waits_for_no_document(issue: Path, two_processes: pytest.MonkeyPatch) -> None:
    two_processes.setattr(verifying, "_verify_document", _waiting_at_the_second)

    def stop(done: int, _total: int, _file: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(issue, stop)
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_while_it_verifies_is_told(issue: Path, two_processes: pytest.MonkeyPatch) -> None:
    two_processes.setattr(verifying, "_verify_document", _dying)
    with pytest.raises(OpcoError, match="A process that verified documents died"):
        verify(issue)


def test_rows_that_do_not_add_up_to_the_printed_total(issue: Path) -> None:
    path = issue / FIRST
    with_rows(path, lambda content: content.replace(b";1800;5400\r\n", b";2700;6300\r\n"))
    assert (FIRST, "it prints 5400 seconds, its attached rows add up to 6300") in verify(path).faults
    with_rows(path, lambda content: content.replace(b";2700;6300\r\n", b";1800;6300\r\n"))
    assert (FIRST, "the running total of its attached rows breaks at row 2") in verify(path).faults
    with_rows(path, lambda content: content.replace(b"retained_seconds", b"seconds"))
    assert verify(path).faults == [(FIRST, "the attached CSV has other columns")]


def test_a_manifest_that_was_changed_does_not_hide_a_document(issue: Path) -> None:
    manifest = json.loads((issue / "manifest.json").read_text())
    manifest["documents"][0]["total_seconds"] = 9999
    (issue / "manifest.json").write_text(json.dumps(manifest))
    found = dict(verify(issue).faults)
    assert found[FIRST] == "it is document SST-26/U1/1 of 5400 seconds, the manifest lists SST-26/U1/1 of 9999"
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
    summary = issue_from(
        campus.close(),
        SESSION,
        AttestationInputs(),
        folder=tmp_path / "i",
        assets=tmp_path,
        issued_on=date(2027, 1, 15),
    )
    assert verify(summary.folder).faults == []
    assert summary.documents[0].pages > 1


def _laid_over(pdf: pikepdf.Pdf) -> None:
    stamp = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot,
        Subtype=pikepdf.Name.FreeText,
        Rect=[50, 500, 550, 800],
        Contents="Autre Personne, 99:59:59",
        DA="/Helv 24 Tf",
    )
    pdf.pages[0].Annots = pikepdf.Array([stamp])


def _running(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")


def _running_on_a_page(pdf: pikepdf.Pdf) -> None:
    action = pikepdf.Dictionary(S=pikepdf.Name.Launch, F="x")
    pdf.pages[0].AA = pikepdf.Dictionary(O=action)


def _attached(pdf: pikepdf.Pdf) -> None:
    pdf.attachments["more.txt"] = pikepdf.AttachedFileSpec(pdf, b"more", filename="more.txt")


def _a_form(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[])


@pytest.mark.parametrize("forge", [_laid_over, _running, _running_on_a_page, _attached, _a_form])
def test_what_is_laid_over_run_or_attached_besides(issue: Path, forge: Callable[[pikepdf.Pdf], None]) -> None:
    with pikepdf.open(issue / FIRST, allow_overwriting_input=True) as pdf:
        forge(pdf)
        pdf.save(issue / FIRST)
    assert "not in the form in which it was issued" in faults_of(issue / FIRST)


def _of_form(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace bytes of an object that is not packed, by as many: every place of the file stays as it was."""
    assert content.count(old) >= 1
    assert len(old) == len(new)
    return content.replace(old, new, 1)


def test_what_acts_is_found_in_a_file_of_the_same_form(issue: Path) -> None:
    content = (issue / FIRST).read_bytes()
    for named in (b"/JS ", b"/AA ", b"/#4aS "):
        # In the dictionary of the table: no place of the file moves.
        changed = _of_form(content, b"/Info ", named.ljust(6, b" "))
        assert fault_of_form(changed).startswith("it holds /")
    assert fault_of_form(content) == ""


def test_a_page_that_was_written_over_by_an_update_behind_the_end(issue: Path) -> None:
    content = (issue / FIRST).read_bytes()
    place, earlier = len(content), int(content.split()[-2])
    update = b"9999 0 obj\n(x)\nendobj\n"
    table = b"xref\n9999 1\n%010d 00000 n \ntrailer\n<</Size 10000/Root 2 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
    for added in (b"\n", b"% seen\n", update + table % (place, earlier, place + len(update))):
        (issue / FIRST).write_bytes(content + added)
        assert "something follows it" in faults_of(issue / FIRST)
    (issue / FIRST).write_bytes(content.replace(b"endobj\n", b"endobj\n% seen\n", 1))
    assert "not in the form in which it was issued" in faults_of(issue / FIRST)


def _replacing(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new)


def test_attached_rows_whose_dates_or_course_are_others(issue: Path) -> None:
    original = (issue / FIRST).read_bytes()
    for old, new, said in (
        (b"2026-10", b"2019-10", "it prints no line that is its attached row 1"),
        (b"T09:00:00", b"T09:00:01", "it prints no line that is its attached row 1"),
        (b"C1;Pr", b"C1;Autre pr", "it prints no line that is its attached row 1"),
        (b"professionnels;", b"professionnels, suite;", "it prints no line that is its attached row 1"),
    ):
        (issue / FIRST).write_bytes(original)
        with_rows(issue / FIRST, _replacing(old, new))
        assert said in faults_of(issue / FIRST)


def test_printed_lines_number_connections_and_date_are_those_of_the_rows(issue: Path) -> None:
    proof = read_proof((issue / FIRST).read_bytes(), with_pages=True)
    assert proof.fault() == ""
    (page, *others) = proof.pages
    line = next(one for one in page.splitlines() if "mar. 13/10/2026" in one)
    for pages, said in (
        ((page.replace(line, ""), *others), "it prints no line that is its attached row 2"),
        ((page + "\r\n" + line.replace("2 mar.", "3 mar."), *others), "a line that is none of its attached rows"),
        ((page.replace("SST-26/U1/1", "SST-26/U2/1"), *others), "its page 1 prints another number than SST-26/U1/1"),
    ):
        assert said in replace(proof, pages=pages).fault()
    assert "another date of issue" in replace(proof, created_on=date(2019, 1, 1)).fault()


def test_documents_taken_away_with_a_record_of_removal_and_no_later_issue(issue: Path) -> None:
    for path in [*issue.glob("*.pdf"), *issue.glob("*.zip")]:
        path.unlink()
    (issue / "removed.json").write_text('{"removed_at": "2027-02-01T00:00:00Z", "removed_by": "x"}')
    for path in (issue, issue.parent):
        found = verify(path)
        assert found.documents == 0
        assert "no later issue is there" in faults_of(path)
        assert "it is missing (no. SST-26/U1/1)" in faults_of(path)


@pytest.fixture
def issues(issue: Path, tmp_path: Path) -> Path:
    """The folder of a session with three issues."""
    for place in ("Lyon", "Lille"):
        issue_from(
            tmp_path / "opco.duckdb",
            SESSION,
            AttestationInputs(place=place, legal_representative="Ada Martin"),
            folder=issue.parent,
            assets=tmp_path,
            issued_on=date(2027, 1, 16),
        )
    assert verify(issue.parent).faults == []
    return issue.parent


def test_an_issue_that_was_taken_away(issues: Path) -> None:
    shutil.move(issues / "issue-1", issues.parent / "kept")
    assert "issue-1: it is missing" in faults_of(issues)
    shutil.move(issues.parent / "kept", issues / "issue-1")
    shutil.rmtree(issues / "issue-2")
    assert "issue-2: it is missing" in faults_of(issues)
    shutil.move(issues / "issue-3", issues / "issue-2")
    assert "it is that of issue 3" in faults_of(issues)
    assert "it follows issue 2, not issue 1" in faults_of(issues)


def test_a_manifest_that_was_edited_with_its_zip_is_not_the_one_that_the_next_names(issues: Path) -> None:
    edit_manifest(issues / "issue-1", lambda manifest: manifest.update(build_id="another"))
    assert "the manifest of issue 1 is not the one that it follows" in faults_of(issues)
    edit_manifest(issues / "issue-2", lambda manifest: manifest.update(making=None, previous_manifest_sha256=None))
    assert "it does not say how it was made, though an earlier issue does" in faults_of(issues)
    edit_manifest(issues / "issue-3", lambda manifest: manifest.update(session_id="SST-27"))
    assert "it is that of another session" in faults_of(issues)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda one: one["documents"][0].update(issued_on="2019-01-01"),
            "the manifest says that it was issued on 2019",
        ),
        (lambda one: one["documents"][0].update(learner="Autre Personne"), "of the learner: Autre Personne"),
        (lambda one: one["documents"][0].update(data_as_of="2019-01-01T00:00:00.000000Z"), "of data as of: 01/01/2019"),
        (lambda one: one.update(session_name="Printemps"), "of the session: Printemps"),
        (lambda one: one["inputs"].update(organisation_name="Ministère"), "of organisation_name: Ministère"),
        (lambda one: one["inputs"].update(legal_representative="Jean Dupont"), "of legal_representative: Jean Dupont"),
    ],
)
def test_a_manifest_that_says_what_its_documents_do_not_print(
    issues: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_manifest(issues / "issue-3", change)
    assert message in faults_of(issues / "issue-3")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_is_odd_is_sound(campus: Any, tmp_path: Path, language: Any) -> None:
    campus.build(cap=120)
    campus.session(SESSION, "Sécurité – « automne » " * 8, None, None)
    campus.learner("U1", "Nom-composé de l’Été", "Zoë")
    campus.learner("U2", "محمد", "علي")
    names = ["日本語の講座", "الأمن السيبراني", "a-" * 120, "=1+1", "1 lun. 28/09/2026 x 09:00:00", "Fin ﬁ ½ … "]
    for user_id in ("U1", "U2"):
        for day, name in enumerate(names, start=1):
            campus.connected(
                user_id, SESSION, "C1", f"2026-10-{day:02} 07:00:00", f"2026-10-{day:02} 07:10:00", name=name
            )
        campus.connected(user_id, SESSION, "C1", "2026-10-12 21:50:00", "2026-10-12 22:10:00", kind="inactivity")
        campus.connected(user_id, SESSION, "C1", "2026-10-24 22:30:00", "2026-10-25 02:10:00", capped=6000)
        campus.connected(user_id, SESSION, "C1", "2026-10-26 08:00:00", "2026-10-26 08:10:00", overlap=60, inside=True)
        for minute in (1, 2, 3):
            at = f"2026-10-27 08:0{minute}:00"
            campus.connected(user_id, SESSION, "C1", at, at)
        campus.connected(user_id, SESSION, "C1", "2026-10-28 08:00:00", None, kind="open", flags=["open"])
        campus.enrolled(user_id, SESSION)
    summary = issue_from(
        campus.close(),
        SESSION,
        AttestationInputs(language=language, name="Atelier – des Trois-Rives", place="Saint-Étienne"),
        folder=tmp_path / "issues",
        assets=tmp_path,
        issued_on=date(2027, 1, 1),
    )
    assert verify(summary.folder).faults == []


def test_a_date_before_the_data_and_who_attests_are_named(issues: Path, tmp_path: Path) -> None:
    usual = AttestationInputs(place="Lille", legal_representative="Ada Martin")

    def make(**options: Any) -> Path:
        return issue_from(
            tmp_path / "opco.duckdb",
            SESSION,
            AttestationInputs(place="Lille", legal_representative="Jean Dupont", name="Ministère"),
            folder=issues,
            assets=tmp_path,
            making=Making("2027-01-20T10:00:00.000000Z", "awa@exemple.fr", "page"),
            usual=usual,
            **options,
        ).folder

    made = make(issued_on=date(2019, 1, 1))
    assert verify(made).faults == []
    assert verify(made).remarks == [
        ("manifest.json", "it is dated 2019-01-01, before the day of its data, 2027-01-15, and no reason is on record"),
        (
            "manifest.json",
            "not as the settings of the organisation say: organisation_name, legal_representative, made on "
            "2027-01-20T10:00:00Z by awa@exemple.fr",
        ),
    ]
    usual = AttestationInputs(name="Ministère", legal_representative="Jean Dupont ")
    made = make(issued_on=date(2027, 1, 21), force=True, issued_on_reason="asked for by letter")
    assert verify(made).remarks == [
        (
            "manifest.json",
            "it is dated 2027-01-21, after the day on which it was made, 2027-01-20: asked for by letter",
        )
    ]
    usual = AttestationInputs(name="Ministère", legal_representative="Jean Dupont", stamp="s.png")
    assert read_manifest(make(issued_on=date(2027, 1, 20), force=True)).differs_from_settings == ("stamp",)
