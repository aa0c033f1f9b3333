"""The message: what it says, in both languages, and that nothing gets into its headers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from reports.delivery.message import FOLDER, IssueNotice, Notice, message
from reports.export.filters import ExportFilters
from reports.language import mail_catalogue

URL = "https://opco.exemple.fr/download/abc.def"
NOTICE = Notice(
    file_name="opco-export.xlsx",
    byte_count=1_234_567,
    sha256="ab" * 32,
    rows=1_234,
    learners=56,
    sessions=7,
    data_as_of=datetime(2026, 11, 10, 6, 0, tzinfo=UTC),
    last_activity_at=datetime(2026, 11, 9, 17, 30, tzinfo=UTC),
    filters=ExportFilters(
        date_from=date(2026, 9, 1),
        date_to=date(2026, 9, 30),
        groups=("Région <Nord> & Est",),
        users=tuple(f"u-{number}" for number in range(12)),
    ),
    url=URL,
    expires_at=datetime(2026, 12, 2, 23, 30, tzinfo=UTC),
    display_timezone="Europe/Paris",
    language="fr",
    organisation="Atelier\r\nBcc: evil@evil.org",
)


ISSUE = IssueNotice(
    file_name="attestations-S-1-issue-2.zip",
    byte_count=1_234_567,
    sha256="ab" * 32,
    session_id="S-1",
    session_name="Manager <à distance>\r\nBcc: evil@evil.org",
    issue_number=2,
    states={"kept": 12, "replaced": 1},
    cancelled=3,
    data_as_of=datetime(2026, 11, 10, 6, 0, tzinfo=UTC),
    url=URL,
    expires_at=datetime(2026, 12, 2, 23, 30, tzinfo=UTC),
    display_timezone="Europe/Paris",
    language="fr",
)


def bodies(notice: Notice | IssueNotice) -> tuple[str, str]:
    mail = message(notice, "exports@atelier.fr", "marie@exemple.fr")
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def test_the_text_says_what_is_in_the_file_and_until_when() -> None:
    plain, _ = bodies(NOTICE)

    for said in (
        "Fichier : opco-export.xlsx (1,2 Mo)",
        "Contenu : 1 234 lignes ; apprenants : 56 ; sessions : 7",
        "Données au : 10/11/2026 07:00 (Europe/Paris)",
        "Dernière activité : 09/11/2026 18:30 (Europe/Paris)",
        "- Connexions à partir du : 01/09/2026",
        "- Connexions jusqu’au : 30/09/2026",
        "- Groupes, sous-groupes compris : Région <Nord> & Est",
        "- Apprenants : u-0, u-1, u-2, u-3, u-4, u-5, u-6, u-7, u-8, u-9, et 2 de plus",
        f"\n{URL}\n",
        # 23:30 UTC is the next day in Paris.
        "Le lien est valable jusqu’au 03/12/2026 00:30 (Europe/Paris).",
        "ab" * 32,
    ):
        assert said in plain


def test_the_html_says_the_same_and_runs_nothing() -> None:
    _, html = bodies(NOTICE)

    assert "Région &lt;Nord&gt; &amp; Est" in html
    assert f'href="{URL}"' in html
    assert "03/12/2026 00:30" in html
    assert "<script" not in html
    assert "src=" not in html


def test_english_and_no_filters() -> None:
    plain, html = bodies(replace(NOTICE, language="en", filters=ExportFilters(), rows=1, definition="monthly"))

    assert "Filters:\n- none: every connection\n" in plain
    assert "Content: 1 line; learners: 56; sessions: 7" in plain
    assert "Defined as: monthly" in plain
    assert "none: every connection" in html


def test_an_empty_file_is_said_to_be_empty() -> None:
    plain, html = bodies(replace(NOTICE, rows=0))

    assert "le fichier ne contient que l’en-tête" in plain
    assert "le fichier ne contient que l’en-tête" in html
    assert "0 ligne ;" in plain


def test_headers_hold_what_they_should_and_nothing_else() -> None:
    mail = message(replace(NOTICE, file_name="x\r\nBcc: a@evil.org.csv"), "exports@atelier.fr", "marie@exemple.fr")

    assert (mail["From"], mail["To"]) == ("exports@atelier.fr", "marie@exemple.fr")
    assert mail["Subject"] == "Export OPCO prêt : 1 234 lignes"
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    head = mail.as_bytes().split(b"\n\n")[0]
    assert b"evil" not in head
    assert sorted(mail.keys()) == sorted(
        [
            "Subject",
            "From",
            "To",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "Content-Language",
            "MIME-Version",
            "Content-Type",
        ]
    )


def test_an_address_with_a_line_break_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        message(NOTICE, "exports@atelier.fr", "marie@exemple.fr\r\nBcc: a@evil.org")


def test_both_languages_have_the_same_words() -> None:
    assert mail_catalogue(FOLDER, "fr").keys() == mail_catalogue(FOLDER, "en").keys()


def test_a_message_of_an_issue_says_what_is_in_it() -> None:
    plain, html = bodies(ISSUE)

    for said in (
        "Les attestations d’une session sont prêtes : un PDF par apprenant, réunis dans un ZIP.",
        "Fichier : attestations-S-1-issue-2.zip (1,2 Mo)",
        "Session : Manager <à distance> Bcc: evil@evil.org (S-1)",
        "Version : 2",
        "Attestations : 13 (nouvelles : 0 ; remplacées : 1 ; inchangées : 12)",
        "Plus en vigueur : 3",
        "Données au : 10/11/2026 07:00 (Europe/Paris)",
        f"\n{URL}\n",
    ):
        assert said in plain
    assert "Filtres" not in plain + html
    assert "Manager &lt;à distance&gt;" in html
    mail = message(replace(ISSUE, language="en"), "exports@atelier.fr", "marie@exemple.fr")
    assert mail["Subject"] == "Attestations ready: Manager <à distance> Bcc: evil@evil.org"
    assert mail["Bcc"] is None
