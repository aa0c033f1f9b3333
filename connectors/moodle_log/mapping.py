"""From downloaded lines to raw tables: the SQL files of `sql/`, in order, over tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.mapping import SHARED_SQL, arrow_table, create_tables, mapping_database, require_orders, text_columns
from connectors.moodle_log.downloads import Downloads
from connectors.moodle_log.settings import MoodleLogSettings
from warehouse.errors import UserError

SQL = Path(__file__).with_name("sql")
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

_STATE = {
    "remembered_participants": pa.schema(text_columns("course_id", "email", "first_name", "last_name")),
    "remembered_people": pa.schema(text_columns("moodle_id", "email")),
    "delivered_events": pa.schema(
        text_columns("event_id", "user_id", "session_id", "course_id", "verb", "occurred_at")
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
    tables = {**downloads.tables(), **_settings_tables(settings)}
    for name, schema in _STATE.items():
        tables[name] = pq.ParquetFile(remembered[name]).read() if name in remembered else schema.empty_table()
    db = mapping_database(tables, {"zone": settings.timezone, "day_first": settings.day_first})
    create_tables(db, SQL, "time_cells")
    create_tables(db, SHARED_SQL, "file_orders")
    require_orders(
        db,
        "file_orders",
        "file",
        "Write day_first = true or false beside the folder in opco.toml; a download of a whole month shows it too.",
    )
    create_tables(db, SQL, "typed_lines", "participant_courses")
    _require_courses(db)
    create_tables(
        db,
        SQL,
        *("participants", "people", "judged_lines", "users", "courses", "course_sessions", "program_sessions"),
        *("program_templates", "program_steps", "enrollments", "session_instructors", "learning_events"),
        *("left_out_lines", "new_events", "known_events"),
    )
    return db


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
        "known_users": arrow_table(
            text_columns("moodle_id", "email"),
            [(user, email.strip().lower()) for user, email in settings.users.items()],
        ),
        "instructors": arrow_table(text_columns("email"), [(email.strip().lower(),) for email in settings.instructors]),
        "course_settings": arrow_table(
            text_columns("course_id", "name", "session_id"),
            [(course, one.name, one.session) for course, one in settings.courses.items()],
        ),
        "session_settings": arrow_table(
            text_columns("session_id", "name", "program", "starts_on", "ends_on"),
            [
                (session, one.name, one.program, *(day and day.isoformat() for day in (one.starts_on, one.ends_on)))
                for session, one in settings.sessions.items()
            ],
        ),
    }
