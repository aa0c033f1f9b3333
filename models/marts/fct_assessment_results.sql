{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with final as (
    select
        results.result_id,
        results.user_id,
        results.session_id,
        results.assessment_id,
        assessments.assessment_name,
        results.attempt_number,
        results.submitted_at,
        results.score_pct,
        results.is_passed
    from {{ ref('stg_assessment_results') }} as results
    inner join {{ ref('stg_assessments') }} as assessments
        on results.assessment_id = assessments.assessment_id and assessments.is_kept
    where results.is_kept and {{ in_affected_learners('results.user_id') }}
)

select * from final
