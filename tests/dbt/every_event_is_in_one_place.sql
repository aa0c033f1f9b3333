-- An event that counts is in one connection (kept or superseded) or outside any session. It is in a connection of T2,
-- or it was played outside, or it is in a run: of each learner, session and course, the runs hold as many events as are
-- left to them, none twice and none lost (T3). An incremental build looks at the affected learners.
with in_connections as (
    select event_id
    from {{ ref('int_learning_events__marked') }}
    where is_in_connection and {{ in_affected_learners() }}
),

left_to_runs as (
    select
        user_id,
        session_id,
        course_id,
        count(*) as event_count
    from {{ ref('stg_learning_events') }}
    where
        is_kept
        and session_id is not null
        and event_id not in (select event_id from in_connections)
        and {{ in_affected_learners() }}
    group by user_id, session_id, course_id
),

in_runs as (
    select
        user_id,
        session_id,
        course_id,
        sum(event_count) as event_count
    from {{ ref('int_connections__runs') }}
    where {{ in_affected_learners() }}
    group by user_id, session_id, course_id
)

select
    user_id,
    session_id,
    course_id,
    left_to_runs.event_count,
    in_runs.event_count as event_count_in_runs
from left_to_runs
full outer join in_runs using (user_id, session_id, course_id)
where left_to_runs.event_count is distinct from in_runs.event_count
