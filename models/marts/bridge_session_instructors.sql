with final as (
    select
        session_id,
        user_id,
        coalesce(is_main, false) as is_main
    from {{ ref('stg_session_instructors') }}
    where is_kept
)

select * from final
