{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with learner_sessions as (
    select
        user_id,
        session_id
    from {{ ref('int_learner_sessions__found') }}
    where {{ in_affected_learners() }}
),

-- both of one enrolment: the one with the latest enrolled_at that has either; an empty one is the earliest
enrolled as (
    select
        user_id,
        session_id,
        progress_pct,
        score_pct
    from {{ ref('stg_enrollments') }}
    where is_kept and (progress_pct is not null or score_pct is not null) and {{ in_affected_learners() }}
    qualify row_number() over (
        partition by user_id, session_id
        order by enrolled_at desc nulls last, {{ id_order('enrollment_id') }}
    ) = 1
),

-- what each step of the program adds to the means: a mandatory course its progress, 0 without an attempt
steps as (
    select
        user_id,
        session_id,
        is_started,
        has_attempt,
        first_activity_at,
        last_activity_at,
        case
            when is_in_program and step_type = 'course' and not is_optional then coalesce(progress_pct, 0)
        end as progress_pct,
        case when is_in_program and step_type = 'assessment' then score_pct end as assessment_score_pct,
        case when is_in_program and step_type = 'course' then score_pct end as course_score_pct
    from {{ ref('int_learner_session_steps__scored') }}
    where {{ in_affected_learners() }}
),

-- exact means, cut to six decimals, so that rounding half up to one decimal stays right
stepped as (
    select
        user_id,
        session_id,
        {%- for pct in ['progress_pct', 'assessment_score_pct', 'course_score_pct'] %}
        {{ mean_pct(pct) }} as {{ pct }},
        {%- endfor %}
        count(*) filter (where is_started) as started_resource_count,
        bool_or(has_attempt) as has_attempt,
        min(first_activity_at) as first_activity_at,
        max(last_activity_at) as last_activity_at
    from steps
    group by user_id, session_id
),

final as (
    select
        user_id,
        session_id,
        coalesce(enrolled.progress_pct, case when stepped.has_attempt then stepped.progress_pct end) as progress_pct,
        case
            when enrolled.progress_pct is not null then 'platform'
            when stepped.has_attempt and stepped.progress_pct is not null then 'courses'
        end as progress_source,
        coalesce(enrolled.score_pct, stepped.assessment_score_pct, stepped.course_score_pct) as score_pct,
        case
            when enrolled.score_pct is not null then 'platform'
            when stepped.assessment_score_pct is not null then 'assessments'
            when stepped.course_score_pct is not null then 'courses'
        end as score_source,
        coalesce(stepped.started_resource_count, 0) as started_resource_count,
        stepped.first_activity_at,
        stepped.last_activity_at
    from learner_sessions
    left join enrolled using (user_id, session_id)
    left join stepped using (user_id, session_id)
)

select * from final
