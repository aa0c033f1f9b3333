{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with traces as (
    select
        user_id,
        session_id,
        true as is_enrolled
    from {{ ref('stg_enrollments') }}
    where is_kept
    union all
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('int_connections__measured') }}
    union all
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('stg_course_attempts') }}
    where is_kept and session_id is not null
    union all
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('stg_assessment_results') }}
    where is_kept
    union all
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('stg_tutor_interactions') }}
    where is_kept
),

found as (
    select
        user_id,
        session_id,
        bool_or(is_enrolled) as is_enrolled
    from traces
    where {{ in_affected_learners() }}
    group by user_id, session_id
),

-- who is enrolled once without an end is enrolled still
enrollments as (
    select
        user_id,
        session_id,
        max(enrolled_at) as last_enrolled_at,
        case when count(unenrolled_at) = count(*) then max(unenrolled_at) end as last_unenrolled_at
    from {{ ref('stg_enrollments') }}
    where is_kept and {{ in_affected_learners() }}
    group by user_id, session_id
),

final as (
    select
        user_id,
        session_id,
        found.is_enrolled,
        enrollments.last_enrolled_at,
        enrollments.last_unenrolled_at
    from found
    left join enrollments using (user_id, session_id)
)

select * from final
