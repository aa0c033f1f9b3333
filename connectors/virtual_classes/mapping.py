"""From the lines of attendance reports to raw tables: the SQL files of `sql/`, in order, over tables in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.mapping import TEXT, arrow_table, create_tables, mapping_database, require_orders, text_columns
from connectors.virtual_classes.classes import Alias, VirtualClass
from connectors.virtual_classes.reports import Attendance
from connectors.virtual_classes.settings import VirtualClassesSettings
from warehouse.errors import UserError

SQL = Path(__file__).with_name("sql")

_ATTENDANCE = {
    "report": TEXT,
    "line": pa.int64(),
    "kind": TEXT,
    "name": TEXT,
    "email": TEXT,
    "joined": TEXT,
    "left": TEXT,
    "duration": TEXT,
    "is_waiting": pa.bool_(),
    "is_utc": pa.bool_(),
}
HISTORY = pa.schema(
    {
        **text_columns(
            *("connection_key", "report", "participant", "user_id", "session_id", "course_id", "connected_at"),
            *("disconnected_at", "end_reason", "evidence_level", "modality"),
        ),
        "revision": pa.int64(),
        "is_withdrawn": pa.bool_(),
    }
)
"""What a pull remembers of each stay: `connection_history` without `is_news`."""


@dataclass(frozen=True)
class Delivered:
    """What the other sources deliver: rows of text, `users` as (user_id, email, first_name, last_name)."""

    users: Sequence[tuple[str, str, str, str]]
    course_ids: Sequence[str]


def map_reports(
    attendances: Sequence[Attendance],
    classes: Sequence[tuple[str, VirtualClass]],
    aliases: Sequence[Alias],
    delivered: Delivered,
    settings: VirtualClassesSettings,
    pulled_at: datetime,
    history: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with a table for each file of `sql/`, the raw tables among them.

    Args:
        attendances: the lines of the reports.
        classes: name of each report and its row of the table.
        aliases: who is meant by another address or name.
        delivered: users and courses of the other sources.
        settings: zone, order of day and month.
        pulled_at: when the pull began, UTC.
        history: Parquet file of `connection_history` of the pull before.

    Raises:
        UserError: the time zone of a report is not known, or the order of day and month.
    """
    tables = {
        "attendances": arrow_table(
            _ATTENDANCE, [tuple(getattr(one, name) for name in _ATTENDANCE) for one in attendances]
        ),
        "classes": arrow_table(
            {
                **text_columns("report", "session_id", "course_id", "course_name", "timezone"),
                "class_on": pa.date32(),
            },
            [
                (report, one.session_id, one.course_id, one.course_name, one.timezone, one.class_on)
                for report, one in classes
            ],
        ),
        "aliases": arrow_table(text_columns("participant", "user"), [(one.participant, one.user) for one in aliases]),
        "users": arrow_table(text_columns("user_id", "email", "first_name", "last_name"), list(delivered.users)),
        "courses_delivered": arrow_table(text_columns("course_id"), [(one,) for one in delivered.course_ids]),
        "remembered_connections": pq.ParquetFile(history).read() if history else HISTORY.empty_table(),
    }
    variables = {
        "zone": settings.timezone,
        "day_first": settings.day_first,
        "pulled_at": pulled_at.replace(tzinfo=None),
    }
    db = mapping_database(tables, variables)
    create_tables(db, SQL, "report_orders")
    require_orders(
        db,
        "report_orders",
        "report",
        "Write the day of the class in the column date of the table, or day_first = true or false in opco.toml.",
    )
    create_tables(db, SQL, "typed_attendances")
    _require_zones(db)
    create_tables(
        db,
        SQL,
        *("matches", "judged_attendances", "produced_connections", "connection_history"),
        *("course_connections", "withdrawn_connections", "courses", "left_out_attendances"),
    )
    return db


def _require_zones(db: duckdb.DuckDBPyConnection) -> None:
    lacking = db.execute(
        "select report, joined from typed_attendances where lacks_zone order by report, line"
    ).fetchall()
    if lacking:
        report, joined = lacking[0]
        raise UserError(
            f"{report}: nothing says the time zone of its times ({joined}). They are those of the account that the "
            'report was downloaded with: write timezone = "Europe/Paris" in opco.toml, or a column timezone in '
            "the table."
        )
