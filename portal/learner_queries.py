"""What the list of learners and the page of one show, from the published file.

Of a learner, who asks sees what was done in the sessions of `visible`, and nothing of others. `open_learner` puts the
lines of the sessions that are shown into a table of the request's own cursor, so that those of all learners are looked
through once. A page takes as long as DuckDB plans its queries: each names few columns, and what a build says of every
learner is prepared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from portal.access import Visible
from portal.queries import (
    LINES_A_PAGE,
    PROOF_LEVELS,
    PROOF_SHARES,
    PROOF_SUMS,
    SESSION_RUNS,
    Page,
    Row,
    found_words,
    moment,
    paged,
    used,
)
from warehouse.published import LOCAL_DAY
from warehouse.sql import rows_of

PEOPLE_A_PAGE = 50
MONTHS_A_PAGE = 6

SORTS = {
    "name": "name_order",
    "session": "session_order",
    "status": "status_rank",
    "time": "retained_seconds",
    "progress": "progress_pct",
    "activity": "last_activity_at",
    **{level: f"{level}_seconds" for level in PROOF_LEVELS},
}

# Only the page's rows are dressed. `name_order` is the whole list's, and so tells its rows apart.
LEARNERS = """
with page as (
    select name_order, {sort} as sorted_by, count(*) over () as total
    from prepared.learners
    {sessions}
    where {conditions}
    order by {order}, name_order
    limit $limit offset $offset
)
select
    learners.session_id,
    sessions.session_name,
    learners.user_id,
    learners.last_name,
    learners.first_name,
    learners.is_deleted,
    learners.has_namesake,
    learners.is_enrolled,
    learners.has_played,
    learners.follow_up_status,
    learners.silent_on,
    learners.connection_count,
    learners.retained_seconds,
    learners.work_seconds,
    learners.tutored_seconds,
    learners.consultation_seconds,
    learners.progress_pct,
    learners.last_activity_local,
    page.total,
from page
inner join prepared.learners using (name_order)
inner join prepared.sessions using (session_id)
order by {order}, name_order
"""
RUNNING = f"""
semi join (select session_id from prepared.sessions {{visible}} where {SESSION_RUNS}) as running using (session_id)
"""

OTHER_ACCOUNTS = """
select user_id
from dim_learners
where person_id = $person_id and user_id <> $user_id and ({seen})
order by length(user_id), user_id
"""

# Which rows these are is asked first: to compare the learner of each would take as long as all else.
ROWS = """
(
    with those as materialized (select user_id, {columns} from {table} where {place})
    select * exclude (user_id) from those where user_id = $user_id {of_shown}
)
"""
# Where nobody else's stand between them.
WHOLE = "(select {columns} from {table} where {place} {of_shown})"
READ = {
    "fct_learner_session_steps": (
        "session_id, step_type, resource_id, step_number, resource_name, is_in_program, is_optional, "
        "planned_duration_seconds, is_started, connection_count, retained_seconds, progress_pct, score_pct, is_passed, "
        "completed_at"
    ),
    "fct_credited_activities": (
        "session_id, step_type, resource_id, is_completed, completed_at, credited_seconds, is_suspicious"
    ),
    "fct_learner_days": "session_id, day_on, retained_seconds, night_seconds, weekend_seconds, holiday_seconds",
    "fct_opco_connections": (
        "session_id, session_name, connection_id, course_name, connected_at, disconnected_at, connected_on, end_kind, "
        "evidence_level, proof_level, elapsed_seconds, retained_seconds, is_overlapped_in_session, "
        "is_overlapped_outside_session, is_overlapped_by_other_account, flags"
    ),
}
"""Which columns are read of the learner's rows, by table."""

SHOWN_LINES = "create or replace temp table shown_lines as from {fct_opco_connections}"

SESSIONS = """
select
    learners.session_id,
    sessions.session_name,
    sessions.starts_on,
    sessions.ends_on,
    sessions.planned_duration_seconds,
    learners.is_enrolled,
    learners.is_instructor,
    learners.connection_count,
    learners.retained_seconds,
    learners.credited_seconds,
    learners.progress_pct,
    learners.score_pct,
    learners.progress_source,
    learners.score_source,
    learners.completed_required_step_count,
    learners.required_step_count,
    learners.last_activity_local,
    learners.unenrolled_on,
    learners.silent_on,
    learners.follow_up_status,
    learners.follow_up_reasons,
from prepared.learners as learners
{visible}
inner join prepared.sessions as sessions using (session_id)
where learners.user_id = $user_id
order by sessions.starts_at desc nulls last, length(session_id), session_id
"""

# Sums, and what keeps time from counting.
TOTALS = f"""
with
summed as (
    select
        {PROOF_SUMS}
        cast(coalesce(sum(connection_count), 0) as bigint) as connection_count,
        cast(coalesce(sum(open_connection_count), 0) as bigint) as open_connection_count,
        cast(coalesce(sum(elapsed_seconds), 0) as bigint) as elapsed_seconds,
        cast(coalesce(sum(capped_seconds), 0) as bigint) as capped_seconds,
        cast(coalesce(sum(overlap_seconds), 0) as bigint) as overlap_seconds,
        cast(coalesce(sum(retained_seconds), 0) as bigint) as retained_seconds,
        min(first_connected_local) as first_connected_local,
        max(last_connection_local) as last_connection_local,
    from prepared.learners
    where user_id = $user_id and list_contains($shown::varchar[], session_id)
),
lines as (
    select
        count(*) filter (where elapsed_seconds = 0) as zero_count,
        count(*) filter (where is_overlapped_in_session) as overlapped_in_session_count,
        count(*) filter (where is_overlapped_outside_session) as overlapped_outside_session_count,
        count(*) filter (where is_overlapped_by_other_account) as overlapped_by_other_account_count,
        count(*) filter (where end_kind in ('inactivity', 'no_end_mark')) as cut_short_count,
        count(distinct connected_on) as day_count
    from shown_lines
)
select *, {PROOF_SHARES}
from summed
cross join lines
"""

STEPS = f"""
select
    steps.session_id,
    sessions.session_name,
    steps.step_type,
    steps.resource_name,
    steps.is_in_program,
    steps.is_optional,
    steps.planned_duration_seconds,
    steps.is_started,
    steps.connection_count,
    steps.retained_seconds,
    steps.progress_pct,
    steps.score_pct,
    steps.is_passed,
    coalesce(activities.is_completed, false) as is_completed,
    {LOCAL_DAY.format("coalesce(activities.completed_at, steps.completed_at)")} as completed_on,
    activities.credited_seconds,
    coalesce(activities.is_suspicious, false) as is_suspicious,
    count(*) filter (where is_in_program and not is_optional) over () as required_count,
    count(*) filter (where is_in_program and not is_optional and not is_started) over () as unopened_count,
from {{fct_learner_session_steps}} as steps
inner join prepared.sessions as sessions using (session_id)
left join {{fct_credited_activities}} as activities using (session_id, step_type, resource_id)
order by sessions.starts_at desc nulls last, length(session_id), session_id, steps.step_number
"""

# On a day without time a connection began that counts none.
DAYS = """
select
    day_on,
    cast(sum(retained_seconds) as bigint) as retained_seconds,
    cast(date_trunc('month', day_on) as date) as month,
    cast(sum(sum(retained_seconds)) over (partition by month) as bigint) as month_seconds,
    cast(coalesce(sum(sum(night_seconds)) over (), 0) as bigint) as night_seconds,
    cast(coalesce(sum(sum(weekend_seconds)) over (), 0) as bigint) as weekend_seconds,
    cast(coalesce(sum(sum(holiday_seconds)) over (), 0) as bigint) as holiday_seconds,
from (
    from {fct_learner_days}
    union all
    select session_id, connected_on, 0, 0, 0, 0 from shown_lines
)
group by day_on
order by day_on
"""

FLAGS = """
select flag, count(*) as connection_count
from (select unnest(flags) as flag from shown_lines)
group by flag
order by flag
"""

EVIDENCE = """
select
    evidence_level,
    count(*) as connection_count,
    cast(coalesce(sum(retained_seconds), 0) as bigint) as retained_seconds,
from shown_lines
group by evidence_level
"""

LINES = """
select
    session_name,
    course_name,
    timezone($zone, connected_at at time zone 'UTC') as connected_local,
    timezone($zone, disconnected_at at time zone 'UTC') as disconnected_local,
    end_kind,
    evidence_level,
    proof_level,
    elapsed_seconds,
    retained_seconds,
    flags,
    count(*) over () as total,
from shown_lines
where
    {conditions}
order by connected_at desc, connection_id
limit $limit offset $offset
"""
ON_DAY = """
    $day between connected_on and greatest(
        connected_on, cast(timezone($zone, (disconnected_at - interval 1 microsecond) at time zone 'UTC') as date)
    )
"""
NARROWED = {"day": ON_DAY, "flag": "list_contains(flags, $flag)", "proof": "proof_level = $proof"}
"""What narrows a learner's connections, by the name of the value."""


def list_people(
    db: duckdb.DuckDBPyConnection,
    visible: Visible,
    now: datetime,
    *,
    search: str = "",
    status: str | None = None,
    proof: str | None = None,
    runs_alone: bool = False,
    sort: str = "name",
    descending: bool = False,
    page: int = 1,
) -> Page:
    """Return a page of the learners of the visible sessions, a row a session; `search` holds words that all occur.

    `status` is a follow-up status (D4), `proof` a level of which there is time (D2); `runs_alone` leaves the sessions
    that run at `now` (UTC).
    """
    condition, asked = found_words(search, "found_as")
    conditions = [condition]
    sessions = visible.limit
    if runs_alone:
        sessions = RUNNING.format(visible=visible.limit)
        asked["now"] = moment(now)
    if status is not None:
        conditions.append("follow_up_status = $status")
        asked["status"] = status
    if proof is not None:
        conditions.append(f"{SORTS[proof]} > 0")
    query = LEARNERS.format(
        sessions=sessions,
        sort=SORTS[sort],
        order=f"sorted_by {'desc' if descending else 'asc'} nulls last",
        conditions=" and ".join(conditions),
    )
    return paged(db, query, {**visible.parameters, **asked}, page, PEOPLE_A_PAGE)


@dataclass(frozen=True)
class Learner:
    """A learner who is open: who it is, their visible sessions, and the SQL of their rows in those that are shown.

    `rows` are by table, with the parameters `asked`.
    """

    who: Row
    sessions: list[Row]
    rows: Mapping[str, str]
    asked: Mapping[str, object]

    def ask(self, db: duckdb.DuckDBPyConnection, query: str, **more: object) -> list[Row]:
        """Return the rows of a query over `rows`, by the names of their tables."""
        query = query.format(**self.rows)
        return rows_of(db, query, used(query, {**self.asked, **more}))


def open_learner(
    db: duckdb.DuckDBPyConnection, visible: Visible, who: Row, session_id: str | None = None
) -> Learner | None:
    """Return a learner, a row of `prepared.people`, with the lines of what is shown ready for the other functions.

    Shown are all visible sessions, or one of them, the latest first, with totals and follow-up in each; None where
    `session_id` is none of them.
    """
    user_id = who["user_id"]
    sessions = rows_of(db, SESSIONS.format(visible=visible.limit), {"user_id": user_id, **visible.parameters})
    shown = [one["session_id"] for one in sessions if session_id in (None, one["session_id"])]
    if session_id is not None and not shown:
        return None
    of_shown = "" if visible.is_all and session_id is None else "and list_contains($shown::varchar[], session_id)"
    rows = {table: _rows(who, table, columns, of_shown) for table, columns in READ.items()}
    learner = Learner(who, sessions, rows, {"user_id": user_id, "shown": shown})
    learner.ask(db, SHOWN_LINES)
    return learner


def _rows(who: Row, table: str, columns: str, of_shown: str) -> str:
    """Return the SQL of a learner's rows in a table, by where they stand if that is known."""
    place = who.get(table)
    if place is None:
        query, where = WHOLE, "user_id = $user_id"
    else:
        query = WHOLE if place["is_whole"] else ROWS
        where = f"rowid between {place['first_row']:d} and {place['last_row']:d}"
    return query.format(columns=columns, table=table, place=where, of_shown=of_shown)


def list_other_accounts(db: duckdb.DuckDBPyConnection, visible: Visible, who: Row) -> list[str]:
    """Return the ids of the other accounts of the learner's person (T5), of those who are to be seen."""
    if who["account_count"] == 1:
        return []
    asked = {"person_id": who["person_id"], "user_id": who["user_id"]}
    seen = "true"
    if not visible.is_all:
        seen = f"user_id in (select user_id from fct_learner_sessions {visible.limit})"
        asked |= visible.parameters
    return [row["user_id"] for row in rows_of(db, OTHER_ACCOUNTS.format(seen=seen), asked)]


def read_totals(db: duckdb.DuckDBPyConnection, learner: Learner) -> Row:
    """Return a learner's totals over what is shown, and what keeps time from counting."""
    (totals,) = learner.ask(db, TOTALS)
    return totals


def list_steps(db: duckdb.DuckDBPyConnection, learner: Learner, zone: str) -> list[Row]:
    """Return the steps of the sessions that are shown, with what is credited of each.

    Beside each step stand how many are required, and how many of these were never opened.
    """
    return learner.ask(db, STEPS, zone=zone)


def list_days(db: duckdb.DuckDBPyConnection, learner: Learner, page: int) -> Page:
    """Return the days of a page of months, each with its month's; pages count from the latest.

    A connection over midnight is on both days, as in `fct_learner_days`. Beside each day stand the seconds of nights,
    weekends and holidays of all months.
    """
    days = learner.ask(db, DAYS)
    months = sorted({one["month"] for one in days}, reverse=True)
    number = page if page <= -(-len(months) // MONTHS_A_PAGE) else 1
    shown = set(months[(number - 1) * MONTHS_A_PAGE : number * MONTHS_A_PAGE])
    return Page([one for one in days if one["month"] in shown], number, len(months), MONTHS_A_PAGE)


def read_flags(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Return how many of the learner's connections carry each flag (T7)."""
    return rows_of(db, FLAGS)


def read_evidence(db: duckdb.DuckDBPyConnection) -> dict[str, Row]:
    """Return the learner's connections and retained seconds by evidence level."""
    return {row["evidence_level"]: row for row in rows_of(db, EVIDENCE)}


def list_lines(
    db: duckdb.DuckDBPyConnection, zone: str, *, day: date | None, flag: str | None, proof: str | None, page: int
) -> Page:
    """Return a page of the learner's connections, the latest first: on a day, with a flag, of a proof level."""
    asked = {name: value for name, value in (("day", day), ("flag", flag), ("proof", proof)) if value is not None}
    conditions = " and ".join(NARROWED[name] for name in asked) or "true"
    return paged(db, LINES.format(conditions=conditions), {**asked, "zone": zone}, page, LINES_A_PAGE)
