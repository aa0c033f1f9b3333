"""Days and sessions that exports are asked for by: in the display time zone of the published warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from reports.export.lines import local_instant
from reports.warehouse import open_published


def today_at(warehouse: Path) -> date:
    """Return today's date in the display time zone of the published file `warehouse`."""
    with open_published(warehouse) as connection:
        zone: str = connection.execute("select display_timezone from warehouse_build").fetchall()[0][0]
    return datetime.now(UTC).astimezone(ZoneInfo(zone)).date()


def sessions_ended(warehouse: Path, first: date, last: date) -> tuple[str, ...]:
    """Return the ids of the sessions whose last day, in the display time zone, lies from `first` to `last`."""
    with open_published(warehouse) as connection:
        found = connection.execute(
            f"""
            select session_id
            from dim_program_sessions, warehouse_build
            where cast({local_instant("ends_at", "warehouse_build.display_timezone")} as date) between $first and $last
            order by length(session_id), session_id
            """,
            {"first": first, "last": last},
        ).fetchall()
    return tuple(session_id for (session_id,) in found)
