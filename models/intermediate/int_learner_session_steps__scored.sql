{{ config(materialized='incremental', incremental_strategy='touched_learners', tags=['reads_snapshots']) }}

with learner_sessions as (
    select
        found.user_id,
        found.session_id,
        program_sessions.program_template_id
    from {{ ref('int_learner_sessions__found') }} as found
    inner join {{ ref('stg_program_sessions') }} as program_sessions
        on found.session_id = program_sessions.session_id and program_sessions.is_kept
    where {{ touched_learners_only('found.user_id') }}
),

program as (
    select
        learner_sessions.user_id,
        learner_sessions.session_id,
        placed.step_type,
        placed.resource_id,
        placed.program_position,
        placed.is_optional
    from learner_sessions
    inner join {{ ref('int_program_steps__placed') }} as placed
        on learner_sessions.program_template_id = placed.program_template_id
),

course_connections as (
    select
        user_id,
        session_id,
        'course' as step_type,
        course_id as resource_id,
        count(*) as connection_count,
        cast(sum(retained_seconds) as bigint) as retained_seconds
    from {{ ref('int_connections__measured') }}
    where {{ touched_learners_only() }}
    group by user_id, session_id, course_id
),

course_attempts as (
    select
        user_id,
        session_id,
        'course' as step_type,
        course_id as resource_id,
        max(progress_pct) as progress_pct,
        max(score_pct) as score_pct,
        min(completed_at) as completed_at
    from {{ ref('stg_course_attempts') }}
    where is_kept and session_id is not null and {{ touched_learners_only() }}
    group by user_id, session_id, course_id
),

assessment_results as (
    select
        user_id,
        session_id,
        'assessment' as step_type,
        assessment_id as resource_id,
        max(score_pct) as score_pct,
        bool_or(is_passed) as is_passed,
        case
            when bool_or(is_passed) then min(submitted_at) filter (where is_passed)
            else max(submitted_at)
        end as completed_at
    from {{ ref('stg_assessment_results') }}
    where is_kept and {{ touched_learners_only() }}
    group by user_id, session_id, assessment_id
),

resources as (
    select
        user_id,
        session_id,
        step_type,
        resource_id
    from program
    union
    select
        user_id,
        session_id,
        step_type,
        resource_id
    from course_connections
    union
    select
        user_id,
        session_id,
        step_type,
        resource_id
    from course_attempts
    union
    select
        user_id,
        session_id,
        step_type,
        resource_id
    from assessment_results
),

final as (
    select
        user_id,
        session_id,
        step_type,
        resource_id,
        program.program_position,
        program.is_optional,
        program.program_position is not null as is_in_program,
        course_connections.connection_count is not null
        or course_attempts.resource_id is not null
        or assessment_results.resource_id is not null as is_started,
        coalesce(course_connections.connection_count, 0) as connection_count,
        coalesce(course_connections.retained_seconds, 0) as retained_seconds,
        course_attempts.progress_pct,
        coalesce(course_attempts.score_pct, assessment_results.score_pct) as score_pct,
        assessment_results.is_passed,
        coalesce(course_attempts.completed_at, assessment_results.completed_at) as completed_at
    from resources
    left join program using (user_id, session_id, step_type, resource_id)
    left join course_connections using (user_id, session_id, step_type, resource_id)
    left join course_attempts using (user_id, session_id, step_type, resource_id)
    left join assessment_results using (user_id, session_id, step_type, resource_id)
)

select * from final
