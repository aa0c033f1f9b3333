"""The files of a folder that are exports of connections; headings tell them from any other report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from connectors.mapping import TEXT, arrow_table, text_columns
from connectors.text_tables import LeftOutFile, TextTable, UnreadableTableError, heading, read_text_table

# The headings before the custom fields and after them, in the languages that are known here.
HEADINGS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("Last name", "First name", "Email"),
        (
            *("Additional information", "Labels", "Session", "Session ID", "Program template", "Program template ID"),
            *("Course", "Connected", "Disconnected", "Time spent"),
        ),
    ),
    "fr": (
        ("Nom", "Prénom", "E-mail"),
        (
            *("Informations complémentaires", "Étiquettes", "Session", "ID de session", "Modèle de programme"),
            *("ID du modèle de programme", "Cours", "Connecté le", "Déconnecté le", "Temps passé"),
        ),
    ),
}
# The time spent once more: `opco export` writes it at the end where decimal hours are asked for.
DECIMAL_HOURS = ("Time spent (hours)", "Temps passé (heures)")
# What the cells under them are called here.
BEFORE = ("last_name", "first_name", "email")
AFTER = (
    *("additional_information", "labels", "session_name", "session_id", "program_template_name"),
    *("program_template_id", "course_name", "connected", "disconnected", "time_spent"),
)
LINE = {
    "file": TEXT,
    "line": pa.int64(),
    **text_columns(*BEFORE),
    "field_cells": pa.list_(TEXT),
    **text_columns(*AFTER),
}


@dataclass
class Exports:
    """What lies in the folder. Cells are text as in the files."""

    files: list[tuple[str, str]] = field(default_factory=list)
    lines: list[tuple[object, ...]] = field(default_factory=list)
    field_headings: list[tuple[str, int, str]] = field(default_factory=list)
    left_out: list[LeftOutFile] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)

    def tables(self) -> dict[str, pa.Table]:
        """Return the rows as tables: files, lines and field_headings, which has the custom fields of each file."""
        return {
            "files": arrow_table(text_columns("file", "headings"), self.files),
            "lines": arrow_table(LINE, self.lines),
            "field_headings": arrow_table({"file": TEXT, "position": pa.int64(), "heading": TEXT}, self.field_headings),
        }


def read_exports(folder: Path) -> Exports:
    """Return what the CSV files of a folder hold; sub-folders and names that begin with `.` or `_` are passed over."""
    found = Exports()
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")) or not path.is_file():
            continue
        # What `opco export` writes beside its files.
        if path.name.endswith(".csv.json"):
            continue
        if path.suffix.lower() != ".csv":
            found.left_out.append(LeftOutFile(path.name, "it is no .csv. Export it as CSV."))
            continue
        try:
            table = read_text_table(path, lambda cells: _language(cells) is not None)
            _read_file(path.name, table, found)
        except UnreadableTableError as error:
            found.left_out.append(LeftOutFile(path.name, str(error)))
        else:
            found.encodings[path.name] = table.encoding
    return found


def _read_file(name: str, table: TextTable, found: Exports) -> None:
    head, *records = table.records
    language = _language(head.cells)
    if language is None:
        raise UnreadableTableError(f"it is another report: {_what_differs(head.cells)}.")
    uneven = next((record for record in records if len(record.cells) != len(head.cells)), None)
    if uneven is not None:
        raise UnreadableTableError(
            f"line {uneven.line} has {len(uneven.cells)} cells instead of {len(head.cells)}: the file is cut or was "
            "changed. Export it again."
        )
    end = len(_without_decimal_hours(head.cells))
    first, last = len(BEFORE), end - len(AFTER)
    found.files.append((name, language))
    found.field_headings.extend((name, number, cell) for number, cell in enumerate(head.cells[first:last], start=1))
    found.lines.extend(
        (name, record.line, *record.cells[:first], record.cells[first:last], *record.cells[last:end])
        for record in records
    )


def _without_decimal_hours(cells: Sequence[str]) -> Sequence[str]:
    is_there = bool(cells) and heading(cells[-1]) in map(heading, DECIMAL_HOURS)
    return cells[:-1] if is_there else cells


def _language(cells: Sequence[str]) -> str | None:
    """Return the language in which the headings are those of an export of connections; None where they are others."""
    found = tuple(heading(cell.strip("\ufeff")) for cell in _without_decimal_hours(cells))
    for language, (before, after) in HEADINGS.items():
        expected = [tuple(map(heading, part)) for part in (before, after)]
        if len(found) >= len(before) + len(after) and [found[: len(before)], found[-len(after) :]] == expected:
            return language
    return None


def _what_differs(cells: Sequence[str]) -> str:
    """Say what an export of connections has and this head has not, in the language of which it has most."""
    found = set(map(heading, cells))
    lacking = min(
        ([one for one in (*before, *after) if heading(one) not in found] for before, after in HEADINGS.values()),
        key=len,
    )
    if lacking:
        return f"it has no column {', '.join(lacking)}. Its columns are {', '.join(cells)}"
    return (
        "its columns stand in another order. Custom fields stand after the address and before the additional "
        f"information; its columns are {', '.join(cells)}"
    )
