"""The message that tells of a file: text and HTML, French or English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reports.export.filters import ExportFilters

Language = Literal["en", "fr"]
VALUES_SHOWN = 10

WORDING: dict[str, dict[str, str]] = {
    "en": {
        "subject": "OPCO export ready: {lines}",
        "colon": ":",
        "hello": "Hello,",
        "ready": "The OPCO export is ready.",
        "empty": "No connection passes its filters: the file holds the header alone.",
        "file": "File",
        "lines": "Content",
        "line": "{count} line",
        "many_lines": "{count} lines",
        "holds": "{lines}; learners: {learners}; sessions: {sessions}",
        "data_as_of": "Data as of",
        "filters": "Filters",
        "no_filter": "none: every connection",
        "from": "Connections from",
        "to": "Connections until",
        "users": "Learners",
        "groups": "Groups, with their sub-groups",
        "sessions": "Sessions",
        "custom_fields": "Custom fields shown",
        "more": "and {count} more",
        "definition": "Defined as",
        "download": "Download the file",
        "until": "The link lives until {until}.",
        "personal": "The file holds personal data. Anyone who has the link can fetch it: do not pass this message on.",
        "checksum": "SHA-256 of the file",
        "issue_subject": "Attestations ready: {session}",
        "issue_ready": "The attestations of a session are ready: one PDF per learner, all in one ZIP.",
        "session": "Session",
        "issue": "Issue",
        "documents": "Attestations",
        "counts": "{documents} (new: {new}; replaced: {replaced}; kept: {kept})",
        "cancelled": "No longer in force",
    },
    "fr": {
        "subject": "Export OPCO prêt : {lines}",
        "colon": " :",
        "hello": "Bonjour,",
        "ready": "L’export OPCO est prêt.",
        "empty": "Aucune connexion ne passe ses filtres : le fichier ne contient que l’en-tête.",
        "file": "Fichier",
        "lines": "Contenu",
        "line": "{count} ligne",
        "many_lines": "{count} lignes",
        "holds": "{lines} ; apprenants : {learners} ; sessions : {sessions}",
        "data_as_of": "Données au",
        "filters": "Filtres",
        "no_filter": "aucun : toutes les connexions",
        "from": "Connexions à partir du",
        "to": "Connexions jusqu’au",
        "users": "Apprenants",
        "groups": "Groupes, sous-groupes compris",
        "sessions": "Sessions",
        "custom_fields": "Champs personnalisés affichés",
        "more": "et {count} de plus",
        "definition": "Défini sous le nom",
        "download": "Télécharger le fichier",
        "until": "Le lien est valable jusqu’au {until}.",
        "personal": (
            "Le fichier contient des données personnelles. Quiconque a le lien peut le télécharger : ne transférez pas "
            "ce message."
        ),
        "checksum": "SHA-256 du fichier",
        "issue_subject": "Attestations prêtes : {session}",
        "issue_ready": "Les attestations d’une session sont prêtes : un PDF par apprenant, réunis dans un ZIP.",
        "session": "Session",
        "issue": "Émission",
        "documents": "Attestations",
        "counts": "{documents} (nouvelles : {new} ; remplacées : {replaced} ; inchangées : {kept})",
        "cancelled": "Plus en vigueur",
    },
}


@dataclass(frozen=True, kw_only=True)
class FileNotice:
    """What a message tells of any file. Instants are aware; they are shown in `display_timezone`."""

    file_name: str
    byte_count: int
    sha256: str
    data_as_of: datetime
    url: str
    expires_at: datetime
    display_timezone: str
    language: Language
    organisation: str | None = None


@dataclass(frozen=True, kw_only=True)
class Notice(FileNotice):
    """What a message tells of an export."""

    rows: int
    learners: int
    sessions: int
    filters: ExportFilters
    definition: str | None = None


@dataclass(frozen=True, kw_only=True)
class IssueNotice(FileNotice):
    """What a message tells of the ZIP of an issue of attestations; `states` counts its documents by state."""

    session_id: str
    session_name: str
    issue_number: int
    states: Mapping[str, int]
    cancelled: int


def message(notice: Notice | IssueNotice, sender: str, recipient: str) -> EmailMessage:
    """Return the message of `notice` from one checked address to another."""
    said = _said_of_export(notice) if isinstance(notice, Notice) else _said_of_issue(notice)
    return compose(said, templates("reports.delivery"), "message", sender, recipient)


def compose(said: dict[str, Any], pages: Environment, name: str, sender: str, recipient: str) -> EmailMessage:
    """Return the message that the templates `name`.txt and `name`.html make of `said`.

    `said` holds at least `subject`, of one line, and `language`; the addresses are checked ones.
    """
    mail = addressed(said["subject"], sender, recipient)
    mail.set_content(pages.get_template(f"{name}.txt").render(said), cte="quoted-printable")
    html = pages.get_template(f"{name}.html").render(said)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    mail["Content-Language"] = said["language"]
    return mail


def addressed(subject: str, sender: str, recipient: str) -> EmailMessage:
    """Return a message without content, from one checked address to another; `subject` is of one line."""
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = sender
    mail["To"] = recipient
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    # Nobody's holiday assistant should answer a program.
    mail["Auto-Submitted"] = "auto-generated"
    return mail


@cache
def templates(package: str) -> Environment:
    """Return the message templates in the folder `templates` of `package`."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def one_line(text: str) -> str:
    """Return `text` with each run of blanks and line ends as one blank."""
    return " ".join(text.split())


def local_instant(instant: datetime, zone: str) -> str:
    """Return an aware instant as a person reads it in the time zone `zone`."""
    return f"{instant.astimezone(ZoneInfo(zone)):%d/%m/%Y %H:%M} ({zone})"


def _said_of_export(notice: Notice) -> dict[str, Any]:
    words = WORDING[notice.language]
    count = f"{notice.rows:,}".replace(",", " " if notice.language == "fr" else ",")
    # In French none and one are singular, in English one is.
    is_one = notice.rows == 1 or (notice.language == "fr" and notice.rows == 0)
    lines = words["line" if is_one else "many_lines"].format(count=count)
    facts = [(words["lines"], words["holds"].format(lines=lines, learners=notice.learners, sessions=notice.sessions))]
    defined = [(words["definition"], notice.definition)] if notice.definition else []
    ready = f"{words['ready']} {words['empty']}" if notice.rows == 0 else words["ready"]
    filters = [(title, one_line(text)) for title, text in _filters(notice.filters, words)]
    return _said(notice, words["subject"].format(lines=lines), ready, facts, defined) | {"filters": filters}


def _said_of_issue(notice: IssueNotice) -> dict[str, Any]:
    words = WORDING[notice.language]
    counts = {state: notice.states.get(state, 0) for state in ("new", "replaced", "kept")}
    facts = [
        (words["session"], f"{notice.session_name} ({notice.session_id})"),
        (words["issue"], str(notice.issue_number)),
        (words["documents"], words["counts"].format(documents=sum(counts.values()), **counts)),
    ]
    facts += [(words["cancelled"], str(notice.cancelled))] if notice.cancelled else []
    subject = words["issue_subject"].format(session=one_line(notice.session_name))
    return _said(notice, subject, words["issue_ready"], facts, []) | {"filters": None}


def _said(
    notice: FileNotice, subject: str, ready: str, facts: list[tuple[str, str]], more: list[tuple[str, str]]
) -> dict[str, Any]:
    """Return what the templates say, each text on one line; facts of the file stand around those given."""
    words = WORDING[notice.language]
    told = [
        (words["file"], f"{notice.file_name} ({_size(notice.byte_count, notice.language)})"),
        *facts,
        (words["data_as_of"], local_instant(notice.data_as_of, notice.display_timezone)),
        *more,
    ]
    return {
        "words": words,
        "language": notice.language,
        "subject": subject,
        "ready": ready,
        "facts": [(title, one_line(text)) for title, text in told],
        "url": notice.url,
        "until": words["until"].format(until=local_instant(notice.expires_at, notice.display_timezone)),
        "sha256": notice.sha256,
        "organisation": one_line(notice.organisation or ""),
    }


def _filters(filters: ExportFilters, words: dict[str, str]) -> list[tuple[str, str]]:
    told = []
    if filters.date_from:
        told.append((words["from"], f"{filters.date_from:%d/%m/%Y}"))
    if filters.date_to:
        told.append((words["to"], f"{filters.date_to:%d/%m/%Y}"))
    for kind in ("users", "groups", "sessions", "custom_fields"):
        values: Sequence[str] = getattr(filters, kind)
        if values:
            rest = len(values) - VALUES_SHOWN
            shown = [*values[:VALUES_SHOWN], *([words["more"].format(count=rest)] if rest > 0 else [])]
            told.append((words[kind], ", ".join(shown)))
    return told


def _size(byte_count: int, language: Language) -> str:
    unit, point = ("o", ",") if language == "fr" else ("B", ".")
    if byte_count < 1000:
        return f"{byte_count} {unit}"
    factor, prefix = next(
        ((factor, prefix) for factor, prefix in ((1e3, "k"), (1e6, "M")) if byte_count < factor * 1000), (1e9, "G")
    )
    return f"{byte_count / factor:.1f}".replace(".", point) + f" {prefix}{unit}"
