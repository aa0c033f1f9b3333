-- Books: an event that counts is in one connection (kept or superseded), unattached, or outside any session. Its run
-- is the one of its learner, session and course between whose first and last event it lies (T3). A build that goes on
-- from the last one looks at the learners that it touched.
with events as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        occurred_at,
        fate
    from {{ ref('stg_learning_events') }}
    where is_kept and {{ when_touched() }}
),

in_runs as (
    select events.event_id
    from events
    inner join {{ ref('int_connections__runs') }} as runs
        on
            events.user_id = runs.user_id
            and events.session_id = runs.session_id
            and events.course_id = runs.course_id
            and events.occurred_at between runs.connected_at and runs.last_event_at
    where
        (events.occurred_at, length(events.event_id), events.event_id)
        between (runs.connected_at, length(runs.first_event_id), runs.first_event_id)
        and (runs.last_event_at, length(runs.last_event_id), runs.last_event_id)
),

placed as (
    select event_id from in_runs
    union all
    select event_id from {{ ref('int_learning_events__marked') }} where {{ when_touched() }}
    union all
    select event_id from events where fate = 'outside_session'
),

counted as (
    select
        event_id,
        count(*) as place_count
    from placed
    group by event_id
)

select *
from events
left join counted using (event_id)
where coalesce(counted.place_count, 0) <> 1
