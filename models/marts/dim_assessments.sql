with final as (
    select
        assessment_id,
        assessment_name,
        evaluation_kind,
        planned_duration_seconds,
        row_status = 'gone' as is_gone
    from {{ ref('stg_assessments') }}
    where is_kept
)

select * from final
