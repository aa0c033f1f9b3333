"""Attendance reports as Zoom, Microsoft Teams, Google Meet and BigBlueButton give them, in English and in French."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from connectors.text_tables import Record, UnreadableTableError, heading, read_text_table

# What a heading means, whichever product wrote it; `(UTC)` behind a heading is taken off before.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "name": (
        *("name", "name (original name)", "user name (original name)", "full name"),
        *("nom", "nom (nom original)", "nom (nom d'origine)", "nom d'utilisateur (nom original)", "nom complet"),
    ),
    "first_name": ("first name", "prénom"),
    "last_name": ("last name", "nom de famille"),
    "email": (
        *("email", "user email", "email address", "e-mail"),
        *("e-mail de l'utilisateur", "adresse e-mail", "adresse e-mail de l'utilisateur", "adresse électronique"),
        *("adresse de courriel", "courriel", "adresse de messagerie", "adresse de messagerie de l'utilisateur"),
    ),
    "upn": ("participant id (upn)", "id du participant (upn)", "id de participant (upn)", "id participant (upn)"),
    "joined": (
        *("join time", "time joined", "joined", "join"),
        *("heure d'arrivée", "heure de participation", "heure de connexion", "heure d'entrée", "arrivée", "entrée"),
    ),
    "left": (
        *("leave time", "time exited", "left"),
        *("heure de départ", "heure de sortie", "heure de déconnexion", "départ", "sortie"),
    ),
    "duration": (
        *("duration", "duration (minutes)", "time in session (minutes)"),
        *("durée", "durée (minutes)", "temps en session (minutes)", "temps passé dans la session (minutes)"),
    ),
    "total_duration": ("total duration (minutes)", "durée totale (minutes)"),
    "first_joined": (
        "first join",
        "first join time",
        "première participation",
        "première arrivée",
        "première connexion",
    ),
    "last_left": ("last leave", "last leave time", "dernier départ", "dernière sortie", "dernière déconnexion"),
    "waiting": ("in waiting room", "dans la salle d'attente", "en salle d'attente", "salle d'attente"),
    "moderator": ("moderator", "modérateur", "modérateur·rice"),
    "action": ("user action", "action de l'utilisateur", "action utilisateur"),
}
_MEANING = {one: meaning for meaning, headings in HEADINGS.items() for one in headings}

Kind = Literal["stay", "span"]


@dataclass(frozen=True)
class Attendance:
    """One line of a report, as text: who, from when to when.

    `kind` is stay where each line is one join and one leave (Zoom, Teams), span where it is the first join and the last
    leave of a person, who may have been away in between (Meet, BigBlueButton). `is_utc`: the headings say so.
    """

    report: str
    line: int
    kind: Kind
    name: str
    email: str
    joined: str
    left: str
    duration: str
    is_waiting: bool
    is_utc: bool


def read_report(path: Path) -> list[Attendance]:
    """Return the lines of an attendance report.

    Raises:
        UnreadableTableError: it is no report, another one of the product, cut or empty; says what to do.
    """
    table = read_text_table(path)
    found: list[Attendance] = []
    heads: list[dict[str, int]] = []
    columns: dict[str, int] = {}
    headings: list[str] = []
    is_utc = False
    for record in table.records:
        named, says_utc = _columns(record.cells)
        if _is_head(named):
            columns, is_utc, headings = named, says_utc, [heading(cell) for cell in record.cells]
            heads.append(named)
        elif _is_title(record):
            columns = {}
        elif "joined" in columns and "left" in columns:
            found.append(_attendance(path.name, record, columns, headings, is_utc=is_utc))
    if not any("joined" in one and "left" in one for one in heads):
        raise UnreadableTableError(_what_it_is(heads, table.records))
    return found


def _columns(cells: Sequence[str]) -> tuple[dict[str, int], bool]:
    headings = [heading(cell) for cell in cells]
    plain = [one.removesuffix("(utc)").strip() for one in headings]
    named: dict[str, int] = {}
    for place, one in enumerate(plain):
        if one in _MEANING:
            named.setdefault(_MEANING[one], place)
    return named, any(one.endswith("(utc)") for one in headings)


def _is_head(named: Mapping[str, int]) -> bool:
    is_person = "name" in named or {"first_name", "last_name"} & named.keys()
    is_time = {"joined", "left", "first_joined", "last_left", "total_duration", "action", "duration"} & named.keys()
    return bool(is_person and is_time)


def _is_title(record: Record) -> bool:
    # `3. In-Meeting Activities` stands alone on its line, whatever the language.
    return len(record.cells) == 1 or (record.cells[0][:1].isdigit() and not any(record.cells[1:]))


def _attendance(
    report: str, record: Record, columns: Mapping[str, int], headings: Sequence[str], *, is_utc: bool
) -> Attendance:
    # Some reports end their lines with a separator more or less than the headings have.
    if not columns["left"] < len(record.cells) <= len(headings) + 1:
        raise UnreadableTableError(
            f"line {record.line} has {len(record.cells)} cells instead of {len(headings)}: the file is cut or was "
            "changed. Download it again."
        )

    def cell(meaning: str) -> str:
        place = columns.get(meaning)
        found = "" if place is None or place >= len(record.cells) else record.cells[place]
        return "" if found == "-" else found

    is_span = "moderator" in columns or "name" not in columns or "time exited" in headings
    upn = cell("upn")
    return Attendance(
        report=report,
        line=record.line,
        kind="span" if is_span else "stay",
        name=cell("name") or " ".join(filter(None, (cell("first_name"), cell("last_name")))),
        email=cell("email") or (upn if "@" in upn else ""),
        joined=cell("joined"),
        left=cell("left"),
        duration=cell("duration"),
        is_waiting=heading(cell("waiting")) in ("yes", "oui"),
        is_utc=is_utc,
    )


def _what_it_is(heads: Sequence[Mapping[str, int]], records: Sequence[Record]) -> str:
    meanings = {meaning for head in heads for meaning in head}
    if "action" in meanings:
        return (
            "it is the list of a Teams meeting that was still going on. "
            "Download the attendance report after the meeting: calendar, the meeting, Attendance, Download."
        )
    if "total_duration" in meanings:
        return (
            "it has one line a person without times. In Zoom, untick Show unique users before Export, "
            "so that each join and leave has its line."
        )
    if "first_joined" in meanings:
        return (
            "it has the first join and the last leave alone, between which a person may have been away. "
            "Download the whole attendance report, the one with the in-meeting activities."
        )
    if meanings:
        return "it has no times of joining and leaving. Download the attendance report of the meeting."
    widest = max(records[:20], key=lambda record: len(record.cells))
    return (
        "its headings are those of no attendance report of Zoom, Teams, Meet or BigBlueButton in English or French: "
        f"{', '.join(widest.cells)}. Switch the product to one of these languages, then download it again."
    )
