"""What the documents say, read from the published file: set-oriented, with bound parameters."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import duckdb

from reports.attestation.model import (
    Build,
    ClockTime,
    CodeText,
    Day,
    Language,
    LearnerRecord,
    LogLine,
    Session,
    SessionLearner,
    Step,
    Totals,
)
from reports.warehouse import LOCAL_DAY
from warehouse.errors import UserError

BUILD = """
select
    build_id,
    data_as_of,
    timezone(display_timezone, data_as_of at time zone 'UTC') as data_as_of_local,
    inactivity_timeout_minutes,
    max_connection_minutes,
    long_connection_minutes,
    raw_timezone,
    display_timezone,
    opco_version,
from warehouse_build
"""

SESSION = f"""
select
    session_id,
    session_name,
    {LOCAL_DAY.format("starts_at")} as starts_on,
    {LOCAL_DAY.format("ends_at")} as ends_on,
    program_template_id,
    program_template_name,
from dim_program_sessions
where session_id = $session_id
"""

NEAREST_SESSIONS = """
select session_id, session_name
from dim_program_sessions
order by
    greatest(
        jaro_winkler_similarity(lower(session_id), lower($wanted)),
        jaro_winkler_similarity(lower(session_name), lower($wanted))
    ) desc,
    length(session_id),
    session_id
limit 3
"""

SESSION_LEARNERS = """
select
    fct_learner_sessions.user_id,
    dim_learners.last_name,
    dim_learners.first_name,
    dim_learners.is_deleted,
    fct_learner_sessions.has_played,
from fct_learner_sessions
inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
where fct_learner_sessions.session_id = $session_id
order by
    lower(strip_accents(dim_learners.last_name)) nulls last,
    lower(strip_accents(dim_learners.first_name)) nulls last,
    length(fct_learner_sessions.user_id),
    fct_learner_sessions.user_id
"""

# Who is asked for: by id, or by e-mail in any case (E).
CHOSEN_USERS = """
select wanted, user_id
from (select unnest($users::varchar[]) as wanted)
left join (
    select dim_learners.user_id, dim_learners.email
    from fct_learner_sessions
    inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
    where fct_learner_sessions.session_id = $session_id
) as learners
    on learners.user_id = wanted or lower(learners.email) = lower(wanted)
"""

NEAREST_USERS = """
select name
from (
    select unnest([dim_learners.user_id, dim_learners.email]) as name
    from fct_learner_sessions
    inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
    where fct_learner_sessions.session_id = $session_id
)
where name is not null
order by levenshtein(lower(name), lower($wanted)), name
limit 3
"""

# An instant with what the clock in the display time zone shows. A day when clocks change is one whose two
# midnights are not 24 hours apart.
CLOCK = """
    case when {instant} is not null then struct_pack(
        at := {instant},
        local := timezone($zone, {instant} at time zone 'UTC'),
        offset_minutes := date_diff('minute', {instant}, timezone($zone, {instant} at time zone 'UTC')),
        is_clock_change_day :=
            epoch(timezone($zone, (timezone($zone, {instant} at time zone 'UTC')::date + 1)::timestamp))
            - epoch(timezone($zone, timezone($zone, {instant} at time zone 'UTC')::date::timestamp)) <> 86400
    ) end as {name},
"""

LEARNERS = f"""
select
    fct_learner_sessions.user_id,
    dim_learners.last_name,
    dim_learners.first_name,
    dim_learners.employer,
    fct_learner_sessions.connection_count,
    fct_learner_sessions.open_connection_count,
    fct_learner_sessions.connection_day_count,
    fct_learner_sessions.elapsed_seconds,
    fct_learner_sessions.capped_seconds,
    fct_learner_sessions.overlap_seconds,
    fct_learner_sessions.retained_seconds,
    fct_learner_sessions.progress_pct,
    fct_learner_sessions.score_pct,
    {CLOCK.format(instant="first_connected_at", name="first_connected")}
    {CLOCK.format(instant="last_connection_at", name="last_connection")}
from fct_learner_sessions
inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
where fct_learner_sessions.session_id = $session_id
    and fct_learner_sessions.user_id in (select unnest($user_ids))
"""

STEPS = """
select
    user_id,
    step_type,
    resource_id,
    resource_name,
    is_in_program,
    coalesce(is_optional, false) as is_optional,
    is_started,
    planned_duration_seconds,
    connection_count,
    retained_seconds,
    progress_pct,
    score_pct,
    is_passed,
    timezone($zone, completed_at at time zone 'UTC')::date as completed_on,
from fct_learner_session_steps
where session_id = $session_id and user_id in (select unnest($user_ids))
order by user_id, step_number
"""

LOG = f"""
select
    user_id,
    row_number() over log_order as number,
    connection_id,
    course_id,
    course_name,
    end_kind,
    evidence_level,
    elapsed_seconds,
    capped_seconds,
    overlap_seconds,
    retained_seconds,
    coalesce(sum(retained_seconds) over log_order, 0)::bigint as running_total_seconds,
    is_overlapped_in_session,
    is_overlapped_outside_session,
    {CLOCK.format(instant="connected_at", name="connected")}
    {CLOCK.format(instant="disconnected_at", name="disconnected")}
from fct_opco_connections
where session_id = $session_id and user_id in (select unnest($user_ids))
window log_order as (
    partition by user_id
    order by connected_at, disconnected_at nulls last, length(connection_id), connection_id, course_id
    rows unbounded preceding
)
order by user_id, number
"""


DAYS = """
select
    user_id,
    timezone($zone, connected_at at time zone 'UTC')::date as "on",
    coalesce(sum(retained_seconds), 0)::bigint as retained_seconds,
from fct_opco_connections
where session_id = $session_id and user_id in (select unnest($user_ids))
group by user_id, "on"
order by user_id, "on"
"""


def read_build(connection: duckdb.DuckDBPyConnection) -> Build:
    """Return the identity, the age and the settings of the published build."""
    return Build(**_rows(connection, BUILD, {})[0])


def read_session(connection: duckdb.DuckDBPyConnection, session_id: str, build: Build) -> Session:
    """Return a session; raise UserError naming the three nearest ones when there is none of this id."""
    rows = _rows(connection, SESSION, {"session_id": session_id, "zone": build.display_timezone})
    if rows:
        return Session(**rows[0])
    nearest = _rows(connection, NEAREST_SESSIONS, {"wanted": session_id})
    if not nearest:
        raise UserError(f"There is no session {session_id!r}: the published warehouse holds no session at all.")
    names = ", ".join(f"{row['session_id']} ({row['session_name']})" for row in nearest)
    raise UserError(
        f"There is no session {session_id!r} in the published warehouse. The nearest are: {names}.\n"
        "Ask for one that is there, or build again if this one was delivered since. What was issued for it before "
        f"stays as it is: opco issues {shlex.quote(session_id)}"
    )


def read_session_learners(connection: duckdb.DuckDBPyConnection, session_id: str) -> list[SessionLearner]:
    """Return who was enrolled in a session or left a trace in it, in the alphabetical order of section E."""
    return [SessionLearner(**row) for row in _rows(connection, SESSION_LEARNERS, {"session_id": session_id})]


def read_chosen_users(connection: duckdb.DuckDBPyConnection, session_id: str, users: Sequence[str]) -> set[str] | None:
    """Return the ids of the learners of a session that `users` name, by id or e-mail in any case; None for no limit.

    Raises UserError for a name that no learner of the session has, with the three nearest ones.
    """
    if not users:
        return None
    parameters = {"session_id": session_id, "users": list(users)}
    rows = _rows(connection, CHOSEN_USERS, parameters)
    unknown = sorted({row["wanted"] for row in rows if row["user_id"] is None})
    if unknown:
        wanted = unknown[0]
        nearest = _rows(connection, NEAREST_USERS, {"session_id": session_id, "wanted": wanted})
        names = ", ".join(row["name"] for row in nearest)
        raise UserError(f'The session {session_id} has no learner "{wanted}" (user_id or e-mail). Nearest: {names}.')
    return {row["user_id"] for row in rows}


def read_learner_records(
    connection: duckdb.DuckDBPyConnection, session_id: str, user_ids: Sequence[str], build: Build
) -> list[LearnerRecord]:
    """Return the records of learners who played the session, in the order of `user_ids`."""
    parameters = {"session_id": session_id, "user_ids": list(user_ids), "zone": build.display_timezone}
    steps: defaultdict[str, list[Step]] = defaultdict(list)
    for row in _rows(connection, STEPS, parameters):
        steps[row.pop("user_id")].append(Step(**row))
    days: defaultdict[str, list[Day]] = defaultdict(list)
    for row in _rows(connection, DAYS, parameters):
        days[row.pop("user_id")].append(Day(**row))
    log: defaultdict[str, list[LogLine]] = defaultdict(list)
    for row in _rows(connection, LOG, parameters):
        connected, disconnected = ClockTime(**row.pop("connected")), row.pop("disconnected")
        log[row.pop("user_id")].append(
            LogLine(connected=connected, disconnected=disconnected and ClockTime(**disconnected), **row)
        )
    records = {}
    for row in _rows(connection, LEARNERS, parameters):
        identity = {key: row.pop(key) for key in ("user_id", "last_name", "first_name", "employer")}
        clocks: dict[str, Any] = {key: ClockTime(**row.pop(key)) for key in ("first_connected", "last_connection")}
        user_id = identity["user_id"]
        records[user_id] = LearnerRecord(
            **identity,
            totals=Totals(**clocks, **row),
            days=tuple(days[user_id]),
            steps=tuple(steps[user_id]),
            log=tuple(log[user_id]),
        )
    return [records[user_id] for user_id in user_ids]


def read_inexplicit_end_kinds(connection: duckdb.DuckDBPyConnection, language: Language) -> list[CodeText]:
    """Return the end kinds that get a note sign in the log, always in the same order."""
    return _code_texts(connection, "end_kind", "end_kinds where not is_explicit_end order by end_kind", language)


def read_evidence_levels(connection: duckdb.DuckDBPyConnection, language: Language) -> list[CodeText]:
    """Return the evidence levels, the strongest first."""
    return _code_texts(connection, "evidence_level", "evidence_levels order by strength desc", language)


def _code_texts(connection: duckdb.DuckDBPyConnection, code: str, source: str, language: Language) -> list[CodeText]:
    query = f"select {code} as code, label_{language} as label, description_{language} as description from {source}"
    return [CodeText(**row) for row in _rows(connection, query, {})]


def _rows(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
