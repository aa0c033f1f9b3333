"""Certificates, attestations of attendance and logs to sign of the demo campus, compared with what was delivered."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pypdfium2
import pytest

from opco.attest import _check_output
from orchestration.home.paths import Home
from reports.attestation.inputs import AttestationInputs
from reports.documents.preflight import find_gaps, read_funders
from reports.documents.proof import CreditedDocument, read_document
from reports.issuing.issue import IssueSummary
from reports.issuing.manifest import FORMAT_OF_KINDS
from reports.issuing.sign_off import log_states, record_sign_off
from reports.issuing.verify import verify
from tests.issuing import issue_from
from warehouse.errors import UserError
from warehouse.project import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("demo")

RAW = PROJECT_DIR / "demo" / "raw"
SESSION = "S-2026-MGMT-09"
DAY = date(2026, 11, 12)
INPUTS = AttestationInputs(
    name="Atelier", legal_representative="Hélène Vasseur", capacity="Directrice", place="Rennes", stamp="stamp.png"
)
Make = Callable[..., IssueSummary]
Issued = Callable[..., IssueSummary]


@pytest.fixture(scope="module")
def published(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's published file."""
    path = tmp_path_factory.mktemp("published") / "opco.duckdb"
    shutil.copyfile(Home(demo_home).warehouse.resolve(), path)
    return path


@pytest.fixture
def warehouse(published: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copyfile(published, tmp_path / "opco.duckdb"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(warehouse: Path, kind: str, month: str | None = None) -> IssueSummary:
        return issue(warehouse, kind, month, tmp_path / kind / (month or "session"))

    return made


@pytest.fixture(scope="module")
def issued(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """The issues of the demo as it is, each made once."""
    place = tmp_path_factory.mktemp("issued")

    @cache
    def made(kind: str, month: str | None = None) -> IssueSummary:
        return issue(published, kind, month, place / kind / (month or "session"))

    return made


def issue(warehouse: Path, kind: str, month: str | None, folder: Path) -> IssueSummary:
    return issue_from(
        warehouse,
        SESSION,
        INPUTS,
        kind=kind,
        month=month,
        folder=folder,
        assets=PROJECT_DIR / "demo" / "assets",
        issued_on=DAY,
    )


def rows(warehouse: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as db:
        return db.execute(query).fetchall()


def change(warehouse: Path, *statements: str) -> None:
    with duckdb.connect(str(warehouse)) as db:
        for statement in statements:
            db.execute(statement)


def text_of(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return text.replace("\r\n", "\n").replace("\u00a0", " ").replace("\u202f", " ")


def delivered(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO((RAW / name).read_text(encoding="utf-8-sig"), newline=""))


def test_a_certificate_credits_the_planned_durations_of_what_is_completed(issued: Issued) -> None:
    summary = issued("certificate")
    (document,) = (one for one in summary.documents if one.user_id == "u-1001")
    # All of the program but its classroom, which has no duration.
    planned = {one["course_id"]: one["planned_duration_seconds"] for one in delivered("courses.csv")}
    planned |= {one["assessment_id"]: one["planned_duration_seconds"] for one in delivered("assessments.csv")}
    steps = [one["resource_id"] for one in delivered("program_steps.csv") if one["program_template_id"] == "T-MGMT"]
    assert document.total_seconds == sum(int(planned[one]) for one in steps if one)
    text = text_of(summary.folder / document.file)
    assert document.number == f"{SESSION}/u-1001/CR/1"
    for words in (
        "Certificat de réalisation",
        "Je soussigné(e) Hélène Vasseur, représentant(e) légal(e) du dispensateur",
        "salarié(e) de l’entreprise Cabinet Ardoise & Associés",
        "action de formation",
        "10:05",
        "soit 10,08 h",
        "temps estimé",
        "3 ans à compter de la fin de l’année du dernier paiement",
        "Fait à Rennes, le 12 novembre 2026",
    ):
        assert words in text.replace("\n", " "), words
    # No repealed article, no signature that is none, nothing that a funder has no use for.
    for words in ("D6353", "électronique", "example", "Réalisation partielle"):
        assert words not in text
    assert (summary.manifest.kind, summary.manifest.format) == ("certificate", FORMAT_OF_KINDS)
    found = verify(summary.folder)
    assert (found.is_sound, found.documents, found.total_seconds) == (
        True,
        13,
        sum(one.total_seconds for one in summary.documents),
    )


def test_a_partial_realisation_names_what_is_missing(issued: Issued) -> None:
    summary = issued("certificate")
    (file,) = (one.file for one in summary.documents if one.user_id == "u-1005")
    text = text_of(summary.folder / file).replace("\n", " ")
    assert "Réalisation partielle" in text
    assert "Évaluation finale : manager à distance" in text


def test_the_months_of_a_learner_add_up_to_the_session(published: Path, issued: Issued) -> None:
    """Learner-months, reconciled: credited hours of certificates, and retained seconds of logs."""
    credited: dict[str, int] = defaultdict(int)
    retained: dict[str, int] = defaultdict(int)
    for month in ("2026-09", "2026-10", "2026-11"):
        for kind, sums in (("certificate", credited), ("log", retained)):
            try:
                summary = issued(kind, month)
            except UserError:
                continue
            assert verify(summary.folder).is_sound
            for one in summary.documents:
                assert one.number.split("/")[2].endswith(month)
                sums[one.user_id] += one.total_seconds
    totals = rows(
        published,
        "select user_id, retained_seconds, credited_seconds - coalesce(("
        "    select sum(credited_seconds) from fct_credited_activities as undated"
        "    where undated.user_id = sessions.user_id and undated.session_id = sessions.session_id"
        "        and completed_at is null"
        f"), 0) from fct_learner_sessions as sessions where session_id = '{SESSION}' and has_played",
    )
    assert {user: seconds for user, seconds, _ in totals} == dict(retained)
    assert {user: seconds for user, _, seconds in totals if seconds} == {
        user: seconds for user, seconds in credited.items() if seconds
    }


def test_an_attestation_of_attendance_says_what_was_done_and_what_is_not_known(issued: Issued) -> None:
    summary = issued("attendance")
    (document,) = (one for one in summary.documents if one.user_id == "u-1001")
    text = text_of(summary.folder / document.file).replace("\n", " ")
    for words in (
        "Attestation d’assiduité",
        "Marie-Hélène Lefèvre a réalisé les activités",
        "échanges avec les formateurs : 2 ; questions posées : 1 ; réponses : 1",
        "dans le délai annoncé de 48 heures : 1",
        "La plateforme ne dit pas quelles connexions étaient en classe virtuelle",
        "Toulouse, 2 novembre 2023",
    ):
        assert words in text, words
    assert verify(summary.folder).is_sound
    # An assessment's result is that which was delivered last; here the score of the final one.
    results = [json.loads(line) for line in (RAW / "assessment_results.jsonl").read_text("utf-8").splitlines()]
    scores = [one["score_pct"] for one in results if (one["user_id"], one["assessment_id"]) == ("u-1001", "A-MGT-2")]
    assert f"{float(scores[-1]):.1f}".replace(".", ",") in text


def test_what_is_completed_without_a_duration_is_listed_and_the_others_are_made(warehouse: Path, make: Make) -> None:
    change(
        warehouse,
        "update fct_credited_activities set planned_duration_seconds = null, is_without_duration = true, "
        "creditable_seconds = 0, credited_seconds = 0 "
        f"where session_id = '{SESSION}' and user_id = 'u-1001' and resource_id = 'A-MGT-1'",
    )
    summary = make(warehouse, "certificate")
    assert "u-1001" not in {one.user_id for one in summary.documents}
    assert len(summary.documents) == 12
    (gone,) = (one for one in summary.left_out if one.user_id == "u-1001")
    assert (gone.reason, gone.detail) == ("without_duration", "Quiz : les rituels d'une équipe à distance")
    change(warehouse, "update warehouse_build set credit_without_duration = 'zero'")
    again = make(warehouse, "certificate")
    assert {one.user_id: one.state for one in again.documents}["u-1001"] == "new"
    change(
        warehouse,
        "update warehouse_build set credit_without_duration = 'refuse'",
        "update fct_credited_activities set is_without_duration = true where is_completed",
    )
    with pytest.raises(UserError, match=r"has no planned duration \(.*and \d+ more learners"):
        make(warehouse, "certificate", "2026-10")


def test_a_month_in_which_nothing_happened_and_a_log_of_none_are_refused(issued: Issued) -> None:
    with pytest.raises(UserError, match=r"Nobody has completed anything .* in 2026-07"):
        issued("certificate", "2026-07")
    with pytest.raises(UserError, match=r"Nobody has played .* in 2026-07"):
        issued("log", "2026-07")
    with pytest.raises(UserError, match="--month YYYY-MM"):
        issued("log")


def test_what_changes_is_replaced_with_its_cause_and_all_else_is_kept(warehouse: Path, make: Make) -> None:
    first = make(warehouse, "certificate")
    assert make(warehouse, "certificate").is_new is False
    change(
        warehouse,
        "update fct_credited_activities set credited_seconds = credited_seconds - 60 "
        f"where session_id = '{SESSION}' and user_id = 'u-1001' and resource_id = 'C-COM'",
    )
    second = make(warehouse, "certificate")
    (changed,) = (one for one in second.documents if one.state == "replaced")
    assert (changed.user_id, changed.number) == ("u-1001", f"{SESSION}/u-1001/CR/2")
    assert {cause.kind for cause in changed.causes} >= {"credited"}
    assert "Annule et remplace le document n° S-2026-MGMT-09/u-1001/CR/1" in text_of(second.folder / changed.file)
    assert verify(first.folder.parent).is_sound
    # Somebody puts another learner's certificate into its place.
    (other,) = (one for one in second.documents if one.user_id == "u-1003")
    shutil.copyfile(second.folder / other.file, second.folder / changed.file)
    faults = " | ".join(fault for _, fault in verify(second.folder).faults)
    assert "it has been changed: its SHA-256 is not that of the manifest" in faults
    assert f"it is document {other.number}" in faults


def test_a_document_tells_its_kind_and_its_sums(issued: Issued) -> None:
    summary = issued("attendance", "2026-10")
    for one in summary.documents:
        read = read_document((summary.folder / one.file).read_bytes(), with_pages=True)
        assert (read.fault(), read.printed_seconds) == ("", one.total_seconds)
        assert isinstance(read, CreditedDocument)
        assert "its attached rows add up to" in replace(read, hours="99:00").fault()
        if read.rows:
            other = {**read.rows[0], "resource_name": "Alchimie"}
            assert "no activity that is its attached row 1" in replace(read, rows=(other, *read.rows[1:])).fault()


def test_a_copy_of_another_kind_or_month_is_not_written_over(issued: Issued, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(issued("log", "2026-09").folder, copy)
    home = Home(tmp_path / "home")
    _check_output(home, SESSION, "log", "2026-09", copy)
    for kind, month in (("certificate", None), ("attestation", None), ("log", "2026-10")):
        with pytest.raises(UserError, match=r"holds the logs to sign of session .* in 2026-09"):
            _check_output(home, SESSION, kind, month, copy)


def test_no_wording_names_a_repealed_article_nor_calls_a_stamp_a_signature() -> None:
    folders = ("reports", "portal", "orchestration", "seeds", "opco")
    texts = {
        path: path.read_text(encoding="utf-8")
        for folder in folders
        for ending in ("*.toml", "*.html", "*.csv")
        for path in (PROJECT_DIR / folder).rglob(ending)
    }
    assert len(texts) > 30
    # D6353-3 and D6353-4 of the Code du travail are repealed; an image is no electronic signature.
    words = ("6353-3", "6353-4", "signature électronique", "electronic signature")
    assert [(path.name, word) for path, text in texts.items() for word in words if word in text.lower()] == []


def test_a_funder_sends_back_what_is_missing(published: Path, tmp_path: Path) -> None:
    own = tmp_path / "funders.csv"

    def gaps(funder: str, **known: Any) -> set[tuple[str, str, str]]:
        options = {"own": own, "today": DAY, "signed": [], "has_signatory": True, "has_stamp": True, **known}
        with duckdb.connect(str(published), read_only=True) as db:
            return {(one.user_id, one.field, one.detail) for one in find_gaps(db, SESSION, funder, **options)}

    found = gaps("opco")
    assert ("u-1008", "dates_within_session", "12/09/2026 – 02/11/2026") in found
    assert ("u-1005", "closed_connections", "20/10/2026") in found
    # Who had an answer from a tutor, and who had nothing but a reminder that nobody wrote.
    assert {user for user, field, _ in found if field == "assistance"}.isdisjoint({"u-1001", "u-1003", "u-1011"})
    assert {field for _, field, _ in gaps("opco", has_signatory=False)} - {field for _, field, _ in found} == {
        "signatory"
    }
    months = {("u-1001", "2026-09"), ("u-1001", "2026-10")}
    assert ("u-1001", "signed_log", "2026-09, 2026-10") in gaps("agefice")
    assert ("u-1001", "signed_log", "2026-10") in gaps("agefice", signed=[("u-1001", "2026-09")])
    assert not {one for one in gaps("agefice", signed=list(months)) if one[:2] == ("u-1001", "signed_log")}
    # Before a requirement is in force nobody asks for it.
    with pytest.raises(UserError, match="no profile of the funder 'agefice'"):
        gaps("agefice", today=date(2025, 12, 31))
    with pytest.raises(UserError, match="Known: agefice, cpf, fif-pl, opco, opco-ep"):
        gaps("nobody")

    head = "funder,document,field,is_required,source,read_on,valid_from,valid_until\n"
    own.write_text(head + "Mon financeur,log,closed_connections,true,Lettre,2026-11-05,2026-01-01,\n", encoding="utf-8")
    with duckdb.connect(str(published), read_only=True) as db:
        assert read_funders(db, own, DAY)[-1].funder == "Mon financeur"
    assert gaps("Mon financeur") == {("u-1005", "closed_connections", "20/10/2026")}
    own.write_text(head + "x,certificate,shoe_size,true,Lettre,2026-11-05,2026-01-01,\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown field 'shoe_size'\. Known: activity_durations"):
        gaps("opco")
    own.write_text("funder,field\nx,employer\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"funders\.csv"):
        gaps("opco")


def test_a_log_is_to_be_signed_again_once_another_has_replaced_it(warehouse: Path, make: Make, tmp_path: Path) -> None:
    make(warehouse, "log", "2026-09")
    folder = tmp_path / "log"
    back = tmp_path / "signé.pdf"
    back.write_bytes(b"%PDF signed")

    def states() -> dict[str, str]:
        return {one.document.user_id: one.state for one in log_states(folder)}

    assert set(states().values()) == {"to_sign"}
    options = {"by": "awa@exemple.fr"}
    record_sign_off(folder, "u-1001", "2026-09", file=back, reason=None, at="2026-11-12T080000000000Z", **options)
    kept = record_sign_off(folder, "u-1002", "2026-09", file=None, reason="absent", at="2026-11-12T09Z", **options)
    assert (kept.state, kept.reason, states()["u-1001"], states()["u-1002"]) == (
        "refused",
        "absent",
        "signed",
        "refused",
    )
    (copy,) = (folder / "2026-09" / "sign-offs").glob("*.pdf")
    assert copy.read_bytes() == back.read_bytes()
    for file, reason in ((None, None), (back, "both")):
        with pytest.raises(UserError, match="Say what came back"):
            record_sign_off(folder, "u-1003", "2026-09", file=file, reason=reason, at="x", **options)
    with pytest.raises(UserError, match="There is no log of 'u-1009' in 2026-09"):
        record_sign_off(folder, "u-1009", "2026-09", file=back, reason=None, at="x", **options)

    change(warehouse, "update dim_learners set last_name = 'Lefèvre-Roy' where user_id = 'u-1001'")
    make(warehouse, "log", "2026-09")
    assert (states()["u-1001"], states()["u-1002"]) == ("to_sign", "refused")
    assert verify(folder / "2026-09").is_sound
