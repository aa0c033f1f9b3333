{{ config(materialized='incremental', incremental_strategy='touched_learners') }}

with attached as (
    select * from {{ ref('int_learning_events__marked') }} where not is_unattached and {{ touched_learners_only() }}
),

final as (
    select
        user_id,
        session_id,
        course_id,
        min(occurred_at) as connected_at,
        max(occurred_at) as disconnected_at,
        case max(verb) filter (where is_end)
            when 'disconnected' then 'left'
            when 'completed' then 'completed'
            else 'no_end_mark'
        end as end_kind,
        case when bool_or(is_end) then 'event_pair' else 'event_run' end as evidence_level
    from attached
    group by user_id, session_id, course_id, attempt_id, opening_number
)

select * from final
