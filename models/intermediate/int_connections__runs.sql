with runs as (
    select
        user_id,
        session_id,
        course_id,
        run_number,
        min(occurred_at) as first_event_at,
        max(occurred_at) as last_event_at,
        {{ last_in_run('verb') }} as last_verb,
        {{ last_in_run('next_occurred_at') }} as next_event_at
    from {{ ref('int_learning_events__unmarked') }}
    where session_id is not null
    group by user_id, session_id, course_id, run_number
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
),

final as (
    select
        user_id,
        session_id,
        course_id,
        first_event_at as connected_at,
        case when end_kind = 'moved_on' then next_event_at else last_event_at end as disconnected_at,
        end_kind,
        'event_run' as evidence_level
    from ended
)

select * from final
