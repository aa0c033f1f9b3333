"""Small Moodles as landed tables: rows as dictionaries in, raw tables out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.moodle.landing import arrow_schema
from connectors.moodle.mapping import STEPS, MappingOptions, MoodleMapping
from connectors.moodle.schema import TABLES

Rows = Sequence[Mapping[str, Any]]
NOON = 1_788_264_000
"""2026-09-01 12:00:00 UTC, a Tuesday."""
COURSES: Rows = (
    {"id": 1, "category": 0, "fullname": "Campus"},
    {"id": 2, "category": 5, "fullname": "Excel", "timecreated": NOON - 10**7, "sortorder": 2},
    {"id": 3, "category": 5, "fullname": "Word", "timecreated": NOON - 10**7, "sortorder": 1},
)
CATEGORIES: Rows = ({"id": 5, "name": "Office", "idnumber": "OFF", "path": "/5"},)
USERS: Rows = (
    {"id": 1, "username": "guest"},
    {"id": 10, "username": "ada", "email": "ada@example.fr", "firstname": "Ada", "lastname": "L", "confirmed": 1},
    {"id": 11, "username": "bob", "email": "bob@example.fr", "firstname": "Bob", "lastname": "M", "confirmed": 1},
)
ROLES: Rows = (
    {"id": 5, "shortname": "student", "archetype": "student"},
    {"id": 3, "shortname": "editingteacher", "archetype": "editingteacher"},
    {"id": 4, "shortname": "teacher", "archetype": "teacher"},
)
CONTEXTS: Rows = (
    {"id": 102, "contextlevel": 50, "instanceid": 2},
    {"id": 103, "contextlevel": 50, "instanceid": 3},
    {"id": 105, "contextlevel": 40, "instanceid": 5},
)
BASE: Mapping[str, Rows] = {
    "course": COURSES,
    "course_categories": CATEGORIES,
    "user": USERS,
    "role": ROLES,
    "context": CONTEXTS,
}


def event(row_id: int, at: int, **columns: Any) -> dict[str, Any]:
    """A row of the log: a page that Ada opens in course 2, where nothing else is said."""
    return {
        "id": row_id,
        "timecreated": at,
        "eventname": r"\core\event\course_viewed",
        "origin": "web",
        "userid": 10,
        "courseid": 2,
        "anonymous": 0,
        "contextlevel": 50,
        **columns,
    }


def membership(row_id: int, at: int, name: str, thing: int, user: int, **columns: Any) -> dict[str, Any]:
    """A row of the log that says that a user joined or left something; written by cron."""
    return event(
        row_id,
        at,
        eventname=rf"\core\event\{name}",
        objectid=thing,
        relateduserid=user,
        userid=2,
        origin="cli",
        **columns,
    )


@dataclass(frozen=True)
class Mapped:
    """A Moodle whose mapping has run."""

    mapping: MoodleMapping
    folder: Path

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a raw table."""
        file = self.folder / f"{name}-raw.parquet"
        self.mapping.write(name, file)
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows

    def column(self, name: str, column: str) -> list[Any]:
        """One column of a raw table."""
        return [row[column] for row in self.table(name)]

    def keep(self, name: str) -> Path:
        """Write what the next pull reads of this one, such as `marks`."""
        file = self.folder / f"{name}-kept.parquet"
        self.mapping.copy(f"from {name}", file)
        return file


def mapped(
    folder: Path,
    tables: Mapping[str, Rows],
    *,
    previous: Mapping[str, Path] | None = None,
    sessions: str = "course",
    **options: Any,
) -> Mapped:
    """Map a Moodle of `BASE` and `tables`, which take the place of those of `BASE`."""
    folder.mkdir(exist_ok=True)
    landed = {}
    for name, rows in {**BASE, **tables}.items():
        types = (
            pa.schema([("module", pa.string()), ("id", pa.int64()), ("name", pa.string())])
            if name == "activity_names"
            else arrow_schema(TABLES[name].columns)
        )
        unknown = {column for row in rows for column in row} - set(types.names)
        assert not unknown, (name, unknown)
        filled = [{column: row.get(column) for column in types.names} for row in rows]
        landed[name] = folder / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(filled, types), landed[name])
    mapping = MoodleMapping(landed, previous or {}, MappingOptions(sessions, **options))
    for step in (*STEPS, "events"):
        mapping.run(step)
    return Mapped(mapping, folder)
