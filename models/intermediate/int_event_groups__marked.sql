with final as (
    select distinct
        user_id,
        session_id,
        course_id,
        attempt_id
    from {{ ref('stg_learning_events') }}
    where is_kept and verb = 'connected' and session_id is not null
)

select * from final
