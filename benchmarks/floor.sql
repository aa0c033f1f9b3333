-- The floor: rules T3 to T5 in one hand-written script, on the same files, with no contract, no books and no tests.
create table connections as
with events as (
    select event_id, user_id, session_id, course_id, verb, occurred_at
    from read_parquet('{folder}/learning_events/*.parquet')
),

at_course as (
    select distinct user_id, occurred_at from events where session_id is not null
),

followed as (
    select * from events where session_id is not null
    union all
    select events.*
    from events
    anti join at_course on events.user_id = at_course.user_id and events.occurred_at = at_course.occurred_at
    where events.session_id is null
),

neighbours as (
    select
        *,
        lag(session_id) over learner as previous_session_id,
        lag(course_id) over learner as previous_course_id,
        lag(verb) over learner as previous_verb,
        lag(occurred_at) over learner as previous_occurred_at,
        lead(occurred_at) over learner as next_occurred_at
    from followed
    window learner as (partition by user_id order by occurred_at, length(event_id), event_id)
),

numbered as (
    select
        *,
        count(*) filter (
            where previous_occurred_at is null
            or session_id is distinct from previous_session_id
            or course_id <> previous_course_id
            or occurred_at > previous_occurred_at + interval 15 minutes
            or previous_verb in ('disconnected', 'completed')
        ) over (partition by user_id order by occurred_at, length(event_id), event_id) as run_number
    from neighbours
),

runs as (
    select
        user_id, session_id, course_id, run_number,
        min(occurred_at) as connected_at,
        max(occurred_at) as last_event_at,
        arg_max(verb, (occurred_at, length(event_id), event_id)) as last_verb,
        max(next_occurred_at) as next_event_at
    from numbered
    where session_id is not null
    group by user_id, session_id, course_id, run_number
),

ended as (
    select
        user_id, session_id, course_id, connected_at,
        case
            when last_verb in ('disconnected', 'completed') then last_event_at
            when next_event_at <= last_event_at + interval 15 minutes then next_event_at
            else last_event_at
        end as disconnected_at
    from runs
),

once as (
    select *
    from ended
    qualify row_number() over (
        partition by user_id, session_id, course_id, connected_at order by disconnected_at desc
    ) = 1
),

covered as (
    select
        *,
        max(disconnected_at) over (
            partition by user_id order by connected_at, disconnected_at, session_id, course_id
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from once
)

select
    user_id, session_id, course_id, connected_at, disconnected_at,
    (epoch_us(disconnected_at) - epoch_us(connected_at)) // 1000000 as elapsed_seconds,
    (
        epoch_us(disconnected_at)
        - epoch_us(least(disconnected_at, greatest(connected_at, coalesce(covered_until, connected_at))))
    ) // 1000000 as retained_seconds
from covered
