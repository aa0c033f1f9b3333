-- Books: an event that counts is in one connection (kept or superseded), unattached, or outside any session. T2 took
-- it, or it was played outside, or it is in a run: of each learner, session and course, the runs hold as many events
-- as are left to them, none twice and none lost (T3). A build that goes on from the last one looks at the learners that
-- it touched.
with events as (
    select
        event_id,
        user_id,
        session_id,
        course_id
    from {{ ref('stg_learning_events') }}
    where is_kept and {{ when_touched() }}
),

marked as (
    select event_id from {{ ref('int_learning_events__marked') }} where {{ when_touched() }}
),

left_to_runs as (
    select
        events.user_id,
        events.session_id,
        events.course_id,
        count(*) as event_count
    from events
    left join marked on events.event_id = marked.event_id
    where marked.event_id is null and events.session_id is not null
    group by events.user_id, events.session_id, events.course_id
),

in_runs as (
    select
        user_id,
        session_id,
        course_id,
        sum(event_count) as event_count
    from {{ ref('int_connections__runs') }}
    where {{ when_touched() }}
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
