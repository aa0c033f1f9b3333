"""What the documents say, read from the published file: set-oriented, with bound parameters."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import duckdb

from reports.attestation.model import (
    Build,
    ClockTime,
    CodeText,
    CodeTexts,
    Day,
    Finding,
    LearnerRecord,
    LogLine,
    Session,
    SessionLearner,
    Step,
    Totals,
)
from reports.language import Language
from warehouse.errors import UserError
from warehouse.published import LAST_DAY, LOCAL_DAY
from warehouse.sql import rows_of

# The flags that a document and the terminal name, in this order: what an inspector would find (A3).
PRINTED_FLAGS = (
    "outside_session_dates",
    "outside_enrollment",
    "not_enrolled",
    "instructor",
    "long_connection",
    "deleted_user",
    "ambiguous_hour",
    "open",
)

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
    rules_edition,
from warehouse_build
"""

SESSION = f"""
select
    session_id,
    session_name,
    {LOCAL_DAY.format("starts_at")} as starts_on,
    {LAST_DAY} as ends_on,
    program_template_id,
    program_template_name,
    planned_duration_seconds,
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

# The order of section E.
ALPHABETICAL = """
    lower(strip_accents(dim_learners.last_name)) nulls last,
    lower(strip_accents(dim_learners.first_name)) nulls last,
    length(dim_learners.user_id),
    dim_learners.user_id
"""

SESSION_LEARNERS = f"""
select
    fct_learner_sessions.user_id,
    dim_learners.last_name,
    dim_learners.first_name,
    dim_learners.is_deleted,
    fct_learner_sessions.has_played,
    fct_learner_sessions.is_instructor and not fct_learner_sessions.is_enrolled as only_instructs,
from fct_learner_sessions
inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
where fct_learner_sessions.session_id = $session_id
order by {ALPHABETICAL}
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
    fct_learner_sessions.progress_source,
    fct_learner_sessions.score_source,
    {CLOCK.format(instant="fct_learner_sessions.first_connected_at", name="first_connected")}
    {CLOCK.format(instant="fct_learner_sessions.last_connection_at", name="last_connection")}
from fct_learner_sessions
inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
where fct_learner_sessions.session_id = $session_id
    and fct_learner_sessions.user_id in (select unnest($user_ids))
"""

# A connection is of the month in which it begins; no month is the whole session.
IN_MONTH = """($month is null or strftime(
            timezone((select display_timezone from warehouse_build), connected_at at time zone 'UTC'), '%Y-%m'
        ) = $month)"""

# The same of one month: what was connected in it, by the local day of the beginning.
LEARNERS_OF_MONTH = f"""
with totals as (
    select
        user_id,
        count(*) as connection_count,
        count(*) filter (where disconnected_at is null) as open_connection_count,
        count(distinct timezone($zone, connected_at at time zone 'UTC')::date) as connection_day_count,
        coalesce(sum(elapsed_seconds), 0)::bigint as elapsed_seconds,
        coalesce(sum(capped_seconds), 0)::bigint as capped_seconds,
        coalesce(sum(overlap_seconds), 0)::bigint as overlap_seconds,
        coalesce(sum(retained_seconds), 0)::bigint as retained_seconds,
        min(connected_at) as first_connected_at,
        max(coalesce(disconnected_at, connected_at)) as last_connection_at,
    from fct_opco_connections
    where session_id = $session_id
        and user_id in (select unnest($user_ids))
        and {IN_MONTH}
    group by user_id
)

select
    totals.* exclude (first_connected_at, last_connection_at),
    dim_learners.last_name,
    dim_learners.first_name,
    dim_learners.employer,
    null as progress_pct,
    null as score_pct,
    null as progress_source,
    null as score_source,
    {CLOCK.format(instant="totals.first_connected_at", name="first_connected")}
    {CLOCK.format(instant="totals.last_connection_at", name="last_connection")}
from totals
inner join dim_learners on dim_learners.user_id = totals.user_id
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
    is_overlapped_by_other_account,
    list_filter($printed_flags, lambda flag: list_contains(flags, flag)) as flags,
    coalesce(sum(retained_seconds) over (
        partition by user_id, timezone($zone, connected_at at time zone 'UTC')::date
    ), 0)::bigint as day_seconds,
    -- Midnights with more than one offset, from that before the one end to that after the other.
    len(list_distinct(list_transform(
        generate_series(
            date_trunc('day', timezone($zone, connected_at at time zone 'UTC')),
            date_trunc('day', timezone($zone, coalesce(disconnected_at, connected_at) at time zone 'UTC'))
            + interval 1 day,
            interval 1 day
        ),
        lambda midnight: epoch(midnight) - epoch(timezone($zone, midnight))
    ))) > 1 as shows_offsets,
    {CLOCK.format(instant="connected_at", name="connected")}
    {CLOCK.format(instant="disconnected_at", name="disconnected")}
from fct_opco_connections
where session_id = $session_id
    and user_id in (select unnest($user_ids))
    and {IN_MONTH}
window log_order as (
    partition by user_id
    order by connected_at, disconnected_at nulls last, length(connection_id), connection_id, course_id
    rows unbounded preceding
)
order by user_id, number
"""


# The printed flags of a session's connections: of each learner, or with `$user_ids` as one.
FINDINGS = f"""
with printed as (
    select unnest($printed_flags) as flag, generate_subscripts($printed_flags, 1) as position
),

flagged as (
    select user_id, retained_seconds, unnest(flags) as flag
    from fct_opco_connections
    where session_id = $session_id
        and user_id in (select unnest($user_ids))
        and {IN_MONTH}
)

select
    {{user_id}}
    printed.flag,
    connection_flags.label_fr,
    connection_flags.label_en,
    count(distinct flagged.user_id) as learner_count,
    count(*) as connection_count,
    coalesce(sum(flagged.retained_seconds), 0)::bigint as retained_seconds,
from flagged
inner join printed on printed.flag = flagged.flag
inner join connection_flags on connection_flags.flag = flagged.flag
group by all
order by {{user_id}} any_value(printed.position)
"""

CUSTOM_FIELDS = """
select
    bridge_learner_custom_fields.user_id,
    bridge_learner_custom_fields.title,
    case
        when bridge_learner_custom_fields.value_type = 'date'
            then strftime(bridge_learner_custom_fields.value_date, '%d/%m/%Y')
        else bridge_learner_custom_fields.value
    end as value,
from bridge_learner_custom_fields
inner join dim_custom_fields
    on dim_custom_fields.custom_field_id = bridge_learner_custom_fields.custom_field_id
where bridge_learner_custom_fields.title in (select unnest($titles))
    and bridge_learner_custom_fields.user_id in (select unnest($user_ids))
    and value is not null
order by
    bridge_learner_custom_fields.user_id,
    list_position($titles, bridge_learner_custom_fields.title),
    dim_custom_fields.field_position
"""

NEAREST_FIELDS = """
select title
from dim_custom_fields
group by title
order by levenshtein(lower(title), lower($wanted)), title
limit 3
"""


def read_build(db: duckdb.DuckDBPyConnection) -> Build:
    """Return the identity, the age and the settings of the published build."""
    return Build(**rows_of(db, BUILD)[0])


def read_session(db: duckdb.DuckDBPyConnection, session_id: str, build: Build) -> Session:
    """Return a session; raise UserError naming the three nearest ones when there is none of this id."""
    rows = rows_of(db, SESSION, {"session_id": session_id, "zone": build.display_timezone})
    if rows:
        return Session(**rows[0])
    nearest = rows_of(db, NEAREST_SESSIONS, {"wanted": session_id})
    if not nearest:
        raise UserError(f"There is no session {session_id!r}: the published warehouse holds no session at all.")
    names = ", ".join(f"{row['session_id']} ({row['session_name']})" for row in nearest)
    raise UserError(
        f"There is no session {session_id!r} in the published warehouse. The nearest are: {names}.\n"
        "Ask for one that is there, or build again if this one was delivered since. What was issued for it before "
        f"stays as it is: opco issues {shlex.quote(session_id)}"
    )


def read_session_learners(db: duckdb.DuckDBPyConnection, session_id: str) -> list[SessionLearner]:
    """Return who was enrolled in a session or left a trace in it, in the alphabetical order of section E."""
    return [SessionLearner(**row) for row in rows_of(db, SESSION_LEARNERS, {"session_id": session_id})]


def read_chosen_users(db: duckdb.DuckDBPyConnection, session_id: str, users: Sequence[str]) -> set[str] | None:
    """Return the ids of the learners of a session that `users` name, by id or e-mail in any case; None for no limit.

    Raises UserError for a name that no learner of the session has, with the three nearest ones.
    """
    if not users:
        return None
    parameters = {"session_id": session_id, "users": list(users)}
    rows = rows_of(db, CHOSEN_USERS, parameters)
    unknown = sorted({row["wanted"] for row in rows if row["user_id"] is None})
    if unknown:
        wanted = unknown[0]
        nearest = rows_of(db, NEAREST_USERS, {"session_id": session_id, "wanted": wanted})
        names = ", ".join(row["name"] for row in nearest)
        raise UserError(f'The session {session_id} has no learner "{wanted}" (user_id or e-mail). Nearest: {names}.')
    return {row["user_id"] for row in rows}


def check_custom_fields(db: duckdb.DuckDBPyConnection, titles: Sequence[str]) -> None:
    """Raise UserError for a title that no custom field has, with the three nearest ones."""
    known = {row["title"] for row in rows_of(db, "select title from dim_custom_fields")} if titles else set()
    for title in titles:
        if title not in known:
            nearest = ", ".join(row["title"] for row in rows_of(db, NEAREST_FIELDS, {"wanted": title}))
            raise UserError(
                f'There is no custom field "{title}" to print. Nearest: {nearest or "there is none"}.\n'
                "Correct it, or leave all of them out with an empty one (--custom-field '')."
            )


def read_findings(
    db: duckdb.DuckDBPyConnection, session_id: str, user_ids: Sequence[str], month: str | None = None
) -> tuple[Finding, ...]:
    """Return what an inspector would find in the connections of learners of a session (in a month), all as one."""
    parameters: dict[str, Any] = {"session_id": session_id, "user_ids": list(user_ids), "month": month}
    parameters["printed_flags"] = list(PRINTED_FLAGS)
    return tuple(Finding(**row) for row in rows_of(db, FINDINGS.format(user_id=""), parameters))


def read_learner_records(
    db: duckdb.DuckDBPyConnection,
    session_id: str,
    user_ids: Sequence[str],
    build: Build,
    custom_fields: Sequence[str] = (),
    month: str | None = None,
) -> list[LearnerRecord]:
    """Return the records of learners who played the session, in the order of `user_ids`.

    `custom_fields` are the titles of those to print beside the learner. With a `month` (YYYY-MM) the log and its totals
    are those of that month, and there are no steps, progress or score.
    """
    of_learners = {"session_id": session_id, "user_ids": list(user_ids)}
    zone, flags = {"zone": build.display_timezone}, {"printed_flags": list(PRINTED_FLAGS)}
    fields: dict[str, list[Any]] = {}
    if custom_fields:
        titles = {"titles": list(custom_fields), "user_ids": list(user_ids)}
        fields = rows_by_user(db, CUSTOM_FIELDS, titles)
    of_month = {"month": month}
    findings = rows_by_user(db, FINDINGS.format(user_id="flagged.user_id,"), of_learners | flags | of_month)
    steps = {} if month else rows_by_user(db, STEPS, of_learners | zone)
    lines = rows_by_user(db, LOG, of_learners | zone | flags | of_month)
    totals = rows_by_user(db, LEARNERS_OF_MONTH, of_learners | zone | of_month) if month else None
    records = {}
    for user_id, (row,) in (totals or rows_by_user(db, LEARNERS, of_learners | zone)).items():
        identity = {key: row.pop(key) for key in ("last_name", "first_name", "employer")}
        clocks: dict[str, Any] = {key: ClockTime(**row.pop(key)) for key in ("first_connected", "last_connection")}
        log = tuple(_log_line(**line) for line in lines.get(user_id, ()))
        days = {line.connected.local.date(): line.day_seconds for line in log}
        records[user_id] = LearnerRecord(
            user_id,
            **identity,
            totals=Totals(**clocks, **row),
            days=tuple(Day(on, seconds) for on, seconds in sorted(days.items())),
            steps=tuple(Step(**step) for step in steps.get(user_id, ())),
            log=log,
            findings=tuple(Finding(**finding) for finding in findings.get(user_id, ())),
            custom_fields=tuple((field["title"], field["value"]) for field in fields.get(user_id, ())),
        )
    return [records[user_id] for user_id in user_ids]


def _log_line(connected: Any, disconnected: Any, flags: list[str], **values: Any) -> LogLine:
    ends = ClockTime(**disconnected) if disconnected else None
    return LogLine(connected=ClockTime(**connected), disconnected=ends, flags=tuple(flags), **values)


def read_code_texts(db: duckdb.DuckDBPyConnection, language: Language) -> CodeTexts:
    """Return the wording of the codes that documents explain, always in the same order."""
    flags = {one.code: one for one in _code_texts(db, "flag", "connection_flags", language)}
    return CodeTexts(
        tuple(_code_texts(db, "end_kind", "end_kinds where not is_explicit_end order by end_kind", language)),
        tuple(flags[flag] for flag in PRINTED_FLAGS if flag in flags),
        tuple(_code_texts(db, "evidence_level", "evidence_levels order by strength desc", language)),
    )


def _code_texts(db: duckdb.DuckDBPyConnection, code: str, source: str, language: Language) -> list[CodeText]:
    query = f"select {code} as code, label_{language} as label, description_{language} as description from {source}"
    return [CodeText(**row) for row in rows_of(db, query)]


def rows_by_user(
    db: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each learner, without the user_id, in their order."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(db, query, parameters):
        rows.setdefault(row.pop("user_id"), []).append(row)
    return rows
