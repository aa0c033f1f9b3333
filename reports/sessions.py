"""Days and ended sessions that reports are asked for by: in the display time zone of the published warehouse."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from reports.days import today_in
from reports.export.lines import local_instant
from warehouse.published import open_published


def today_at(warehouse: Path) -> date:
    """Return today's date in the display time zone of the published file `warehouse`."""
    with open_published(warehouse) as db:
        ((zone,),) = db.execute("select display_timezone from warehouse_build").fetchall()
    return today_in(zone)


def sessions_ended(warehouse: Path, first: date, last: date) -> dict[str, datetime]:
    """Return the end (UTC) of each session whose last day, in the display time zone, lies from `first` to `last`."""
    # An end on midnight is that of the day before (T7).
    last_instant = local_instant("ends_at - interval 1 microsecond", "warehouse_build.display_timezone")
    with open_published(warehouse) as db:
        found = db.execute(
            f"""
            select session_id, ends_at
            from dim_program_sessions, warehouse_build
            where cast({last_instant} as date) between $first and $last
            order by length(session_id), session_id
            """,
            {"first": first, "last": last},
        ).fetchall()
    return dict(found)
