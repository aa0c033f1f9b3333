{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}
{%- set credit = var('credit') %}
{%- set begun = 'coalesce(cast(steps.progress_pct * 1000000 as bigint), 0)' if credit.partial == 'pro_rata' else 0 %}

with completions as (
    select
        user_id,
        session_id,
        step_type,
        resource_id,
        is_completed,
        first_completed_at,
        completion_source
    from {{ ref('int_learner_session_steps__scored') }}
    where {{ in_affected_learners() }}
),

-- with the share that counts, in millionths of a percent
steps as (
    select
        steps.user_id,
        steps.session_id,
        steps.step_type,
        steps.resource_id,
        steps.step_number,
        steps.resource_name,
        steps.is_optional,
        courses.course_type,
        assessments.evaluation_kind,
        steps.planned_duration_seconds,
        steps.is_started,
        completions.is_completed,
        completions.first_completed_at as completed_at,
        completions.completion_source,
        steps.progress_pct,
        steps.score_pct,
        steps.is_passed,
        steps.retained_seconds,
        program_sessions.planned_duration_seconds as program_seconds,
        case when completions.is_completed then 100000000 else {{ begun }} end as share
    from {{ ref('fct_learner_session_steps') }} as steps
    inner join completions using (user_id, session_id, step_type, resource_id)
    inner join {{ ref('dim_program_sessions') }} as program_sessions using (session_id)
    left join {{ ref('dim_courses') }} as courses
        on steps.step_type = 'course' and steps.resource_id = courses.course_id
    left join {{ ref('dim_assessments') }} as assessments
        on steps.step_type = 'assessment' and steps.resource_id = assessments.assessment_id
    where steps.is_in_program and {{ in_affected_learners('steps.user_id') }}
),

creditable as (
    select
        *,
        -- whole hundred millions and the rest apart, as their product with a share is more than a bigint holds
        coalesce(
            {{ whole_quotient('planned_duration_seconds', 100000000) }} * share
            + {{ whole_quotient('planned_duration_seconds % 100000000 * share', 100000000) }},
            0
        ) as creditable_seconds
    from steps
),

-- in the order of completion, so that what is completed later takes nothing from what was credited before
with_sums as (
    select
        *,
        sum(cast(creditable_seconds as decimal(38, 0))) over (
            partition by user_id, session_id
            order by completed_at nulls last, step_number
            rows between unbounded preceding and current row
        ) as creditable_until,
        creditable_until - creditable_seconds as creditable_before
    from creditable
),

final as (
    select
        user_id,
        session_id,
        step_type,
        resource_id,
        step_number,
        resource_name,
        is_optional,
        course_type,
        evaluation_kind,
        planned_duration_seconds,
        is_started,
        is_completed,
        completed_at,
        completion_source,
        progress_pct,
        score_pct,
        is_passed,
        retained_seconds,
        share > 0 and planned_duration_seconds is null as is_without_duration,
        creditable_seconds,
        {%- if credit.cap_at_program %}
        cast(
            least(creditable_until, coalesce(program_seconds, creditable_until))
            - least(creditable_before, coalesce(program_seconds, creditable_before))
            as bigint
        ) as credited_seconds,
        {%- else %}
        creditable_seconds as credited_seconds,
        {%- endif %}
        -- an assessment has no connections of its own
        coalesce(
            step_type = 'course'
            and is_completed
            and cast(retained_seconds as decimal(38, 0)) * 100
            < cast(planned_duration_seconds as decimal(38, 0)) * {{ credit.suspicious_below_pct }},
            false
        ) as is_suspicious
    from with_sums
)

select * from final
