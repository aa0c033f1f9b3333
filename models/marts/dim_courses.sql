with final as (
    select
        course_id,
        course_name,
        course_type,
        planned_duration_seconds,
        row_status = 'gone' as is_gone
    from {{ ref('stg_courses') }}
    where is_kept
)

select * from final
