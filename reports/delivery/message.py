"""The message about a file: text and HTML, French or English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reports.export.filter_wording import worded_filters
from reports.export.filters import ExportFilters
from reports.language import Language, mail_catalogue

FOLDER = Path(__file__).parent / "wording"


@dataclass(frozen=True, kw_only=True)
class FileNotice:
    """What a message says about any file. Instants are aware; they are shown in `display_timezone`."""

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
    """What a message says about an export."""

    rows: int
    learners: int
    sessions: int
    filters: ExportFilters
    last_activity_at: datetime | None = None
    definition: str | None = None


@dataclass(frozen=True, kw_only=True)
class IssueNotice(FileNotice):
    """What a message says about the ZIP of an issue of attestations; `states` counts its documents by state."""

    session_id: str
    session_name: str
    issue_number: int
    states: Mapping[str, int]
    cancelled: int


def message(notice: Notice | IssueNotice, sender: str, recipient: str) -> EmailMessage:
    """Return the message of `notice` from one checked address to another."""
    values = _values_of_export(notice) if isinstance(notice, Notice) else _values_of_issue(notice)
    return compose(values, templates("reports.delivery"), "message", sender, recipient)


def compose(values: dict[str, Any], pages: Environment, name: str, sender: str, recipient: str) -> EmailMessage:
    """Return the message that the templates `name`.txt and `name`.html make of `values`.

    `values` holds at least `subject`, of one line, and `language`; the addresses are checked ones.
    """
    mail = addressed(values["subject"], sender, recipient)
    mail.set_content(pages.get_template(f"{name}.txt").render(values), cte="quoted-printable")
    html = pages.get_template(f"{name}.html").render(values)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    mail["Content-Language"] = values["language"]
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


def _values_of_export(notice: Notice) -> dict[str, Any]:
    words = mail_catalogue(FOLDER, notice.language)
    count = f"{notice.rows:,}".replace(",", " " if notice.language == "fr" else ",")
    # In French none and one are singular, in English one is.
    is_one = notice.rows == 1 or (notice.language == "fr" and notice.rows == 0)
    lines = words["line" if is_one else "many_lines"].format(count=count)
    facts = [(words["lines"], words["holds"].format(lines=lines, learners=notice.learners, sessions=notice.sessions))]
    active = notice.last_activity_at
    more = [(words["last_activity"], local_instant(active, notice.display_timezone))] if active else []
    more += [(words["definition"], notice.definition)] if notice.definition else []
    ready = f"{words['ready']} {words['empty']}" if notice.rows == 0 else words["ready"]
    filters = [(title, one_line(text)) for title, text in worded_filters(notice.filters, notice.language)]
    return _said(notice, words["subject"].format(lines=lines), ready, facts, more) | {"filters": filters}


def _values_of_issue(notice: IssueNotice) -> dict[str, Any]:
    words = mail_catalogue(FOLDER, notice.language)
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
    words = mail_catalogue(FOLDER, notice.language)
    facts = [
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
        "facts": [(title, one_line(text)) for title, text in facts],
        "url": notice.url,
        "until": words["until"].format(until=local_instant(notice.expires_at, notice.display_timezone)),
        "sha256": notice.sha256,
        "organisation": one_line(notice.organisation or ""),
    }


def _size(byte_count: int, language: Language) -> str:
    unit, point = ("o", ",") if language == "fr" else ("B", ".")
    if byte_count < 1000:
        return f"{byte_count} {unit}"
    factor, prefix = next(
        ((factor, prefix) for factor, prefix in ((1e3, "k"), (1e6, "M")) if byte_count < factor * 1000), (1e9, "G")
    )
    return f"{byte_count / factor:.1f}".replace(".", point) + f" {prefix}{unit}"
