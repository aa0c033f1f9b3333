{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with steps as (
    select * from {{ ref('int_learner_session_steps__scored') }} where {{ in_affected_learners() }}
),

named as (
    select
        steps.*,
        coalesce(courses.course_name, assessments.assessment_name) as resource_name,
        coalesce(courses.planned_duration_seconds, assessments.planned_duration_seconds) as planned_duration_seconds
    from steps
    left join {{ ref('dim_courses') }} as courses
        on steps.step_type = 'course' and steps.resource_id = courses.course_id
    left join {{ ref('dim_assessments') }} as assessments
        on steps.step_type = 'assessment' and steps.resource_id = assessments.assessment_id
),

-- the program in its order, then what was done beside it by name
final as (
    select
        user_id,
        session_id,
        step_type,
        resource_id,
        row_number() over (
            partition by user_id, session_id
            order by
                program_position nulls last,
                case when program_position is null then {{ alphabetical('resource_name') }} end nulls last,
                case when program_position is null then resource_name end nulls last,
                {{ id_order('resource_id') }},
                step_type
        ) as step_number,
        resource_name,
        is_in_program,
        is_optional,
        program_position,
        planned_duration_seconds,
        is_started,
        connection_count,
        retained_seconds,
        progress_pct,
        score_pct,
        is_passed,
        completed_at
    from named
)

select * from final
