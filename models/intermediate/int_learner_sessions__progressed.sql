{{ config(materialized='incremental', incremental_strategy='touched_learners', tags=['reads_snapshots']) }}

with learner_sessions as (
    select
        user_id,
        session_id
    from {{ ref('int_learner_sessions__found') }}
    where {{ touched_learners_only() }}
),

-- of the enrolments that have the value, the one with the latest enrolled_at; an empty one is the earliest
enrolled as (
    select
        user_id,
        session_id,
        {{ of_latest_enrollment('progress_pct') }} as progress_pct,
        {{ of_latest_enrollment('score_pct') }} as score_pct
    from {{ ref('stg_enrollments') }}
    where is_kept and {{ touched_learners_only() }}
    group by user_id, session_id
),

attempts as (
    select is_delivered from {{ ref('stg_raw_tables') }} where table_name = 'course_attempts'
),

program_steps as (
    select
        *,
        coalesce(progress_pct, 0) as progress_or_zero_pct
    from {{ ref('int_learner_session_steps__scored') }}
    where is_in_program and {{ touched_learners_only() }}
),

-- where no enrolment says it, from the steps of the program
stepped as (
    select
        user_id,
        session_id,
        {{ mean_pct('progress_or_zero_pct', "step_type = 'course' and not is_optional") }} as progress_pct,
        {{ mean_pct('score_pct', "step_type = 'assessment' and score_pct is not null") }} as assessment_score_pct,
        {{ mean_pct('score_pct', "step_type = 'course' and score_pct is not null") }} as course_score_pct
    from program_steps
    group by user_id, session_id
),

final as (
    select
        user_id,
        session_id,
        coalesce(enrolled.progress_pct, case when attempts.is_delivered then stepped.progress_pct end) as progress_pct,
        case
            when enrolled.progress_pct is not null then 'enrollment'
            when attempts.is_delivered and stepped.progress_pct is not null then 'course_attempts'
        end as progress_source,
        coalesce(enrolled.score_pct, stepped.assessment_score_pct, stepped.course_score_pct) as score_pct,
        case
            when enrolled.score_pct is not null then 'enrollment'
            when stepped.assessment_score_pct is not null then 'assessment_results'
            when stepped.course_score_pct is not null then 'course_attempts'
        end as score_source
    from learner_sessions
    cross join attempts
    left join enrolled using (user_id, session_id)
    left join stepped using (user_id, session_id)
)

select * from final
