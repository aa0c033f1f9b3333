{{ config(materialized='incremental', incremental_strategy='affected_learners') }}

with in_connections as (
    select * from {{ ref('int_learning_events__marked') }} where is_in_connection and {{ in_affected_learners() }}
),

final as (
    select
        user_id,
        session_id,
        course_id,
        attempt_id,
        opening_number,
        min(occurred_at) as connected_at,
        max(occurred_at) as disconnected_at,
        case max(verb) filter (where is_end)
            when 'disconnected' then 'left'
            when 'completed' then 'completed'
            else 'no_end_mark'
        end as end_kind,
        case when bool_or(is_end) then 'event_pair' else 'event_run' end as evidence_level,
        bool_or(is_ambiguous_hour) filter (where verb = 'connected')
        or coalesce(
            bool_or(is_ambiguous_hour) filter (where is_end), max_by(is_ambiguous_hour, event_number)
        ) as is_ambiguous_hour
    from in_connections
    group by user_id, session_id, course_id, attempt_id, opening_number
)

select * from final
