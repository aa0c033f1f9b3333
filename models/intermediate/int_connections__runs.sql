{{ config(materialized='incremental', incremental_strategy='affected_learners') }}
{%- set timeout = 'interval ' ~ var('inactivity_timeout_minutes') ~ ' minutes' %}

with in_connections as (
    select event_id
    from {{ ref('int_learning_events__marked') }}
    where is_in_connection and {{ in_affected_learners() }}
),

events as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        verb,
        occurred_at,
        is_ambiguous_hour,
        event_id not in (select event_id from in_connections) as is_left_to_runs
    from {{ ref('stg_learning_events') }}
    where is_kept and {{ in_affected_learners() }}
),

-- a page of the site that loads with a page of the course is left out
kept_events as (
    select * from events where session_id is not null
    union all
    select outside.*
    from events as outside
    anti join events as inside
        on
            outside.user_id = inside.user_id
            and outside.occurred_at = inside.occurred_at
            and inside.session_id is not null
            and inside.is_left_to_runs
    where outside.session_id is null
),

-- a completion right before the event, with nothing of the learner in between, events of T2 included
after_completions as (
    select
        *,
        {{ struct_of({
            'event_id': 'event_id', 'occurred_at': 'occurred_at', 'verb': 'verb', 'is_ambiguous': 'is_ambiguous_hour',
        }) }} as event,
        case
            when
                lag(verb) over learner = 'completed'
                and lag(session_id) over learner = session_id
                and lag(course_id) over learner = course_id
                and lag(occurred_at) over learner >= occurred_at - {{ timeout }}
                then lag(occurred_at) over learner
        end as completed_at,
        is_ambiguous_hour
        or (completed_at is not null and lag(is_ambiguous_hour) over learner) as is_beginning_ambiguous
    from kept_events
    window learner as (partition by user_id order by occurred_at, {{ id_order('event_id') }})
),

with_run_starts as (
    select
        *,
        row_number() over learner as event_number,
        lag(event) over learner as previous_event,
        (course_id is distinct from lag(course_id) over learner)
        or (session_id is distinct from lag(session_id) over learner)
        or occurred_at > lag(occurred_at) over learner + {{ timeout }}
        or lag(verb) over learner in ('disconnected', 'completed') as is_run_start,
        count(*) over (partition by user_id) as event_count,
        last_value(event) over whole_learner as learners_last_event
    from after_completions
    where is_left_to_runs
    window
        learner as (partition by user_id order by occurred_at, {{ id_order('event_id') }}),
        whole_learner as (
            partition by user_id
            order by occurred_at, {{ id_order('event_id') }}
            rows between unbounded preceding and unbounded following
        )
),

-- a run reaches to the event before the next run's first, the learner's last run to the last event of all; the learner
-- is there until the next event, or until the next run begins
runs as (
    select
        user_id,
        session_id,
        course_id,
        coalesce(completed_at, occurred_at) as connected_at,
        completed_at is not null as is_after_completion,
        is_beginning_ambiguous,
        event as first_event,
        coalesce(lead(previous_event) over learner, learners_last_event) as last_event,
        coalesce(lead(event_number) over learner, event_count + 1) - event_number as event_count,
        lead(occurred_at) over learner as next_event_at,
        lead(coalesce(completed_at, occurred_at)) over learner as next_connected_at,
        lead(is_beginning_ambiguous) over learner as is_next_ambiguous
    from with_run_starts
    where is_run_start
    window learner as (partition by user_id order by event_number)
),

with_end_kinds as (
    select
        *,
        case
            when last_event.verb = 'disconnected' then 'left'
            when last_event.verb = 'completed' then 'completed'
            when next_event_at <= last_event.occurred_at + {{ timeout }} then 'moved_on'
            else 'inactivity'
        end as end_kind
    from runs
    where session_id is not null
),

final as (
    select
        user_id,
        session_id,
        course_id,
        connected_at,
        case when end_kind = 'moved_on' then next_connected_at else last_event.occurred_at end as disconnected_at,
        end_kind,
        'event_run' as evidence_level,
        is_beginning_ambiguous
        or last_event.is_ambiguous
        or (end_kind = 'moved_on' and is_next_ambiguous) as is_ambiguous_hour,
        is_after_completion,
        first_event.event_id as first_event_id,
        first_event.occurred_at as first_event_at,
        last_event.event_id as last_event_id,
        last_event.occurred_at as last_event_at,
        event_count
    from with_end_kinds
)

select * from final
