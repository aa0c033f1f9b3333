{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with program as (
    select
        found.user_id,
        found.session_id,
        placed.step_type,
        placed.resource_id,
        placed.program_position,
        placed.is_optional
    from {{ ref('int_learner_sessions__found') }} as found
    inner join {{ ref('stg_program_sessions') }} as program_sessions using (session_id)
    inner join {{ ref('int_program_steps__placed') }} as placed using (program_template_id)
    where program_sessions.is_kept and {{ in_affected_learners('found.user_id') }}
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
    where {{ in_affected_learners() }}
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
        min(completed_at) as completed_at,
        bool_or(completed_at is not null or progress_pct = 100) as is_completed,
        -- D1: of a progress of 100 without a date of completion, the last activity
        min(case when completed_at is null and progress_pct = 100 then last_activity_at end) as full_progress_at,
        min(least(first_activity_at, last_activity_at, completed_at)) as first_activity_at,
        max(greatest(first_activity_at, last_activity_at, completed_at)) as last_activity_at
    from {{ ref('stg_course_attempts') }}
    where is_kept and session_id is not null and {{ in_affected_learners() }}
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
        end as completed_at,
        -- D1: a passed result, or, where none says passed or failed, any
        bool_or(is_passed) or count(is_passed) = 0 as is_completed,
        case when bool_or(is_passed) then 'result_passed' else 'result_submitted' end as completion_source,
        case
            when bool_or(is_passed) then min(submitted_at) filter (where is_passed)
            else min(submitted_at)
        end as first_completed_at,
        min(submitted_at) as first_activity_at,
        max(submitted_at) as last_activity_at
    from {{ ref('stg_assessment_results') }}
    where is_kept and {{ in_affected_learners() }}
    group by user_id, session_id, assessment_id
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
        course_attempts.resource_id is not null as has_attempt,
        coalesce(course_connections.connection_count, 0) as connection_count,
        coalesce(course_connections.retained_seconds, 0) as retained_seconds,
        course_attempts.progress_pct,
        coalesce(course_attempts.score_pct, assessment_results.score_pct) as score_pct,
        assessment_results.is_passed,
        coalesce(course_attempts.completed_at, assessment_results.completed_at) as completed_at,
        coalesce(course_attempts.is_completed, assessment_results.is_completed, false) as is_completed,
        case
            when course_attempts.is_completed
                then least(course_attempts.completed_at, course_attempts.full_progress_at)
            when assessment_results.is_completed then assessment_results.first_completed_at
        end as first_completed_at,
        case
            when
                course_attempts.completed_at
                <= coalesce(course_attempts.full_progress_at, course_attempts.completed_at)
                then 'attempt_completed'
            when course_attempts.is_completed then 'attempt_progress'
            when assessment_results.is_completed then assessment_results.completion_source
        end as completion_source,
        coalesce(course_attempts.first_activity_at, assessment_results.first_activity_at) as first_activity_at,
        coalesce(course_attempts.last_activity_at, assessment_results.last_activity_at) as last_activity_at
    from program
    full join course_connections using (user_id, session_id, step_type, resource_id)
    full join course_attempts using (user_id, session_id, step_type, resource_id)
    full join assessment_results using (user_id, session_id, step_type, resource_id)
)

select * from final
