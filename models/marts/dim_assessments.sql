with final as (
    select
        assessment_id,
        assessment_name,
        fate = 'gone' as is_gone
    from {{ ref('stg_assessments') }}
    where is_kept
)

select * from final
