-- Books: an event that counts is in one connection (kept or superseded), unattached, or outside any session. T2 took
-- it, or it was played outside, or it lies in one run: of its learner, session and course, between the run's first and
-- last event (T3). A build that goes on from the last one looks at the learners that it touched.
with events as (
    select
        file_number,
        line,
        event_id,
        user_id,
        session_id,
        course_id,
        occurred_at
    from {{ ref('stg_learning_events') }}
    where is_kept and {{ when_touched() }}
),

marked as (
    select event_id from {{ ref('int_learning_events__marked') }} where {{ when_touched() }}
),

left_to_runs as (
    select events.*
    from events
    left join marked on events.event_id = marked.event_id
    where marked.event_id is null and events.session_id is not null
),

placed as (
    select
        left_to_runs.file_number,
        left_to_runs.line,
        -- of the instants at which the run begins and ends, only the events from its first on and up to its last
        (
            left_to_runs.occurred_at > runs.connected_at
            or length(left_to_runs.event_id) > length(runs.first_event_id)
            or length(left_to_runs.event_id) = length(runs.first_event_id)
            and left_to_runs.event_id >= runs.first_event_id
        )
        and (
            left_to_runs.occurred_at < runs.last_event_at
            or length(left_to_runs.event_id) < length(runs.last_event_id)
            or length(left_to_runs.event_id) = length(runs.last_event_id)
            and left_to_runs.event_id <= runs.last_event_id
        ) as is_in_run
    from left_to_runs
    left join {{ ref('int_connections__runs') }} as runs
        on
            left_to_runs.user_id = runs.user_id
            and left_to_runs.session_id = runs.session_id
            and left_to_runs.course_id = runs.course_id
            and left_to_runs.occurred_at between runs.connected_at and runs.last_event_at
)

select
    file_number,
    line,
    count(*) filter (where is_in_run) as run_count
from placed
group by file_number, line
having count(*) filter (where is_in_run) <> 1
