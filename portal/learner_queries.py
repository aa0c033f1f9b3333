"""What the list of learners and the page of one show, from the published file.

Of a learner, who asks sees what was done in the sessions of `visible`, and nothing of others. `open_learner` puts the
learner's rows into tables of the request's own cursor, so that the lines of all learners are looked through once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from portal.access import Visible
from portal.prepared import BY_LEARNER
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
)
from warehouse.published import LAST_DAY, LOCAL_DAY
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
LEARNERS = f"""
with page as (
    select name_order, {{sort}} as sorted_by, count(*) over () as total
    from prepared.learners
    semi join ({{sessions}}) as sessions using (session_id)
    where {{conditions}}
    order by {{order}}, name_order
    limit $limit offset $offset
)
select
    learners.* exclude (found_as, position, last_activity_at, silent_since_at),
    sessions.session_name,
    page.total,
    timezone($zone, learners.last_activity_at at time zone 'UTC') as last_activity_local,
    {LOCAL_DAY.format("learners.silent_since_at")} as silent_on,
from page
inner join prepared.learners using (name_order)
inner join prepared.sessions using (session_id)
order by {{order}}, name_order
"""
RUNNING = f"""
select session_id from prepared.sessions semi join ({{visible}}) as visible using (session_id) where {SESSION_RUNS}
"""

LEARNER = """
select
    user_id,
    last_name,
    first_name,
    email,
    employer,
    is_deleted,
    is_gone,
    person_id,
from dim_learners
where {place} and user_id = $user_id
"""

OTHER_ACCOUNTS = """
select user_id
from dim_learners
where person_id = $person_id and user_id <> $user_id and ({seen})
order by length(user_id), user_id
"""

PLACES = "select table_number, first_row, last_row from prepared.places where user_id = $user_id"
# Which rows these are is asked first: to compare the learner of each would take as long as all else.
ROWS = """
(
    with those as materialized (
        select user_id, {columns}
        from {table}
        where {place}
    )
    select * exclude (user_id)
    from those
    where user_id = $user_id
)
"""
READ = {
    "fct_learner_sessions": (
        "session_id, is_enrolled, is_instructor, connection_count, open_connection_count, elapsed_seconds, "
        "capped_seconds, overlap_seconds, retained_seconds, work_seconds, tutored_seconds, consultation_seconds, "
        "first_connected_at, last_connection_at, last_activity_at, progress_pct, score_pct, progress_source, "
        "score_source, required_step_count, completed_required_step_count, credited_seconds"
    ),
    "fct_learner_follow_up": "session_id, follow_up_status, follow_up_reasons, silent_since_at, last_unenrolled_at",
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

SEEN_SESSIONS = """
create or replace temp table seen_sessions as
select *
from {fct_learner_sessions}
{limit}
"""
SEEN = {
    "seen_days": "fct_learner_days",
    "seen_lines": "fct_opco_connections",
}
"""What is asked several times of a learner: the name of the temporary table, and of which table it is."""
SEEN_ROWS = "create or replace temp table {seen} as select * from {rows} {limit}"

SESSIONS = f"""
select
    seen_sessions.session_id,
    sessions.session_name,
    {LOCAL_DAY.format("sessions.starts_at")} as starts_on,
    {LAST_DAY} as ends_on,
    sessions.planned_duration_seconds,
    seen_sessions.is_enrolled,
    seen_sessions.is_instructor,
    seen_sessions.connection_count,
    seen_sessions.retained_seconds,
    seen_sessions.credited_seconds,
    seen_sessions.progress_pct,
    seen_sessions.score_pct,
    seen_sessions.progress_source,
    seen_sessions.score_source,
    seen_sessions.completed_required_step_count,
    seen_sessions.required_step_count,
    timezone($zone, seen_sessions.last_activity_at at time zone 'UTC') as last_activity_local,
    {LOCAL_DAY.format("follow_up.last_unenrolled_at")} as unenrolled_on,
    {LOCAL_DAY.format("follow_up.silent_since_at")} as silent_on,
    follow_up.follow_up_status,
    coalesce(follow_up.follow_up_reasons, []) as follow_up_reasons,
from seen_sessions
inner join dim_program_sessions as sessions using (session_id)
left join {{fct_learner_follow_up}} as follow_up using (session_id)
order by sessions.starts_at desc nulls last, length(seen_sessions.session_id), seen_sessions.session_id
"""

# Sums, what keeps time from counting, and when it was spent.
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
        timezone($zone, min(first_connected_at) at time zone 'UTC') as first_connected_local,
        timezone($zone, max(last_connection_at) at time zone 'UTC') as last_connection_local,
    from seen_sessions
    where $session_id is null or session_id = $session_id
),
days as (
    select
        cast(coalesce(sum(night_seconds), 0) as bigint) as night_seconds,
        cast(coalesce(sum(weekend_seconds), 0) as bigint) as weekend_seconds,
        cast(coalesce(sum(holiday_seconds), 0) as bigint) as holiday_seconds
    from seen_days
    where $session_id is null or session_id = $session_id
),
lines as (
    select
        count(*) filter (where elapsed_seconds = 0) as zero_count,
        count(*) filter (where is_overlapped_in_session) as overlapped_in_session_count,
        count(*) filter (where is_overlapped_outside_session) as overlapped_outside_session_count,
        count(*) filter (where is_overlapped_by_other_account) as overlapped_by_other_account_count,
        count(*) filter (where end_kind in ('inactivity', 'no_end_mark')) as cut_short_count,
        count(distinct connected_on) as day_count
    from seen_lines
    where $session_id is null or session_id = $session_id
)
select *, {PROOF_SHARES}
from summed
cross join days
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
semi join seen_sessions using (session_id)
inner join dim_program_sessions as sessions using (session_id)
left join {{fct_credited_activities}} as activities using (session_id, step_type, resource_id)
where $session_id is null or session_id = $session_id
order by sessions.starts_at desc nulls last, length(session_id), session_id, steps.step_number
"""

# The latest months, in the order of time. On a day without time a connection began that counts none.
DAYS = """
with
days as (
    select day_on, sum(retained_seconds) as retained_seconds
    from (
        select session_id, day_on, retained_seconds
        from seen_days
        union all
        select session_id, connected_on as day_on, 0 as retained_seconds
        from seen_lines
    )
    where $session_id is null or session_id = $session_id
    group by day_on
),
months as (
    select
        cast(date_trunc('month', day_on) as date) as month,
        cast(sum(retained_seconds) as bigint) as month_seconds,
        count(*) over () as total
    from days
    group by month
    order by month desc
    limit $limit offset $offset
)
select month, month_seconds, day_on, cast(retained_seconds as bigint) as retained_seconds, total
from months
inner join days on date_trunc('month', days.day_on) = months.month
order by day_on
"""

FLAGS = """
select flag, count(*) as connection_count
from (
    select unnest(flags) as flag
    from seen_lines
    where $session_id is null or session_id = $session_id
)
group by flag
order by flag
"""

EVIDENCE = """
select
    evidence_level,
    label_{language} as label,
    description_{language} as description,
    count(*) as connection_count,
    cast(coalesce(sum(retained_seconds), 0) as bigint) as retained_seconds,
from seen_lines
inner join evidence_levels using (evidence_level)
where $session_id is null or session_id = $session_id
group by evidence_level, label, description, strength
order by strength desc
"""

LINES = """
select
    lines.*,
    timezone($zone, connected_at at time zone 'UTC') as connected_local,
    timezone($zone, disconnected_at at time zone 'UTC') as disconnected_local,
    end_kinds.label_{language} as end_label,
    evidence_levels.label_{language} as evidence_label,
    count(*) over () as total,
from seen_lines as lines
inner join end_kinds using (end_kind)
inner join evidence_levels using (evidence_level)
where
    ($session_id is null or session_id = $session_id)
    and (
        $day is null
        or $day between connected_on and greatest(
            connected_on, cast(timezone($zone, (disconnected_at - interval 1 microsecond) at time zone 'UTC') as date)
        )
    )
    and ($flag is null or list_contains(flags, $flag))
    and ($proof is null or proof_level = $proof)
order by connected_at desc, connection_id
limit $limit offset $offset
"""


def list_people(
    db: duckdb.DuckDBPyConnection,
    visible: Visible,
    zone: str,
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
    sessions = visible.sql
    if runs_alone:
        sessions = RUNNING.format(visible=visible.sql)
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
    return paged(db, query, {**visible.parameters, **asked, "zone": zone}, page, PEOPLE_A_PAGE)


@dataclass(frozen=True)
class Learner:
    """A learner who is open: who it is, and the SQL of their rows by table."""

    user_id: str
    who: Row
    rows: Mapping[str, str]


def open_learner(db: duckdb.DuckDBPyConnection, visible: Visible, user_id: str) -> Learner:
    """Return a learner, with what was done in visible sessions made ready on this cursor for the other functions."""
    asked = {"user_id": user_id}
    places = {
        BY_LEARNER[number]: f"rowid between {first:d} and {last:d}"
        for number, first, last in db.execute(PLACES, asked).fetchall()
    }
    found = {
        table: ROWS.format(table=table, columns=columns, place=places.get(table, "user_id = $user_id"))
        for table, columns in READ.items()
    }
    of_visible = "" if visible.is_all else f"semi join ({visible.sql}) using (session_id)"
    of_seen = "" if visible.is_all else "semi join seen_sessions using (session_id)"
    db.execute(SEEN_SESSIONS.format(limit=of_visible, **found), {**asked, **visible.parameters})
    for seen, table in SEEN.items():
        db.execute(SEEN_ROWS.format(seen=seen, rows=found[table], limit=of_seen), asked)
    return Learner(user_id, read_learner(db, user_id, places.get("dim_learners", "true")), found)


def read_learner(db: duckdb.DuckDBPyConnection, user_id: str, place: str = "true") -> Row:
    """Return who a learner is; `place` says in SQL where the row stands, if that is known."""
    (who,) = rows_of(db, LEARNER.format(place=place), {"user_id": user_id})
    return who


def list_other_accounts(db: duckdb.DuckDBPyConnection, visible: Visible, learner: Learner) -> list[str]:
    """Return the ids of the other accounts of the learner's person (T5), of those who are to be seen."""
    asked = {"person_id": learner.who["person_id"], "user_id": learner.user_id}
    seen = "true"
    if not visible.is_all:
        seen = f"user_id in (select user_id from fct_learner_sessions semi join ({visible.sql}) using (session_id))"
        asked |= visible.parameters
    return [row["user_id"] for row in rows_of(db, OTHER_ACCOUNTS.format(seen=seen), asked)]


def list_sessions_of_learner(db: duckdb.DuckDBPyConnection, learner: Learner, zone: str) -> list[Row]:
    """Return the visible sessions of a learner, the latest first, with totals and follow-up in each."""
    return rows_of(db, SESSIONS.format(**learner.rows), {"user_id": learner.user_id, "zone": zone})


def read_totals(db: duckdb.DuckDBPyConnection, session_id: str | None, zone: str) -> Row:
    """Return a learner's totals over the visible sessions, or in one, and what keeps time from counting."""
    (totals,) = rows_of(db, TOTALS, {"session_id": session_id, "zone": zone})
    return totals


def list_steps(db: duckdb.DuckDBPyConnection, learner: Learner, session_id: str | None, zone: str) -> list[Row]:
    """Return the steps of a learner's sessions, or of one, with what is credited of each.

    Beside each step stand how many are required, and how many of these were never opened.
    """
    asked = {"user_id": learner.user_id, "session_id": session_id, "zone": zone}
    return rows_of(db, STEPS.format(**learner.rows), asked)


def list_days(db: duckdb.DuckDBPyConnection, session_id: str | None, page: int) -> Page:
    """Return the days of a page of months, each with its month's; pages count from the latest.

    A connection over midnight is on both days, as in `fct_learner_days`.
    """
    return paged(db, DAYS, {"session_id": session_id}, page, MONTHS_A_PAGE)


def read_flags(db: duckdb.DuckDBPyConnection, session_id: str | None) -> list[Row]:
    """Return how many of a learner's connections carry each flag (T7)."""
    return rows_of(db, FLAGS, {"session_id": session_id})


def read_evidence(db: duckdb.DuckDBPyConnection, session_id: str | None, language: str) -> list[Row]:
    """Return a learner's connections and retained seconds by evidence level, the strongest first."""
    return rows_of(db, EVIDENCE.format(language=language), {"session_id": session_id})


def list_lines(
    db: duckdb.DuckDBPyConnection,
    session_id: str | None,
    zone: str,
    language: str,
    *,
    day: date | None,
    flag: str | None,
    proof: str | None,
    page: int,
) -> Page:
    """Return a page of a learner's connections, the latest first: on a day, with a flag, of a proof level."""
    asked = {"session_id": session_id, "zone": zone, "day": day, "flag": flag, "proof": proof}
    return paged(db, LINES.format(language=language), asked, page, LINES_A_PAGE)
