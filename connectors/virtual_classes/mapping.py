"""From the lines of attendance reports to raw tables: the SQL files of `sql/`, in order, over tables in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.virtual_classes.classes import Alias, VirtualClass
from connectors.virtual_classes.reports import Attendance
from connectors.virtual_classes.settings import VirtualClassesSettings
from warehouse.errors import UserError

SQL = Path(__file__).with_name("sql")
SHARED_SQL = Path(__file__).parents[1] / "sql"

_TEXT = pa.string()
_ATTENDANCE = {
    "report": _TEXT,
    "line": pa.int64(),
    "kind": _TEXT,
    "name": _TEXT,
    "email": _TEXT,
    "joined": _TEXT,
    "left": _TEXT,
    "duration": _TEXT,
    "is_waiting": pa.bool_(),
    "is_utc": pa.bool_(),
}
HISTORY = pa.schema(
    {
        **dict.fromkeys(
            (
                *("connection_key", "report", "participant", "user_id", "session_id", "course_id", "connected_at"),
                *("disconnected_at", "end_reason", "evidence_level", "modality"),
            ),
            _TEXT,
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
    *,
    can_withdraw: bool = True,
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
        can_withdraw: whether the raw contract takes withdrawals; else what was corrected waits for one that does.

    Raises:
        UserError: the time zone of a report is not known, or the order of day and month.
    """
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute((SHARED_SQL / "macros.sql").read_text(encoding="utf-8"))
    db.execute("set variable zone = $zone", {"zone": settings.timezone})
    db.execute("set variable day_first = $first", {"first": settings.day_first})
    db.execute("set variable pulled_at = cast($at as timestamp)", {"at": pulled_at.replace(tzinfo=None)})
    db.execute("set variable can_withdraw = $can", {"can": can_withdraw})
    tables = {
        "attendances": _table(_ATTENDANCE, [tuple(getattr(one, name) for name in _ATTENDANCE) for one in attendances]),
        "classes": _table(
            {
                **dict.fromkeys(("report", "session_id", "course_id", "course_name", "timezone"), _TEXT),
                "class_on": pa.date32(),
            },
            [
                (report, one.session_id, one.course_id, one.course_name, one.timezone, one.class_on)
                for report, one in classes
            ],
        ),
        "aliases": _table(
            dict.fromkeys(("participant", "user"), _TEXT), [(one.participant, one.user) for one in aliases]
        ),
        "users": _table(dict.fromkeys(("user_id", "email", "first_name", "last_name"), _TEXT), list(delivered.users)),
        "courses_delivered": _table({"course_id": _TEXT}, [(one,) for one in delivered.course_ids]),
        "remembered_connections": HISTORY.empty_table() if history is None else pq.read_table(history),
    }
    for name, table in tables.items():
        db.register("arrow", table)
        db.execute(f"create table {name} as select * from arrow")
        db.unregister("arrow")
    _create(db, "report_orders")
    _require_orders(db)
    _create(db, "typed_attendances")
    _require_zones(db)
    for name in (
        *("matches", "judged_attendances", "produced_connections", "connection_history"),
        *("course_connections", "withdrawn_connections", "courses", "left_out_attendances"),
    ):
        _create(db, name)
    return db


def _create(db: duckdb.DuckDBPyConnection, name: str) -> None:
    db.execute(f"create table {name} as {(SQL / f'{name}.sql').read_text(encoding='utf-8')}")


def _require_orders(db: duckdb.DuckDBPyConnection) -> None:
    for report, is_contradictory in db.execute(
        "select report, is_contradictory from report_orders "
        "where is_contradictory or (needs_order and day_first is null) order by is_contradictory desc, report"
    ).fetchall():
        if is_contradictory:
            raise UserError(
                f"{report}: some dates are right with the day first, others with the month first. "
                "It was put together of several reports, or changed: download it again."
            )
        raise UserError(
            f"{report}: no day beyond 12 shows whether the day or the month comes first (05/10 is 5 October or 10 "
            "May). Write the day of the class in the column date of the table, or day_first = true or false in "
            "opco.toml."
        )


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


def _table(types: dict[str, Any], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return pa.table({name: pa.array(column, kind) for (name, kind), column in zip(types.items(), columns, strict=True)})
