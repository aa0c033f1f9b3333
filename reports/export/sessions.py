"""Days and ended sessions that reports are asked for by: in the display time zone of the published warehouse."""

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


def sessions_ended(warehouse: Path, first: date, last: date, *, by: datetime | None = None) -> tuple[str, ...]:
    """Return the ids of the sessions whose last day, in the display time zone, lies from `first` to `last`.

    With `by`, an aware instant, only of those that had ended by then.
    """
    with open_published(warehouse) as connection:
        found = connection.execute(
            f"""
            select session_id
            from dim_program_sessions, warehouse_build
            where cast({local_instant("ends_at", "warehouse_build.display_timezone")} as date) between $first and $last
                and ($by is null or ends_at <= timezone('UTC', cast($by as timestamptz)))
            order by length(session_id), session_id
            """,
            {"first": first, "last": last, "by": by.isoformat() if by else None},
        ).fetchall()
    return tuple(session_id for (session_id,) in found)
