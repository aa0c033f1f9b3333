with placed as (
    select
        event_id,
        user_id,
        session_id,
        course_id,
        attempt_id,
        verb,
        occurred_at
    from {{ ref('stg_learning_events') }}
    where is_kept
),

final as (
    select
        *,
        session_id is not null
        and bool_or(verb = 'connected') over (partition by user_id, session_id, course_id, attempt_id) as is_marked
    from placed
)

select * from final
