"""The files that people download from Moodle: logs, and lists of participants."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from connectors.text_tables import LeftOutFile, TextTable, UnreadableTableError, heading, read_text_table

# The headings of a log in the order in which Moodle writes them, in the languages that are known here. The log of the
# whole site has a column more, before the others: the course.
LOG_HEADINGS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "en": (
        ("time",),
        ("user full name", "full name"),
        ("affected user",),
        ("event context",),
        ("component",),
        ("event name",),
        ("description",),
        ("origin",),
        ("ip address",),
    ),
    "fr": (
        ("heure", "temps"),
        ("nom complet de l'utilisateur", "nom complet"),
        ("utilisateur touché", "utilisateur affecté", "utilisateur concerné"),
        ("contexte de l'événement", "contexte de l'évènement"),
        ("composant",),
        ("nom de l'événement", "nom de l'évènement"),
        ("description",),
        ("origine",),
        ("adresse ip",),
    ),
}
COURSE_HEADINGS = {"en": ("course",), "fr": ("cours",)}
PARTICIPANT_HEADINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {"first_name": ("first name",), "last_name": ("last name", "surname"), "email": ("email address", "email")},
    "fr": {
        "first_name": ("prénom",),
        "last_name": ("nom de famille", "nom"),
        "email": ("adresse de courriel", "adresse e-mail", "courriel", "adresse électronique", "e-mail"),
    },
}
# `logs_EXCEL-1_20261105-0930.csv`, or ` (1)` more where a browser has one of this name already.
LOG_NAME = re.compile(r"^logs_(?P<course>.+)_\d{8}-\d{4}(?: ?\(\d+\))?\.csv$", re.IGNORECASE)
PARTICIPANTS_NAME = re.compile(r"^courseid_(?P<number>\d+)_participants(?: ?\(\d+\))?\.csv$", re.IGNORECASE)

LINE_COLUMNS = ("course_cell", "time_cell", "actor", "affected", "description", "origin", "ip")


@dataclass
class Downloads:
    """What lies in the folder: logs, participants, and the files that are neither. Cells are text as downloaded."""

    logs: list[dict[str, str | None]] = field(default_factory=list)
    lines: list[tuple[str, int, str | None, str, str, str, str, str, str]] = field(default_factory=list)
    participant_files: list[dict[str, str | None]] = field(default_factory=list)
    participant_lines: list[tuple[str, int, str, str, str]] = field(default_factory=list)
    left_out: list[LeftOutFile] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)

    def tables(self) -> dict[str, pa.Table]:
        """Return the rows as tables of text: files, lines, participant_files and participant_lines."""
        text = pa.string()
        return {
            "files": _table(self.logs, ("file", "course_id", "headings")),
            "lines": _columns(self.lines, {"file": text, "line": pa.int64(), **dict.fromkeys(LINE_COLUMNS, text)}),
            "participant_files": _table(self.participant_files, ("file", "course_number", "set_course")),
            "participant_lines": _columns(
                self.participant_lines,
                {"file": text, "line": pa.int64(), "first_name": text, "last_name": text, "email": text},
            ),
        }


def read_downloads(folder: Path, courses_of_files: Mapping[str, str]) -> Downloads:
    """Return what the CSV files of a folder hold.

    Args:
        folder: where the downloads lie; sub-folders are not looked into, nor names that begin with `.` or `_`.
        courses_of_files: the short name of the course by file name, where the name of the file does not say it.
    """
    found = Downloads()
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")) or not path.is_file():
            continue
        if path.suffix.lower() != ".csv":
            found.left_out.append(
                LeftOutFile(path.name, "it is no .csv. Download it as comma separated values (.csv).")
            )
            continue
        try:
            table = read_text_table(path)
            _read_file(path.name, table, courses_of_files.get(path.name), found)
        except UnreadableTableError as error:
            found.left_out.append(LeftOutFile(path.name, str(error)))
        else:
            found.encodings[path.name] = table.encoding
    return found


def _read_file(name: str, table: TextTable, set_course: str | None, found: Downloads) -> None:
    head, *records = table.records
    headings = tuple(map(heading, head.cells))
    uneven = next((record for record in records if len(record.cells) != len(headings)), None)
    language, has_course = _language_of_log(headings)
    participants = _participant_columns(headings)
    if language is None and participants is None:
        raise UnreadableTableError(
            "its headings are none of Moodle's log or list of participants in English or French: "
            f"{', '.join(head.cells)}. Switch Moodle to one of these languages (user menu, Language), then "
            "download it again."
        )
    if uneven is not None:
        raise UnreadableTableError(
            f"line {uneven.line} has {len(uneven.cells)} cells instead of {len(headings)}: the file is cut or was "
            "changed. Download it again."
        )
    if language is not None:
        named = LOG_NAME.match(name)
        course = set_course or (named["course"] if named else None)
        if course is None and not has_course:
            raise UnreadableTableError(
                f'its name does not say the course. Give it the name it had, or write files."{name}" = "SHORT NAME".'
            )
        found.logs.append({"file": name, "course_id": course, "headings": language})
        for record in records:
            cells = record.cells if has_course else ("", *record.cells)
            course_cell, time, actor, affected, _context, _component, _event, description, origin, ip = cells
            found.lines.append(
                (name, record.line, course_cell if has_course else None, time, actor, affected, description, origin, ip)
            )
    elif participants is not None:
        numbered = PARTICIPANTS_NAME.match(name)
        found.participant_files.append(
            {"file": name, "course_number": numbered["number"] if numbered else None, "set_course": set_course}
        )
        first, last, email = participants
        found.participant_lines.extend(
            (name, record.line, record.cells[first], record.cells[last], record.cells[email]) for record in records
        )


def _language_of_log(headings: Sequence[str]) -> tuple[str | None, bool]:
    for language, expected in LOG_HEADINGS.items():
        has_course = len(headings) == len(expected) + 1 and headings[0] in COURSE_HEADINGS[language]
        rest = headings[1:] if has_course else headings
        if len(rest) == len(expected) and all(one in allowed for one, allowed in zip(rest, expected, strict=True)):
            return language, has_course
    return None, False


def _participant_columns(headings: Sequence[str]) -> tuple[int, int, int] | None:
    for expected in PARTICIPANT_HEADINGS.values():
        places = [
            next((place for place, one in enumerate(headings) if one in allowed), None)
            for allowed in (expected["first_name"], expected["last_name"], expected["email"])
        ]
        first, last, email = places
        if first is not None and last is not None:
            if email is None:
                raise UnreadableTableError(
                    "it has no e-mail addresses. Ask an administrator for the right to see them "
                    "(moodle/site:viewuseridentity), then download it again."
                )
            return first, last, email
    return None


def _table(rows: Sequence[Mapping[str, str | None]], names: Sequence[str]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names})


def _columns(rows: Sequence[tuple[object, ...]], types: Mapping[str, pa.DataType]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return pa.table({name: pa.array(column, kind) for (name, kind), column in zip(types.items(), columns, strict=True)})
