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

final as (
    select
        user_id,
        session_id,
        bool_or(is_enrolled) as is_enrolled
    from traces
    where {{ in_affected_learners() }}
    group by user_id, session_id
)

select * from final
