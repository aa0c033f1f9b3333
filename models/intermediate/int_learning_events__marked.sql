{{ config(materialized='incremental', incremental_strategy='affected_learners') }}

with events as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        attempt_id,
        verb,
        occurred_at,
        is_ambiguous_hour,
        verb in ('disconnected', 'completed') as is_end_mark
    from {{ ref('stg_learning_events') }}
    where is_kept and session_id is not null and {{ in_affected_learners() }}
),

-- one opening marks all events of its learner, session, course and attempt
marked as (
    select events.*
    from events
    semi join events as openings
        on
            events.user_id = openings.user_id
            and events.session_id = openings.session_id
            and events.course_id = openings.course_id
            and events.attempt_id is not distinct from openings.attempt_id
            and openings.verb = 'connected'
),

with_marks_of_instant as (
    select
        *,
        bool_or(verb = 'connected') over instant as has_opening,
        bool_or(is_end_mark) over instant as has_end
    from marked
    window instant as (partition by user_id, session_id, course_id, attempt_id, occurred_at)
),

-- only an instant with an opening or an end mark, not both, changes whether a connection is open
with_state as (
    select
        *,
        coalesce(
            max_by(has_opening, case when has_opening <> has_end then occurred_at end) over (
                partition by user_id, session_id, course_id, attempt_id
                order by occurred_at
                range between unbounded preceding and interval 1 microsecond preceding
            ),
            false
        ) as is_open_before
    from with_marks_of_instant
),

with_verb_order as (
    select
        *,
        case
            when verb = 'connected' then case when is_open_before then 4 else 0 end
            when verb = 'active' then 1
            when verb = 'completed' then 2
            else 3
        end as verb_order
    from with_state
),

numbered as (
    select
        *,
        row_number() over attempt as event_number,
        -- "case", for "filter" in a growing frame is slow (models/README.md, traps)
        count(case when verb = 'connected' then 1 end) over attempt as opening_number
    from with_verb_order
    window attempt as (
        partition by user_id, session_id, course_id, attempt_id
        order by occurred_at, verb_order, {{ id_order('event_id') }}
    )
),

with_ends as (
    select
        *,
        min(event_number) filter (where is_end_mark) over opening as end_event_number,
        min(occurred_at) filter (where is_end_mark) over opening as ended_at
    from numbered
    window opening as (partition by user_id, session_id, course_id, attempt_id, opening_number)
),

-- what comes at the very instant of the end belongs to the connection; what comes later, or before the first opening,
-- is left to T3
final as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        attempt_id,
        verb,
        occurred_at,
        is_ambiguous_hour,
        event_number,
        opening_number,
        coalesce(event_number = end_event_number and opening_number > 0, false) as is_end,
        opening_number > 0 and occurred_at <= coalesce(ended_at, occurred_at) as is_in_connection
    from with_ends
)

select * from final
