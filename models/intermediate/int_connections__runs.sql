{{ config(materialized='incremental', incremental_strategy='touched_learners') }}

with events as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        attempt_id,
        verb,
        occurred_at
    from {{ ref('stg_learning_events') }}
    where is_kept and {{ touched_learners_only() }}
),

unmarked as (
    select events.*
    from events
    left join {{ ref('int_event_groups__marked') }} as marked
        on
            events.user_id = marked.user_id
            and events.session_id = marked.session_id
            and events.course_id = marked.course_id
            and events.attempt_id is not distinct from marked.attempt_id
    where marked.user_id is null
),

-- a page of the site that loads with a page of the course says nothing of its own
loaded_together as (
    select distinct
        outside.user_id,
        outside.occurred_at
    from unmarked as outside
    inner join unmarked as inside on outside.user_id = inside.user_id and outside.occurred_at = inside.occurred_at
    where outside.session_id is null and inside.session_id is not null
),

followed as (
    select unmarked.*
    from unmarked
    left join loaded_together
        on
            unmarked.session_id is null
            and unmarked.user_id = loaded_together.user_id
            and unmarked.occurred_at = loaded_together.occurred_at
    where loaded_together.user_id is null
),

with_neighbours as (
    select
        *,
        lag(session_id) over learner as previous_session_id,
        lag(course_id) over learner as previous_course_id,
        lag(verb) over learner as previous_verb,
        lag(occurred_at) over learner as previous_occurred_at,
        lag(event_id) over learner as previous_event_id,
        row_number() over learner as event_number,
        lead(event_id) over learner is null as is_last
    from followed
    window learner as (partition by user_id order by occurred_at, {{ id_order('event_id') }})
),

with_run_starts as (
    select
        *,
        coalesce(
            course_id <> previous_course_id
            or (session_id is distinct from previous_session_id)
            or occurred_at > previous_occurred_at + {{ inactivity_timeout() }}
            or previous_verb in ('disconnected', 'completed'),
            true
        ) as is_run_start
    from with_neighbours
),

-- a run reaches to the event before the next one's first, the learner's last run to the last event of all: only these
-- events are needed to know all runs
boundaries as (
    select
        *,
        case when is_run_start then previous_event_id else event_id end as ended_event_id,
        case when is_run_start then event_number - 1 else event_number end as ended_event_number,
        case when is_run_start then previous_occurred_at else occurred_at end as ended_occurred_at,
        case when is_run_start then previous_verb else verb end as ended_verb,
        case when is_run_start then occurred_at end as followed_at
    from with_run_starts
    where is_run_start or is_last
),

runs as (
    select
        user_id,
        session_id,
        course_id,
        is_run_start,
        event_id as first_event_id,
        occurred_at as first_event_at,
        coalesce(lead(ended_event_id) over learner, event_id) as last_event_id,
        coalesce(lead(ended_event_number) over learner, event_number) - event_number + 1 as event_count,
        coalesce(lead(ended_occurred_at) over learner, occurred_at) as last_event_at,
        coalesce(lead(ended_verb) over learner, verb) as last_verb,
        lead(followed_at) over learner as next_event_at
    from boundaries
    window learner as (partition by user_id order by occurred_at, {{ id_order('event_id') }})
),

ended as (
    select
        *,
        case
            when last_verb = 'disconnected' then 'left'
            when last_verb = 'completed' then 'completed'
            when next_event_at <= last_event_at + {{ inactivity_timeout() }} then 'moved_on'
            else 'inactivity'
        end as end_kind
    from runs
    where is_run_start and session_id is not null
),

final as (
    select
        user_id,
        session_id,
        course_id,
        first_event_at as connected_at,
        case when end_kind = 'moved_on' then next_event_at else last_event_at end as disconnected_at,
        end_kind,
        'event_run' as evidence_level,
        first_event_id,
        last_event_id,
        last_event_at,
        event_count
    from ended
)

select * from final
