{{ config(materialized='incremental', incremental_strategy='touched_learners', tags=['reads_snapshots']) }}

with enrolled as (
    select
        user_id,
        session_id,
        true as is_enrolled
    from {{ ref('stg_enrollments') }}
    where is_kept
),

connected as (
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('int_connections__measured') }}
),

attempted as (
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('stg_course_attempts') }}
    where is_kept and session_id is not null
),

assessed as (
    select
        user_id,
        session_id,
        false as is_enrolled
    from {{ ref('stg_assessment_results') }}
    where is_kept
),

traces as (
    select * from enrolled
    union all
    select * from connected
    union all
    select * from attempted
    union all
    select * from assessed
),

final as (
    select
        user_id,
        session_id,
        bool_or(is_enrolled) as is_enrolled
    from traces
    where {{ touched_learners_only() }}
    group by user_id, session_id
)

select * from final
