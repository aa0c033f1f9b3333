"""The table that says which report is which session and course, and the list of aliases."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from connectors.kinds import known_zone
from connectors.text_tables import UnreadableTableError, heading, read_text_table
from warehouse.errors import UserError

REQUIRED = ("report", "session_id", "course_id")
OPTIONAL = ("course_name", "date", "timezone")


@dataclass(frozen=True)
class VirtualClass:
    """A row of the table. `report` is a file name, or a pattern such as `teams-*.csv` for reports of one class."""

    line: int
    report: str
    session_id: str
    course_id: str
    course_name: str
    class_on: date | None
    timezone: str | None


@dataclass(frozen=True)
class Alias:
    """Another address or name of a participant, and the user (e-mail address or id) who is meant."""

    participant: str
    user: str


def read_classes(path: Path) -> list[VirtualClass]:
    """Return the rows of the table.

    Raises:
        UserError: there is no table, a column is missing, a cell is empty or no date.
    """
    if not path.is_file():
        raise UserError(
            f"{path.name} is not in {path.parent}: it says of each report its session and its course. "
            f"Write it as CSV with the headings {','.join(REQUIRED)} and, where needed, {','.join(OPTIONAL)}."
        )
    found = []
    for line, cells in _rows(path, REQUIRED):
        empty = next((name for name in REQUIRED if not cells[name]), None)
        if empty:
            raise UserError(f"{path.name}, line {line}: {empty} is empty. Fill it in, or take the line out.")
        day = cells.get("date", "")
        try:
            class_on = date.fromisoformat(day) if day else None
        except ValueError:
            raise UserError(f"{path.name}, line {line}: {day!r} is no date. Write it as 2026-10-05.") from None
        zone = cells.get("timezone", "")
        try:
            timezone = known_zone(zone) if zone else None
        except ValueError as error:
            raise UserError(f"{path.name}, line {line}: {zone!r} is {error}.") from None
        found.append(
            VirtualClass(
                line,
                cells["report"],
                cells["session_id"],
                cells["course_id"],
                cells.get("course_name", ""),
                class_on,
                timezone,
            )
        )
    return found


def read_aliases(path: Path) -> list[Alias]:
    """Return the aliases; none where there is no such file."""
    if not path.is_file():
        return []
    return [Alias(cells["participant"], cells["user"]) for _, cells in _rows(path, ("participant", "user"))]


def class_of(report: str, classes: Sequence[VirtualClass]) -> VirtualClass | None:
    """Return the row of a report: the one with its name, else the one whose pattern fits.

    Raises:
        UserError: several rows fit.
    """
    named = [one for one in classes if one.report == report]
    fitting = named or [one for one in classes if fnmatch.fnmatchcase(report, one.report)]
    if len(fitting) > 1:
        lines = ", ".join(str(one.line) for one in fitting)
        raise UserError(f"{report} fits lines {lines} of the table. Leave one of them, or make the patterns narrower.")
    return fitting[0] if fitting else None


def nearest(value: str, known: Collection[str]) -> str:
    """Return what to say of a value that is not known: the three nearest that are."""
    near = difflib.get_close_matches(value, known, n=3, cutoff=0.4)
    return f" (nearest: {', '.join(near)})" if near else ""


def _rows(path: Path, required: Sequence[str]) -> list[tuple[int, Mapping[str, str]]]:
    try:
        table = read_text_table(path)
    except UnreadableTableError as error:
        raise UserError(f"{path.name}: {error}") from None
    head, *records = table.records
    names = [heading(cell).replace(" ", "_") for cell in head.cells]
    missing = [name for name in required if name not in names]
    if missing:
        raise UserError(
            f"{path.name} has no column {', '.join(missing)}; its headings are {', '.join(head.cells)}. "
            f"Needed: {', '.join(required)}."
        )
    return [(record.line, dict(zip(names, (*record.cells, *([""] * len(names))), strict=False))) for record in records]
