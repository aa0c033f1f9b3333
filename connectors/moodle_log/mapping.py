"""From downloaded lines to raw tables: the SQL files of `sql/`, in order, over tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.moodle_log.downloads import Downloads
from connectors.moodle_log.settings import MoodleLogSettings
from warehouse.errors import UserError

SQL = Path(__file__).with_name("sql")
SHARED_SQL = Path(__file__).parents[1] / "sql"
SNAPSHOT_TABLES = (
    "users",
    "program_templates",
    "program_sessions",
    "session_instructors",
    "enrollments",
    "courses",
    "program_steps",
)
"""The raw tables that each pull delivers whole."""

_TEXT = pa.string()
_STATE = {
    "remembered_participants": pa.schema({"course_id": _TEXT, "email": _TEXT, "first_name": _TEXT, "last_name": _TEXT}),
    "remembered_people": pa.schema({"moodle_id": _TEXT, "email": _TEXT}),
    "delivered_events": pa.schema(
        dict.fromkeys(("event_id", "user_id", "session_id", "course_id", "verb", "occurred_at"), _TEXT)
    ),
}


def map_downloads(
    downloads: Downloads, settings: MoodleLogSettings, remembered: Mapping[str, Path]
) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with a table for each file of `sql/`, the raw tables among them.

    Args:
        downloads: the lines as downloaded.
        settings: zone, order of day and month, sessions, instructors.
        remembered: Parquet files of earlier pulls by the names of `_STATE`; what is missing is empty.

    Raises:
        UserError: nothing tells the order of day and month, or the course of a list of participants.
    """
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute((SHARED_SQL / "macros.sql").read_text(encoding="utf-8"))
    db.execute("set variable zone = $zone", {"zone": settings.timezone})
    db.execute("set variable day_first = $first", {"first": settings.day_first})
    tables = {**downloads.tables(), **_settings_tables(settings)}
    for name, schema in _STATE.items():
        tables[name] = pq.read_table(remembered[name]) if name in remembered else schema.empty_table()
    for name, table in tables.items():
        db.register("arrow", table)
        db.execute(f"create table {name} as select * from arrow")
        db.unregister("arrow")
    _create(db, "file_orders")
    _require_orders(db)
    _create(db, "typed_lines")
    _create(db, "participant_courses")
    _require_courses(db)
    for name in (
        *("participants", "people", "judged_lines", "users", "courses", "course_sessions", "program_sessions"),
        *("program_templates", "program_steps", "enrollments", "session_instructors", "learning_events"),
        *("left_out_lines", "new_events", "known_events"),
    ):
        _create(db, name)
    return db


def _create(db: duckdb.DuckDBPyConnection, name: str) -> None:
    db.execute(f"create table {name} as {(SQL / f'{name}.sql').read_text(encoding='utf-8')}")


def _require_orders(db: duckdb.DuckDBPyConnection) -> None:
    for file, is_contradictory in db.execute(
        "select file, is_contradictory from file_orders "
        "where is_contradictory or (needs_order and day_first is null) order by is_contradictory desc, file"
    ).fetchall():
        if is_contradictory:
            raise UserError(
                f"{file}: some dates are right with the day first, others with the month first. "
                "It was put together of several downloads, or changed: download it again."
            )
        raise UserError(
            f"{file}: no day beyond 12 shows whether the day or the month comes first (05/10 is 5 October or 10 May). "
            "Write day_first = true or false beside the folder in opco.toml; a download of a whole month shows it too."
        )


def _require_courses(db: duckdb.DuckDBPyConnection) -> None:
    homeless = db.execute("select file from participant_courses where course_id is null order by file").fetchall()
    if homeless:
        (file,) = homeless[0]
        courses = db.execute("select distinct course_id from typed_lines order by all").fetchall()
        raise UserError(
            f"{file}: nothing tells which course these participants are of. "
            f'Write files."{file}" = "SHORT NAME" in opco.toml; courses with a log: '
            f"{', '.join(str(course) for (course,) in courses) or 'none'}."
        )


def _settings_tables(settings: MoodleLogSettings) -> dict[str, pa.Table]:
    return {
        "known_users": _table(
            ("moodle_id", "email"), [(user, email.strip().lower()) for user, email in settings.users.items()]
        ),
        "instructors": _table(("email",), [(email.strip().lower(),) for email in settings.instructors]),
        "course_settings": _table(
            ("course_id", "name", "session_id"),
            [(course, one.name, one.session) for course, one in settings.courses.items()],
        ),
        "session_settings": _table(
            ("session_id", "name", "program", "starts_on", "ends_on"),
            [
                (session, one.name, one.program, *(day and day.isoformat() for day in (one.starts_on, one.ends_on)))
                for session, one in settings.sessions.items()
            ],
        ),
    }


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: pa.array(column, _TEXT) for name, column in zip(names, columns, strict=True)})
