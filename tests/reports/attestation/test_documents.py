"""What stands on the page: expected words worked out by hand from section A of the rules."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest

from reports.attestation.inputs import AttestationInputs
from reports.attestation.parts import inputs_of
from reports.issuing.issue import IssueSummary
from reports.issuing.verify import verify
from tests.issuing import issue_from
from warehouse.errors import OpcoError, UserError

SESSION = "SST-26"
Issue = Callable[..., IssueSummary]


@pytest.fixture
def issue(campus: Any, tmp_path: Path) -> Issue:
    """Close the campus and issue the session's attestations."""

    def make(inputs: AttestationInputs | None = None, folder: str = SESSION, **options: Any) -> IssueSummary:
        assets = tmp_path / "assets"
        assets.mkdir(exist_ok=True)
        return issue_from(
            campus.close(),
            SESSION,
            inputs or AttestationInputs(),
            folder=tmp_path / "attestations" / folder,
            assets=assets,
            issued_on=date(2027, 1, 15),
            **options,
        )

    return make


def pages(summary: IssueSummary, index: int = 0) -> list[str]:
    """Return the text of each page, all blanks being one space."""
    document = pypdfium2.PdfDocument(summary.folder / summary.documents[index].file)
    return [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]


def left_edges(summary: IssueSummary, index: int, words: str) -> list[float]:
    """Return where `words` begin on the first page, in points, from left to right."""
    text_page = pypdfium2.PdfDocument(summary.folder / summary.documents[index].file)[0].get_textpage()
    found, edges = text_page.search(words), []
    while match := found.get_next():
        edges.append(text_page.get_charbox(match[0])[0])
    return sorted(edges)


def attached_rows(summary: IssueSummary, index: int = 0) -> list[dict[str, str]]:
    with pikepdf.open(summary.folder / summary.documents[index].file) as pdf:
        ((_, attachment),) = pdf.attachments.items()
        content = attachment.get_file().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def one_learner(campus: Any) -> None:
    campus.build()
    # 5 October 00:00 and 18 December 23:30 in Paris.
    campus.session(SESSION, "Automne 2026", "2026-10-04 22:00:00", "2026-12-18 22:30:00")
    campus.learner("U1", "Dupont", "Marie", "Boulangerie Martin & Fils")


def test_a_learner_with_one_connection_gets_one_page_with_all_blocks(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:12:04", "2026-10-12 08:03:03")
    campus.enrolled("U1", SESSION, progress="62.25", score="84.449999")
    campus.steps(
        "U1",
        SESSION,
        [
            (
                "course",
                "C1",
                "Prévenir les risques",
                True,
                False,
                5400,
                True,
                "62.25",
                None,
                None,
                "2026-10-12 22:30:00",
            ),
            ("assessment", "A1", "Évaluation finale", True, True, None, True, None, "84.45", True, None),
            ("course", "C9", "Gestes et postures", False, None, 0, False, None, None, None, None),
        ],
    )
    inputs = AttestationInputs(
        name="Alpage Formation",
        legal_representative="Claire Bonnet",
        capacity="Directrice",
        training_duration="35 heures",
        place="Lyon",
        footer="SIRET 123 456 789 00012",
    )
    (page,) = pages(issue(inputs))
    for words in (
        "Alpage Formation",
        "N° SST-26/U1/1",
        "Établie le 15 janvier 2027",
        "Attestation de formation à distance",
        "Nom Dupont",
        "Prénom Marie",
        "Employeur Boulangerie Martin & Fils",
        "Programme Santé et sécurité au travail ID TPL-7",
        "Session Automne 2026 ID SST-26",
        "du 05/10/2026 au 18/12/2026",
        "Première connexion 12/10/2026 à 09:12:04",
        "Dernière connexion 12/10/2026 à 10:03:03",
        "35 heures",
        # 50 min 59 s = 3,059 s = 0.8497 h
        "00:50:59 soit 0,84 h",
        "Connexions 1",
        "Jours de connexion 1",
        "Progression 62,3 % source : plateforme",
        "Score 84,4 % source : plateforme",
        # 13 October in Paris
        "Prévenir les risques 1 h 30 1 00:50:59 62,3 % — — 13/10/2026",
        "Évaluation finale (évaluation, facultatif) — — — — 84,5 % Réussite —",
        "Gestes et postures (hors programme) 0 min — — — — — —",
        "1 lun. 12/10/2026 Prévenir les risques professionnels 09:12:04 10:03:03 00:50:59 00:50:59 00:50:59",
        "Total du temps passé 00:50:59",
        "quand plus de 15 minutes passent",
        "Heure locale du fuseau Europe/Paris",
        "Aucun plafond n’est appliqué",
        "Fait à Lyon, le 15 janvier 2027",
        "Claire Bonnet",
        "Directrice",
        "SIRET 123 456 789 00012",
        "Données au 15/01/2027 à 03:00 (Europe/Paris)",
        "Page 1/1",
    ):
        assert words in page
    assert "Temps écoulé" not in page
    for words in ("example.org", "secrète", "certificat de réalisation", "électronique", "D6353", "assiduité"):
        assert words.casefold() not in page.casefold()


def test_a_session_that_ends_never(campus: Any, issue: Issue) -> None:
    campus.build()
    # In Paris the year 10000, which is no date that Python has.
    campus.session(SESSION, "Permanente", "2026-10-04 22:00:00", "9999-12-31 23:30:00")
    campus.learner("U1", "Dupont", "Marie")
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", SESSION)
    (page,) = pages(issue())
    assert "du 05/10/2026 au 31/12/9999" in page


def test_connections_of_one_id_and_instant_stand_in_the_order_of_their_courses(campus: Any, issue: Issue) -> None:
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    campus.learner("U1", "Dupont", "Marie")
    for course_id in ("C3", "C1", "C2"):
        campus.connected("U1", SESSION, course_id, "2026-10-12 07:00:00", "2026-10-12 07:00:00")
    campus.connection.execute("update fct_opco_connections set connection_id = 'K'")
    campus.enrolled("U1", SESSION)
    assert [row["course_id"] for row in attached_rows(issue())] == ["C1", "C2", "C3"]


def test_what_is_not_given_is_left_out(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.session("other", "Sans dates", None, None)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:12:04", "2026-10-12 08:03:03")
    campus.enrolled("U1", SESSION)
    (page,) = pages(issue())
    assert "Progression — Score —" in page
    assert "Fait le 15 janvier 2027" in page
    for words in ("None", "Durée de la formation", "Activités de la session", "Logo", "cachet", "Fait à"):
        assert words not in page


def test_english(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:12:04", "2026-10-12 08:03:03")
    campus.enrolled("U1", SESSION, progress="100", score="84.45")
    summary = issue(AttestationInputs(language="en", place="Lyon"))
    (page,) = pages(summary)
    for words in (
        "Attestation of distance learning",
        "Issued on 15 January 2027",
        "that is 0.84 h",
        "Progress 100.0% source: platform Score 84.5% source: platform",
        "1 Mon 12/10/2026 Prévenir les risques professionnels 09:12:04 10:03:03 00:50:59 00:50:59",
        "Done in Lyon on 15 January 2027",
        "Data as of 15/01/2027 at 03:00 (Europe/Paris)",
    ):
        assert words in page
    with pikepdf.open(summary.folder / summary.documents[0].file) as pdf:
        assert str(pdf.Root.Lang) == "en"


def test_why_the_time_spent_is_not_the_elapsed_time(campus: Any, issue: Issue) -> None:
    campus.build(cap=60)
    campus.session(SESSION, "Automne 2026", None, None)
    campus.learner("U1", "Dupont", "Marie")
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:30:00", capped=1800)
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:50:00", "2026-10-12 08:20:00", overlap=600, inside=True)
    campus.connected("U1", SESSION, "C3", "2026-10-13 07:00:00", "2026-10-13 07:20:00", overlap=300, outside=True)
    campus.connected("U1", SESSION, "C3", "2026-10-14 07:00:00", "2026-10-14 07:20:00", overlap=1)
    campus.connected("U1", SESSION, "C3", "2026-10-15 07:00:00", "2026-10-15 07:20:00", overlap=60, other_account=True)
    campus.enrolled("U1", SESSION)
    summary = issue()
    (page,) = pages(summary)
    # 60 + 20 + 15 + 19:59 + 19 minutes; elapsed 90 + 30 + 20 + 20 + 20.
    for words in (
        "Temps écoulé 03:00:00 − au-delà du plafond 00:30:00 − en doublon 00:16:01 = temps passé retenu 02:13:59",
        "00:01:00 non comptées : connexion d’un autre compte de la même personne",
        "01:00:00 01:00:00 Temps écoulé 01:30:00 · 00:30:00 non comptées : plafond de 60 minutes par connexion",
        "00:20:00 01:20:00 01:20:00 Temps écoulé 00:30:00 · 00:10:00 non comptées : autre connexion de cette session",
        "00:15:00 00:15:00 01:35:00 Temps écoulé 00:20:00 · 00:05:00 non comptées : connexion hors de cette session",
        "00:19:59 00:19:59 01:54:59 Temps écoulé 00:20:00 · 00:00:01 non comptées : arrondi à la seconde",
        "n’est comptée que pour ses 60 premières minutes",
    ):
        assert words in page
    assert summary.documents[0].total_seconds == 8039
    assert [row["running_total_seconds"] for row in attached_rows(summary)] == ["3600", "4800", "5700", "6899", "8039"]


def test_ends_that_are_not_explicit_have_a_sign_and_its_meaning(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00", "completed")
    campus.connected(
        "U1", SESSION, "C1", "2026-10-13 07:00:00", "2026-10-13 08:00:00", "moved_on", evidence="event_run"
    )
    campus.connected("U1", SESSION, "C3", "2026-10-13 07:00:00", None, "open")
    campus.connected("U1", SESSION, "C1", "2026-10-14 07:00:00", "2026-10-14 07:30:00")
    campus.enrolled("U1", SESSION)
    (page,) = pages(issue())
    for words in (
        "09:00:00 10:00:00 01:00:00 01:00:00 01:00:00",
        "09:00:00 10:00:00† 01:00:00 02:00:00",
        # Equal starts: the open one comes last, without time.
        "3 mar. 13/10/2026 Sécurité incendie 09:00:00 —§ — 01:00:00 02:00:00",
        "09:00:00 09:30:00 00:30:00 00:30:00 02:30:00",
        "† Changement d’activité : l’apprenant",
        "§ Fin inconnue : la plateforme",
        "Connexions 4 dont 1 sans fin connue, non comptée",
        "Jours de connexion 3",
        "3 connexions – Journal de la plateforme",
        "1 connexion – Suite d’activités",
    ):
        assert words in page
    assert "‡" not in page


def test_a_connection_into_a_day_when_clocks_change_shows_the_offset_at_both_ends(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    # From Saturday 23:30+02:00 in Paris to Sunday 02:45+01:00: 4 h 15.
    campus.connected("U1", SESSION, "C1", "2026-10-24 21:30:00", "2026-10-25 01:45:00")
    campus.enrolled("U1", SESSION)
    (page,) = pages(issue())
    assert (
        "1 sam. 24/10/2026 Prévenir les risques professionnels 23:30:00 02:45:00 +1 j 04:15:00 04:15:00 04:15:00 "
        "Écart avec UTC : +02:00 au début, +01:00 à la fin"
    ) in page


def test_the_offset_shows_on_a_day_when_clocks_change(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    # 25 October 2026: 03:00 in Paris becomes 02:00. 01:30+02:00 to 02:45+01:00 are 2 h 15.
    campus.connected("U1", SESSION, "C1", "2026-10-24 23:30:00", "2026-10-25 01:45:00")
    campus.connected("U1", SESSION, "C1", "2026-10-26 22:30:00", "2026-10-26 23:30:00")
    campus.enrolled("U1", SESSION)
    summary = issue()
    (page,) = pages(summary)
    for words in (
        "1 dim. 25/10/2026 Prévenir les risques professionnels 01:30:00 02:45:00 02:15:00 02:15:00 02:15:00 "
        "Écart avec UTC : +02:00 au début, +01:00 à la fin",
        "2 lun. 26/10/2026 Prévenir les risques professionnels 23:30:00 00:30:00 +1 j 01:00:00 01:00:00 03:15:00",
        "Première connexion 25/10/2026 à 01:30:00+02:00",
        "Dernière connexion 27/10/2026 à 00:30:00",
        "+1 j, +2 j… : fin de la connexion le lendemain",
    ):
        assert words in page
    first, second = attached_rows(summary)
    assert first["connected_at_local"] == "2026-10-25T01:30:00.000000+02:00"
    assert first["disconnected_at_local"] == "2026-10-25T02:45:00.000000+01:00"
    assert second["disconnected_at_utc"] == "2026-10-26T23:30:00.000000Z"


def test_the_attached_log_has_exact_seconds_and_does_not_run(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00.25", "2026-10-12 07:00:10.75", name="=1+1")
    campus.connected("U1", SESSION, "C3", "2026-10-12 08:00:00", None, "open")
    campus.enrolled("U1", SESSION)
    first, second = attached_rows(issue())
    assert first == {
        "number": "1",
        "connection_id": "K1",
        "course_id": "C1",
        "course_name": "'=1+1",
        "connected_at_utc": "2026-10-12T07:00:00.250000Z",
        "disconnected_at_utc": "2026-10-12T07:00:10.750000Z",
        "connected_at_local": "2026-10-12T09:00:00.250000+02:00",
        "disconnected_at_local": "2026-10-12T09:00:10.750000+02:00",
        "end_kind": "left",
        "evidence_level": "native_log",
        "elapsed_seconds": "10",
        "capped_seconds": "0",
        "overlap_seconds": "0",
        "retained_seconds": "10",
        "running_total_seconds": "10",
    }
    assert (second["disconnected_at_utc"], second["retained_seconds"], second["running_total_seconds"]) == (
        "",
        "",
        "10",
    )


@pytest.mark.parametrize(("count", "total"), [(120, "60:00:00"), (109, "54:30:00")])
def test_a_long_log_repeats_its_heads_and_breaks_no_row(campus: Any, issue: Issue, count: int, total: str) -> None:
    one_learner(campus)
    campus.connection.execute(
        """
        insert into fct_opco_connections
        select 'L' || i, 'U1', $session, 'C2', timestamp '2026-10-12 06:00:00' + to_hours(i),
            timestamp '2026-10-12 06:30:00' + to_hours(i), 'left', 'native_log', 1800, 0, 0, 1800, false, false, false,
            'Accueillir un client en situation de handicap : posture, vocabulaire et solutions d’aménagement', []
        from range($count) as t(i)
        """,
        {"session": SESSION, "count": count},
    )
    campus.enrolled("U1", SESSION)
    summary = issue()
    texts = pages(summary)
    head = "N° Date Cours Connecté Déconnecté Temps passé Jour Cumul"
    row_end = "solutions d’aménagement"
    with_rows = [text for text in texts if "Accueillir un client" in text]
    assert len(with_rows) >= 4
    for text in with_rows:
        assert text.count(head) == 1
        assert text.count("Accueillir un client") == text.count(row_end)
    assert sum(text.count(row_end) for text in texts) == count
    assert f"Total du temps passé {total}" in with_rows[-1]
    assert [f"Page {number}/{len(texts)}" in text for number, text in enumerate(texts, start=1)] == [True] * len(texts)
    # With 120 lines the method and the signature have a page of their own: without column heads.
    assert len(texts) - len(with_rows) == (count == 120)
    assert head not in texts[-1] or texts[-1] is with_rows[-1]


def test_column_heads_stand_over_rows_wherever_a_page_ends(campus: Any, issue: Issue) -> None:
    campus.build()
    campus.session(SESSION, "Automne 2026", None, None)
    # The log begins at the bottom of a page, or its last rows with their notes do.
    cases = [(steps, 3) for steps in range(17, 29)] + [(0, rows) for rows in range(17, 31, 2)]
    for number, (steps, rows) in enumerate(cases):
        user_id = f"U{number:02}"
        campus.learner(user_id, user_id, None)
        for row in range(rows):
            day, kind = f"2026-09-{row + 1:02}", ("open", "timeout", "inactivity")[row % 3]
            end = None if kind == "open" else f"{day} 08:00:00"
            campus.connected(user_id, SESSION, "C3", f"{day} 07:00:00", end, kind)
        campus.enrolled(user_id, SESSION)
        step = ("course", "C3", "Sécurité", True, False, None, True, None, None, None, None)
        campus.steps(user_id, SESSION, [step] * steps)
    summary = issue()
    breaks = 0
    for index, (_, rows) in enumerate(cases):
        texts = pages(summary, index)
        counts = [(text.count("Sécurité incendie"), text.count("N° Date Cours Connecté")) for text in texts]
        assert sum(lines for lines, _ in counts) == rows
        assert [heads for _, heads in counts] == [int(lines > 0) for lines, _ in counts], cases[index]
        for note in ("* Inactivité", "§ Fin inconnue", "¶ Fermée par la plateforme"):
            assert [note in text for text in texts] == ["Total du temps passé" in text for text in texts], cases[index]
        breaks += len([lines for lines, _ in counts if lines]) > 1
    assert breaks > 2


def test_the_summary_attests_and_tells_what_an_inspector_would_find(campus: Any, issue: Issue) -> None:
    campus.build()
    # An end on midnight in Paris is that of the day before.
    campus.session(SESSION, "Automne 2026", "2026-10-04 22:00:00", "2026-12-18 23:00:00", planned=37800)
    campus.learner("U1", "Dupont", "Marie")
    flags = ("long_connection", "outside_session_dates", "overlap")
    campus.connected("U1", SESSION, "C3", "2026-10-03 07:00:00", "2026-10-03 16:00:00", flags=flags)
    campus.connected("U1", SESSION, "C3", "2026-10-04 07:00:00", "2026-10-04 07:30:00", flags=flags[1:])
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:00:00", None, "open", flags=["open"])
    campus.enrolled("U1", SESSION, progress="50", score="84.45", sources=("courses", "assessments"))
    said = AttestationInputs(
        name="Atelier des Trois Rives", legal_representative="Hélène Vasseur", capacity="Directrice"
    )
    page = " ".join(pages(issue(said)))
    for words in (
        "du 05/10/2026 au 18/12/2026",
        "Durée de la formation 10 h 30",
        "Je soussigné(e) Hélène Vasseur, Directrice d’Atelier des Trois Rives, atteste que Marie Dupont a passé "
        "09:30:00 en formation à distance dans la session « Automne 2026 ».",
        "09:30:00 soit 9,50 h Durée prévue 10 h 30 Connexions 3 dont 1 sans fin connue, non comptée",
        "Progression 50,0 % source : cours Score 84,5 % source : évaluations",
        "Hors dates de session : 2 connexions, 09:30:00",
        "Longue connexion, plus de 8 h : 1 connexion, 09:00:00",
        "Ouverte : 1 connexion, sans durée",
        "1 sam. 03/10/2026 Sécurité incendie 09:00:00 18:00:00 AE 09:00:00 09:00:00 09:00:00",
        "2 dim. 04/10/2026 Sécurité incendie 09:00:00 09:30:00 A 00:30:00 00:30:00 09:30:00",
        "A Hors dates de session : la connexion commence avant la session ou se termine après elle.",
        "E Longue connexion : ",
        "hors session",
    ):
        assert words in page
    # Such a finding would stand in the summary; the method has the word too.
    assert "Chevauchement" not in page.split("Méthode")[0]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "Il est attesté que Marie Dupont a passé 01:00:00 "),
        ({"name": "Alpage"}, "Alpage atteste que Marie Dupont a passé 01:00:00 "),
        ({"legal_representative": "Ada"}, "Je soussigné(e) Ada, atteste que Marie Dupont "),
        ({"legal_representative": "Ada", "capacity": "Gérante"}, "Je soussigné(e) Ada, Gérante, atteste que "),
        ({"legal_representative": "Ada", "name": "Été"}, "Je soussigné(e) Ada, pour Été, atteste que "),
        (
            {"legal_representative": "Ada", "capacity": "Gérante", "name": "Bois"},
            "Je soussigné(e) Ada, Gérante de Bois, atteste que ",
        ),
        (
            {"legal_representative": "Ada", "capacity": "Manager", "name": "Été", "language": "en"},
            "I, the undersigned Ada, Manager of Été, attest that Marie Dupont spent 01:00:00 in distance learning",
        ),
    ],
)
def test_who_attests(campus: Any, issue: Issue, said: dict[str, Any], sentence: str) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", SESSION)
    assert sentence in pages(issue(AttestationInputs(**said)))[0]


def test_rows_of_zero_seconds_are_one_line_a_day_unless_asked_for(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    for minute in (0, 1, 2, 7):
        campus.connected(
            "U1", SESSION, "C3", f"2026-10-12 07:0{minute}:00", f"2026-10-12 07:0{minute}:00", "inactivity"
        )
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:05:00", "2026-10-12 07:06:00")
    # Alone on its day a row of zero seconds is its own line.
    campus.connected("U1", SESSION, "C3", "2026-10-13 07:00:00", "2026-10-13 07:00:00")
    campus.enrolled("U1", SESSION)
    summary = issue()
    (page,) = pages(summary)
    assert [row["number"] for row in attached_rows(summary)] == ["1", "2", "3", "4", "5", "6"]
    for words in (
        "4 lun. 12/10/2026 Sécurité incendie 09:05:00 09:06:00 00:01:00 00:01:00 "
        "lun. 12/10/2026 4 connexions de zéro seconde (n° 1–3, 5) * 00:00:00 00:01:00 00:01:00",
        "6 mar. 13/10/2026 Sécurité incendie 09:00:00 09:00:00 00:00:00 00:00:00 00:01:00",
        "Les connexions de zéro seconde d’un même jour tiennent sur une ligne ; le fichier joint les détaille.",
    ):
        assert words in page
    all_listed = issue(AttestationInputs(folds_zero_seconds=False))
    assert "5 lun. 12/10/2026 Sécurité incendie 09:07:00 09:07:00* 00:00:00 00:01:00 00:01:00" in pages(all_listed)[0]


@pytest.mark.parametrize(
    ("evidence", "limits", "stated"),
    [
        (
            "event_run",
            ("moodle_log", "virtual_classes"),
            ("Journal de Moodle. Téléchargé depuis Moodle, cours par cours",),
        ),
        ("native_log", ("moodle_log", "virtual_classes"), ("Classes virtuelles. D’après le rapport de présence",)),
        ("native_log", ("360learning",), ("Journal de 360Learning. D’après l’export de la plateforme",)),
        ("event_run", ("360learning",), ()),
        (
            "event_run",
            ("moodle_log", "xapi"),
            ("Journal de Moodle. Téléchargé depuis Moodle, cours par cours", "Journal xAPI. Une session cmi5 dit"),
        ),
        ("event_pair", ("moodle_log", "xapi"), ("Journal xAPI. Une session cmi5 dit",)),
        ("native_log", ("xapi",), ()),
        ("event_run", (), ()),
    ],
)
def test_the_method_states_what_the_logs_of_its_connections_do_not_know(
    campus: Any, issue: Issue, evidence: str, limits: tuple[str, ...], stated: tuple[str, ...]
) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.connection.execute("update fct_opco_connections set evidence_level = $1", [evidence])
    campus.enrolled("U1", SESSION)
    text = " ".join(pages(issue(AttestationInputs(log_limits=limits))))
    every = (
        "Journal de 360Learning. D’après l’export de la plateforme",
        "Journal de Moodle. Téléchargé depuis Moodle, cours par cours",
        "Classes virtuelles. D’après le rapport de présence",
        "Journal xAPI. Une session cmi5 dit",
    )
    assert tuple(words for words in every if words in text) == stated


def test_custom_fields_stand_beside_the_learner_when_asked_for(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", SESSION)
    campus.connection.execute("insert into dim_custom_fields values ('1', 'Dossier', 1), ('2', 'Entrée', 2)")
    campus.connection.execute(
        "insert into bridge_learner_custom_fields values"
        " ('U1', '1', 'Dossier', 'string', 'D-77', null), ('U1', '2', 'Entrée', 'date', '2020-01-31', '2020-01-31')"
    )
    asked = issue(AttestationInputs(custom_fields=("Entrée", "Dossier")))
    assert "Entrée 31/01/2020 Dossier D-77" in pages(asked)[0]
    assert "D-77" not in pages(issue())[0]
    with pytest.raises(UserError, match=r'no custom field "dossier" to print\. Nearest: Dossier, Entrée'):
        issue(AttestationInputs(custom_fields=("dossier",)))


def test_an_offset_shows_where_a_clock_change_lies_between(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    # Neither end is on the day of the change.
    campus.connected("U1", SESSION, "C3", "2026-10-23 07:00:00", "2026-10-27 08:00:00")
    campus.connected("U1", SESSION, "C3", "2026-10-28 07:00:00", "2026-10-29 08:00:00")
    campus.enrolled("U1", SESSION)
    (page,) = pages(issue())
    assert "09:00:00 09:00:00 +4 j 97:00:00 97:00:00 97:00:00 Écart avec UTC : +02:00 au début, +01:00 à la fin" in page
    assert "08:00:00 09:00:00 +1 j 25:00:00" in page


def test_names_are_data(campus: Any, issue: Issue) -> None:
    campus.build()
    campus.session(SESSION, "<b>Automne</b> & {{ 7 * 7 }} {0}", None, None)
    campus.learner("U1", "<img src='file:///etc/passwd'>", "{{ session }}")
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 07:01:00", name="Cours\n<script>")
    campus.enrolled("U1", SESSION)
    summary = issue(AttestationInputs(footer="<style>body { display: none }</style>", place="{date}"))
    (page,) = pages(summary)
    for words in (
        "<b>Automne</b> & {{ 7 * 7 }} {0}",
        "<img src='file:///etc/passwd'>",
        "{{ session }}",
        "Cours <script>",
        "<style>body { display: none }</style>",
        "Fait à {date}, le 15 janvier 2027",
    ):
        # A long word is broken where the cell ends.
        assert words.replace(" ", "") in page.replace(" ", "")
    assert summary.warnings == ()


def test_other_scripts_keep_the_columns(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.learner("U2", "Никитин", "漢字")
    campus.connected("U1", SESSION, "X", "2026-10-12 07:00:00", "2026-10-12 08:00:00", name="السلامة المهنية")
    campus.connected("U2", SESSION, "X", "2026-10-12 07:00:00", "2026-10-12 08:00:00", name="Охрана труда")
    campus.enrolled("U1", SESSION)
    campus.enrolled("U2", SESSION)
    summary = issue()
    assert summary.warnings == ()
    assert "漢字" in pages(summary, 1)[0]
    assert "السلامة" in pages(summary, 0)[0] or "السالمة" in pages(summary, 0)[0]
    assert "Охрана труда 09:00:00 10:00:00 01:00:00 01:00:00 01:00:00" in pages(summary, 1)[0]
    for words, count in (("09:00:00", 2), ("10:00:00", 2), ("01:00:00", 6)):
        places, others = (left_edges(summary, index, words) for index in (0, 1))
        assert len(places) == count
        # The sentence that attests has names of other widths before it.
        stated = 1 if words == "01:00:00" else count
        assert places[:stated] + places[stated + 1 :] == pytest.approx(others[:stated] + others[stated + 1 :], abs=0.2)


def embedded_fonts(summary: IssueSummary, index: int = 0) -> set[str]:
    names = set()
    with pikepdf.open(summary.folder / summary.documents[index].file) as pdf:
        for item in pdf.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/FontDescriptor":
                assert "/FontFile2" in item or "/FontFile3" in item
                names.add(str(item["/FontName"]).split("+")[1])
    return names


OWN_FONTS = {"FiraGO", "FiraGO-Bold", "Fira-Mono", "Fira-Mono-Bold"}


def test_only_the_fonts_of_the_packages_are_embedded(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "X", "2026-10-12 07:00:00", None, "open", name="½ Ω שלום گیتا")
    campus.enrolled("U1", SESSION)
    assert embedded_fonts(issue()) == OWN_FONTS


@pytest.mark.parametrize(
    ("name", "font"),
    [
        ("李伟 田中 カ 김", "Noto-Sans-CJK-JP"),
        ("Հայկ", "Noto-Sans-Armenian"),
        ("বাংলা", "Noto-Sans-Bengali"),
        ("Zoé 😀🎓", "Noto-Emoji"),
        ("გიორგი गीता ฟ้า", None),
    ],
)
def test_letters_that_firago_lacks_are_of_noto(campus: Any, issue: Issue, name: str, font: str | None) -> None:
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    campus.learner("U1", name, None)
    campus.learner("U2", "Dupont", "Marie")
    for user_id in ("U1", "U2"):
        campus.connected(user_id, SESSION, "X", "2026-10-12 07:00:00", "2026-10-12 08:00:00", name="Cours")
        campus.enrolled(user_id, SESSION)
    first = issue()
    assert first.warnings == ()
    place = {one.user_id: index for index, one in enumerate(first.documents)}
    assert embedded_fonts(first, place["U1"]) == OWN_FONTS | ({font} if font else set())
    # What another document needs changes no byte of this one.
    assert embedded_fonts(first, place["U2"]) == OWN_FONTS
    assert issue(force=True, folder="again").documents[place["U2"]].sha256 == first.documents[place["U2"]].sha256


def test_a_letter_that_no_font_has_is_no_box_unless_asked_for(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.learner("U2", "\ue000", "Anne")
    for user_id in ("U1", "U2"):
        campus.connected(user_id, SESSION, "C3", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
        campus.enrolled(user_id, SESSION)
    with pytest.raises(UserError, match=r"\(U2\): no font has \ue000 \(U\+E000\): correct the name .* --allow-missing"):
        issue()
    summary = issue(allows_missing_letters=True)
    assert [one.user_id for one in summary.documents] == ["U1", "U2"]
    assert any("U+E000" in warning for warning in summary.warnings)


def test_pdf_a_3_tagged_with_metadata_and_bookmarks(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", SESSION)
    campus.steps("U1", SESSION, [("course", "C1", "Cours", True, False, 5400, True, None, None, None, None)])
    summary = issue(AttestationInputs(name="Alpage"))
    with pikepdf.open(summary.folder / summary.documents[0].file) as pdf:
        with pdf.open_metadata() as metadata:
            assert metadata.pdfa_status == "3A"
            assert metadata["dc:title"] == "Attestation de formation à distance N° SST-26/U1/1"
            assert metadata["dc:creator"] == ["Alpage"]
            assert metadata["xmp:CreateDate"] == "2027-01-15T00:00:00Z"
        assert str(pdf.Root.Lang) == "fr"
        assert bool(pdf.Root.MarkInfo.Marked)
        assert str(pdf.docinfo["/CreationDate"]) == "D:20270115000000+00'00"
        (associated,) = pdf.Root.AF
        assert (str(associated.UF), str(associated.AFRelationship)) == ("releve-des-connexions.csv", "/Data")
        with pdf.open_outline() as outline:
            (title,) = outline.root
        assert [child.title for child in title.children] == [
            "Apprenant",
            "Formation",
            "Synthèse",
            "Calendrier",
            "Activités de la session",
            "Relevé des connexions",
            "Méthode",
        ]
        kinds = {str(item["/S"]) for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and "/S" in item}
    assert {"/H1", "/H2", "/Figure", "/L", "/LI", "/LBody", "/P"} <= kinds


def test_lines_are_read_aloud_with_their_heads(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00", flags=["long_connection"])
    campus.connected("U1", SESSION, "C3", "2026-10-13 07:00:00", None, "open")
    campus.enrolled("U1", SESSION)
    campus.steps("U1", SESSION, [("course", "C1", "Cours", True, False, 5400, True, "50", None, None, None)])
    summary = issue()
    with pikepdf.open(summary.folder / summary.documents[0].file) as pdf:
        spoken = [
            str(item["/Alt"])
            for item in pdf.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/LI" and "/Alt" in item
        ]
    assert spoken == [
        "Activité Cours, Prévu 1\u00a0h\u00a030, Connexions 1, Temps passé 01:00:00, Progression 50,0\u202f%, Score —, "
        "Résultat —, Terminé le —",
        "N° 1, Date lun. 12/10/2026, Cours Prévenir les risques professionnels, Connecté 09:00:00, "
        "Déconnecté 10:00:00, Réf. E, Temps passé 01:00:00, Jour 01:00:00, Cumul 01:00:00",
        "N° 2, Date mar. 13/10/2026, Cours Sécurité incendie, Connecté 09:00:00, Déconnecté —§, Temps passé —, "
        "Jour 00:00:00, Cumul 01:00:00",
    ]


def test_a_log_that_does_not_add_up_is_not_issued(campus: Any, issue: Issue, tmp_path: Path) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", SESSION)
    campus.connection.execute("update fct_learner_sessions set retained_seconds = 3599")
    with pytest.raises(OpcoError, match=r"learner U1 .* 3600 seconds, but fct_learner_sessions says 1 and 3599"):
        issue()
    folder = tmp_path / "attestations" / SESSION
    assert not list(folder.glob("issue-*"))
    assert not list(folder.rglob("*.pdf"))


def test_headings_have_the_platforms_own_nouns(campus: Any, issue: Issue) -> None:
    one_learner(campus)
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:12:04", "2026-10-12 08:03:03")
    campus.enrolled("U1", SESSION)
    nouns = (("session", "Parcours"), ("program_template", "Modèle {de} parcours"), ("course", "Module"))
    made = issue(AttestationInputs(nouns=nouns))
    (page,) = pages(made)
    assert f"Modèle {{de}} parcours Santé et sécurité au travail ID TPL-7 Parcours Automne 2026 ID {SESSION}" in page
    assert "Date Module Connecté" in page
    # They are an input like any other: on record, read back, and proven all the same.
    assert inputs_of(made.manifest.inputs).nouns == nouns
    assert verify(made.folder).faults == []
