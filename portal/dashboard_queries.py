"""What the dashboard shows of the sessions that run, their learners and their time, from the published file.

Who asks sees the sessions of `visible`, and nothing of others. Figures are sums of those of the marts.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb

from portal.access import Visible
from portal.queries import (
    ENDING_DAYS,
    PROOF_SHARES,
    PROOF_SUMS,
    SESSION_RUNS,
    Page,
    Row,
    moment,
    paged,
    share,
)
from warehouse.sql import rows_of

WEEKS = 26
"""So many weeks of time are drawn, the current one included."""

RUNNING = f"""
select
    session_id,
    session_name,
    ends_on,
    ends_on - $today::date as days_left,
    ends_at <= $now + interval {ENDING_DAYS} days as is_ending,
    enrolled_count,
    completed_count,
    completable_count,
    to_chase_count,
    planned_seconds,
    retained_seconds,
    {share("retained_seconds", "planned_seconds")} as realised_pct,
    count(*) over () as total,
from prepared.sessions
{{visible}}
where {SESSION_RUNS}
order by ends_at nulls last, length(session_id), session_id
limit $limit offset $offset
"""

# What has no planned duration is in neither of both sums that are compared.
TOTALS = f"""
with summed as (
    select
        {PROOF_SUMS}
        count(*) as running_count,
        count(*) filter (where ends_at <= $now + interval {ENDING_DAYS} days) as ending_count,
        count(*) filter (where planned_seconds is null) as unplanned_count,
        cast(coalesce(sum(to_chase_count), 0) as bigint) as to_chase_count,
        cast(coalesce(sum(not_started_count), 0) as bigint) as not_started_count,
        cast(sum(planned_seconds) as bigint) as planned_seconds,
        cast(sum(retained_seconds) filter (where planned_seconds is not null) as bigint) as realised_seconds,
        cast(coalesce(sum(retained_seconds), 0) as bigint) as retained_seconds,
    from prepared.sessions
    {{visible}}
    where {SESSION_RUNS}
)
select *, {PROOF_SHARES} {share("realised_seconds", "planned_seconds")} as realised_pct,
from summed
"""

# Whose session ends first can be chased least long: `prepared.to_chase` is in this order.
TO_CHASE = f"""
select
    * exclude (starts_at, ends_at, silent_since_at),
    count(*) over () as total,
from prepared.to_chase
{{visible}}
where {SESSION_RUNS}
order by ends_at nulls last, silent_since_at, rowid
limit $limit offset $offset
"""

BY_WEEK = f"""
with spent as (
    select week, sum(retained_seconds) as retained_seconds
    from prepared.weeks
    {{visible}}
    where week >= $monday::date - {7 * (WEEKS - 1)}
    group by week
)
select week, cast(coalesce(retained_seconds, 0) as bigint)
from (select $monday::date - cast(7 * number as integer) as week from range({WEEKS}) as numbers (number))
left join spent using (week)
order by week
"""


def list_running_sessions(db: duckdb.DuckDBPyConnection, visible: Visible, now: datetime, zone: str, size: int) -> Page:
    """Return the first `size` visible sessions that run at `now` (UTC), those that end first before others.

    Days that are left count from the day that it is then in `zone`.
    """
    asked = {**_asked(visible, now), "today": _day(now, zone)}
    return paged(db, RUNNING.format(visible=visible.limit), asked, 1, size)


def read_totals(db: duckdb.DuckDBPyConnection, visible: Visible, now: datetime) -> Row:
    """Return the sums of visible sessions that run at `now` (UTC): whom to chase; seconds planned, spent, proven."""
    return rows_of(db, TOTALS.format(visible=visible.limit), _asked(visible, now))[0]


def list_to_chase(db: duckdb.DuckDBPyConnection, visible: Visible, now: datetime, size: int) -> Page:
    """Return the first `size` learners to chase in the visible sessions that run at `now` (UTC)."""
    return paged(db, TO_CHASE.format(visible=visible.limit), _asked(visible, now), 1, size)


def read_weeks(db: duckdb.DuckDBPyConnection, visible: Visible, now: datetime, zone: str) -> list[tuple[date, int]]:
    """Return the Mondays of the last `WEEKS` weeks with the retained seconds of each, in all visible sessions.

    The last week is that of `now` (UTC) in `zone`.
    """
    today = _day(now, zone)
    asked = {**visible.parameters, "monday": today - timedelta(days=today.weekday())}
    return db.execute(BY_WEEK.format(visible=visible.limit), asked).fetchall()


def _asked(visible: Visible, now: datetime) -> dict[str, object]:
    return {**visible.parameters, "now": moment(now)}


def _day(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()
