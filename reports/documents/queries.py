"""What the documents on credited hours say, read from the published file: set-oriented, with bound parameters.

`$month` (YYYY-MM) is a month of the display time zone `$zone`; null for the whole session. A connection is of the month
in which it begins, an activity of that in which it was completed, an interaction of that of its question, else answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from reports.attestation.model import ClockTime, Lack, SessionLearner
from reports.attestation.queries import ALPHABETICAL, CLOCK, CUSTOM_FIELDS, rows_by_user
from reports.documents.model import Activity, Assistance, Credit, FollowedRecord
from warehouse.sql import rows_of

IN_MONTH = "($month is null or strftime(timezone($zone, {0} at time zone 'UTC'), '%Y-%m') = $month)"
DAY = "timezone($zone, {0} at time zone 'UTC')::date"

CREDIT = """
select
    credit_without_duration as without_duration,
    credit_partial as partial,
    is_credit_capped_at_program as is_capped_at_program,
    credit_suspicious_below_pct as suspicious_below_pct,
from warehouse_build
"""

# What is credited in the session or month: all that is completed in it, and without a month also what is not dated.
CREDITED = f"""
credited as (
    select *
    from fct_credited_activities
    where session_id = $session_id
        and ($month is null or (completed_at is not null and {IN_MONTH.format("completed_at")}))
)
"""

CONNECTED = """
connected as (
    select *
    from fct_opco_connections
    where session_id = $session_id and ($month is null or strftime(connected_on, '%Y-%m') = $month)
)
"""

LEARNERS = f"""
with {CREDITED},

{CONNECTED},

activities as (
    select
        user_id,
        bool_or(is_completed or credited_seconds > 0) as has_completed,
        list(resource_name order by step_number) filter (where is_without_duration) as without_duration
    from credited
    group by user_id
)

select
    fct_learner_sessions.user_id,
    dim_learners.last_name,
    dim_learners.first_name,
    dim_learners.is_deleted,
    fct_learner_sessions.is_instructor and not fct_learner_sessions.is_enrolled as only_instructs,
    fct_learner_sessions.user_id in (select user_id from connected) as is_connected,
    coalesce(activities.has_completed, false) as has_completed,
    coalesce(activities.without_duration, []) as without_duration,
from fct_learner_sessions
inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
left join activities on activities.user_id = fct_learner_sessions.user_id
where fct_learner_sessions.session_id = $session_id
order by {ALPHABETICAL}
"""

RECORDS = f"""
with {CREDITED},

{CONNECTED},

connections as (
    select
        user_id,
        coalesce(sum(elapsed_seconds), 0)::bigint as elapsed_seconds,
        coalesce(sum(capped_seconds), 0)::bigint as capped_seconds,
        coalesce(sum(overlap_seconds), 0)::bigint as overlap_seconds,
        coalesce(sum(retained_seconds), 0)::bigint as retained_seconds,
        coalesce(sum(retained_seconds) filter (where proof_level = 'work'), 0)::bigint as work_seconds,
        coalesce(sum(retained_seconds) filter (where proof_level = 'tutored'), 0)::bigint as tutored_seconds,
        coalesce(sum(retained_seconds) filter (where proof_level = 'consultation'), 0)::bigint as consultation_seconds,
        case
            when bool_or(has_delivered_modality)
                then coalesce(sum(retained_seconds) filter (where modality = 'sync'), 0)::bigint
        end as synchronous_seconds,
        min(connected_on) as first_on,
        max({DAY.format("coalesce(disconnected_at, connected_at)")}) as last_on
    from connected
    group by user_id
),

steps as (
    select
        user_id,
        sum(credited_seconds)::bigint as credited_seconds,
        count(*) filter (where is_completed) as completed_step_count,
        min({DAY.format("completed_at")}) as first_on,
        max({DAY.format("completed_at")}) as last_on
    from credited
    group by user_id
),

program as (
    select
        user_id,
        count(*) as step_count,
        list(resource_name order by step_number)
            filter (where not is_optional and not is_completed) as missing
    from fct_credited_activities
    where session_id = $session_id
    group by user_id
)

select
    fct_learner_sessions.user_id,
    dim_learners.last_name,
    dim_learners.first_name,
    dim_learners.employer,
    least(
        connections.first_on,
        steps.first_on,
        case when $month is null then {DAY.format("fct_learner_sessions.first_activity_at")} end
    ) as first_on,
    greatest(
        case when $month is not null
            then least(connections.last_on, last_day(strptime($month || '-01', '%Y-%m-%d')::date))
            else connections.last_on
        end,
        steps.last_on,
        case when $month is null then {DAY.format("fct_learner_sessions.last_activity_at")} end
    ) as last_on,
    coalesce(connections.elapsed_seconds, 0) as elapsed_seconds,
    coalesce(connections.capped_seconds, 0) as capped_seconds,
    coalesce(connections.overlap_seconds, 0) as overlap_seconds,
    coalesce(connections.retained_seconds, 0) as retained_seconds,
    coalesce(connections.work_seconds, 0) as work_seconds,
    coalesce(connections.tutored_seconds, 0) as tutored_seconds,
    coalesce(connections.consultation_seconds, 0) as consultation_seconds,
    connections.synchronous_seconds,
    coalesce(steps.credited_seconds, 0) as credited_seconds,
    coalesce(program.step_count, 0) as step_count,
    coalesce(steps.completed_step_count, 0) as completed_step_count,
    case when $month is null then coalesce(program.missing, []) else [] end as missing,
    dim_program_sessions.action_kind,
    dim_program_sessions.announced_answer_delay_hours,
from fct_learner_sessions
inner join dim_program_sessions on dim_program_sessions.session_id = fct_learner_sessions.session_id
inner join dim_learners on dim_learners.user_id = fct_learner_sessions.user_id
left join connections on connections.user_id = fct_learner_sessions.user_id
left join steps on steps.user_id = fct_learner_sessions.user_id
left join program on program.user_id = fct_learner_sessions.user_id
where fct_learner_sessions.session_id = $session_id
    and fct_learner_sessions.user_id in (select unnest($user_ids))
"""

ACTIVITIES = f"""
with {CREDITED}

select
    user_id,
    step_type,
    resource_id,
    resource_name,
    is_optional,
    is_completed,
    completion_source,
    planned_duration_seconds,
    progress_pct,
    score_pct,
    is_passed,
    retained_seconds,
    credited_seconds,
    is_suspicious,
    {CLOCK.format(instant="completed_at", name="completed")}
from credited
where user_id in (select unnest($user_ids))
order by user_id, step_number
"""

ASSISTANCE = f"""
select
    fct_tutor_interactions.user_id,
    count(*) filter (where not is_automated) as interaction_count,
    count(*) filter (where is_automated) as automated_count,
    count(asked_at) filter (where not is_automated) as question_count,
    count(answer_seconds) filter (where not is_automated) as answered_count,
    floor(median(answer_seconds) filter (where not is_automated))::bigint as median_answer_seconds,
    max(answer_seconds) filter (where not is_automated) as longest_answer_seconds,
    case
        when any_value(dim_program_sessions.announced_answer_delay_hours) is not null
            then count(*) filter (where not is_automated and is_within_announced_delay)
    end as within_delay_count,
from fct_tutor_interactions
inner join dim_program_sessions on dim_program_sessions.session_id = fct_tutor_interactions.session_id
where fct_tutor_interactions.session_id = $session_id
    and fct_tutor_interactions.user_id in (select unnest($user_ids))
    and {IN_MONTH.format("coalesce(asked_at, answered_at)")}
group by fct_tutor_interactions.user_id
"""


def read_credit(db: duckdb.DuckDBPyConnection) -> Credit:
    """Return the settings of `[credit]` of the published build."""
    return Credit(**rows_of(db, CREDIT)[0])


def read_followers(
    db: duckdb.DuckDBPyConnection, session_id: str, zone: str, month: str | None, *, counts_connections: bool
) -> list[SessionLearner]:
    """Return the learners of a session in the alphabetical order of section E, with what keeps them from a document.

    That is nothing completed (nor connected, where it `counts_connections`), or something completed without a planned
    duration, unless that counts for nothing (`credit.without_duration`).
    """
    refuses = read_credit(db).without_duration == "refuse"
    found = []
    for row in rows_of(db, LEARNERS, {"session_id": session_id, "zone": zone, "month": month}):
        is_connected, has_completed = row.pop("is_connected"), row.pop("has_completed")
        names = row.pop("without_duration") if refuses else row.pop("without_duration") and []
        has_something = has_completed or (counts_connections and is_connected)
        lacks: Lack | None = "without_duration" if names else None if has_something else "nothing_completed"
        found.append(SessionLearner(**row, has_played=lacks is None, lacks=lacks, detail=", ".join(names)))
    return found


def read_followed(
    db: duckdb.DuckDBPyConnection,
    session_id: str,
    zone: str,
    month: str | None,
    user_ids: Sequence[str],
    custom_fields: Sequence[str] = (),
) -> list[FollowedRecord]:
    """Return what learners followed of a session, in the order of `user_ids`."""
    parameters = {"session_id": session_id, "zone": zone, "month": month, "user_ids": list(user_ids)}
    titles = {"titles": list(custom_fields), "user_ids": list(user_ids)}
    fields = rows_by_user(db, CUSTOM_FIELDS, titles) if custom_fields else {}
    activities = rows_by_user(db, ACTIVITIES, parameters)
    assistance = rows_by_user(db, ASSISTANCE, parameters)
    of_learner = rows_by_user(db, RECORDS, parameters)
    records = []
    for user_id in user_ids:
        (row,) = of_learner[user_id]
        steps = []
        for step in activities.get(user_id, ()):
            completed = step.pop("completed")
            steps.append(Activity(**step, completed=ClockTime(**completed) if completed else None))
        row["missing"] = tuple(row["missing"])
        helped = assistance.get(user_id)
        records.append(
            FollowedRecord(
                user_id,
                **row,
                custom_fields=tuple((field["title"], field["value"]) for field in fields.get(user_id, ())),
                activities=tuple(steps),
                assistance=Assistance(**helped[0]) if helped else Assistance(),
            )
        )
    return records
