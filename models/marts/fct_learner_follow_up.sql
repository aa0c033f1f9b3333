{%- set silence = "interval '" ~ var('follow_up').silence_days ~ " days'" %}

-- what an incremental build keeps of each learner; the clock comes to it here, in every build
with learners as (
    select
        learner_sessions.user_id,
        learner_sessions.session_id,
        learner_sessions.last_unenrolled_at,
        learner_sessions.first_activity_at,
        learner_sessions.last_activity_at,
        learner_sessions.required_step_count,
        learner_sessions.completed_required_step_count,
        learner_sessions.handed_in_assessment_count,
        learner_sessions.judged_assessment_count,
        learner_sessions.passed_assessment_count,
        program_sessions.starts_at,
        program_sessions.ends_at,
        this_build.clock_at as established_at,
        learner_sessions.started_resource_count > 0
        or learner_sessions.last_activity_at is not null as has_activity,
        learner_sessions.required_step_count > 0 as has_required_step,
        learner_sessions.required_step_count > 0
        and learner_sessions.completed_required_step_count
        = learner_sessions.required_step_count as has_completed_steps,
        learner_sessions.required_course_count > 0
        and learner_sessions.completed_required_course_count = learner_sessions.required_course_count
        and learner_sessions.handed_in_assessment_count = 0 as has_lessons_alone,
        greatest(
            learner_sessions.last_activity_at, learner_sessions.last_enrolled_at, program_sessions.starts_at
        ) as silent_since_at,
        coalesce(this_build.clock_at < program_sessions.starts_at, false) as is_before_session,
        coalesce(this_build.clock_at > program_sessions.ends_at, false) as has_session_ended,
        coalesce(this_build.clock_at > learner_sessions.last_unenrolled_at, false) as has_enrollment_ended
    from {{ ref('fct_learner_sessions') }} as learner_sessions
    inner join {{ ref('dim_program_sessions') }} as program_sessions using (session_id)
    cross join {{ ref('stg_this_build') }} as this_build
    where learner_sessions.is_enrolled or not learner_sessions.is_instructor
),

opened as (
    select
        *,
        has_completed_steps and handed_in_assessment_count > 0 as is_effective,
        not is_before_session and not has_session_ended and not has_enrollment_ended as is_open
    from learners
),

silenced as (
    select
        *,
        is_open
        and not is_effective
        and coalesce(established_at >= silent_since_at + {{ silence }}, false) as is_silent
    from opened
),

final as (
    select
        user_id,
        session_id,
        established_at,
        case
            when is_effective then 'effective'
            when has_session_ended or has_enrollment_ended then 'incomplete'
            when is_silent then 'to_chase'
            when has_lessons_alone then 'incomplete'
            when not has_activity then 'not_started'
            else 'in_progress'
        end as follow_up_status,
        {{ words_where({
            'no_activity': 'not has_activity',
            'session_not_begun': 'is_before_session',
            'session_ended': 'has_session_ended',
            'enrollment_ended': 'has_enrollment_ended',
            'silent': 'is_silent',
            'no_required_step': 'not has_required_step',
            'required_steps_missing': 'has_required_step and not has_completed_steps',
            'required_steps_completed': 'has_completed_steps',
            'lessons_without_assessment': 'has_lessons_alone',
            'assessment_passed': 'passed_assessment_count > 0',
            'assessment_handed_in': 'handed_in_assessment_count > 0',
        }) }} as follow_up_reasons,
        is_open,
        has_activity,
        has_completed_steps,
        -- of a program without a required step nobody can say that it was left too early
        has_activity
        and has_required_step
        and not has_completed_steps
        and (
            (has_enrollment_ended and coalesce(last_unenrolled_at < ends_at, true))
            or (has_session_ended and coalesce(last_activity_at + {{ silence }} <= ends_at, false))
        ) as has_abandoned,
        first_activity_at,
        last_activity_at,
        silent_since_at,
        last_unenrolled_at,
        required_step_count,
        completed_required_step_count,
        handed_in_assessment_count,
        judged_assessment_count,
        passed_assessment_count
    from silenced
)

select * from final
