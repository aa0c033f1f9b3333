{{ config(materialized='incremental', incremental_strategy='affected_learners') }}

with connections as (
    select
        user_id,
        session_id,
        course_id,
        connected_at,
        -- of an open connection only connected_at is known
        coalesce(disconnected_at, connected_at) as present_until
    from {{ ref('int_connections__measured') }}
    where {{ in_affected_learners() }}
),

submissions as (
    select
        user_id,
        session_id,
        submitted_at
    from {{ ref('stg_assessment_results') }}
    where is_kept and submitted_at is not null and {{ in_affected_learners() }}
),

completions as (
    select
        user_id,
        session_id,
        course_id,
        completed_at
    from {{ ref('stg_course_attempts') }}
    where is_kept and session_id is not null and completed_at is not null and {{ in_affected_learners() }}
    union all
    select
        user_id,
        session_id,
        course_id,
        occurred_at as completed_at
    from {{ ref('stg_learning_events') }}
    where is_kept and session_id is not null and verb = 'completed' and {{ in_affected_learners() }}
    union all
    select
        user_id,
        session_id,
        course_id,
        disconnected_at as completed_at
    from {{ ref('int_connections__native') }}
    where end_kind = 'completed' and {{ in_affected_learners() }}
),

interactions as (
    select
        user_id,
        session_id,
        asked_at,
        answered_at
    from {{ ref('stg_tutor_interactions') }}
    where is_kept and is_automated is distinct from true and {{ in_affected_learners() }}
),

interaction_instants as (
    select
        user_id,
        session_id,
        asked_at as interacted_at
    from interactions
    where asked_at is not null
    union all
    select
        user_id,
        session_id,
        answered_at as interacted_at
    from interactions
    where answered_at is not null
),

in_turn as (
    select
        user_id,
        session_id,
        course_id,
        connected_at as happened_at,
        present_until,
        'connection' as kind
    from connections
    union all
    select
        user_id,
        session_id,
        null as course_id,
        submitted_at as happened_at,
        null as present_until,
        'submission' as kind
    from submissions
    union all
    select
        user_id,
        session_id,
        course_id,
        completed_at as happened_at,
        null as present_until,
        'completion' as kind
    from completions
    union all
    select
        user_id,
        session_id,
        null as course_id,
        interacted_at as happened_at,
        null as present_until,
        'interaction' as kind
    from interaction_instants
),

-- of each the first at or after the beginning
with_next as (
    select
        user_id,
        session_id,
        course_id,
        happened_at as connected_at,
        least(
            min(case when kind = 'submission' then happened_at end) over in_session,
            min(case when kind = 'completion' then happened_at end) over in_course
        ) <= present_until + interval 15 minutes as is_work,
        min(case when kind = 'interaction' then happened_at end) over in_session <= present_until as is_tutored
    from in_turn
    window
        in_session as (partition by user_id, session_id order by happened_at desc),
        in_course as (partition by user_id, session_id, course_id order by happened_at desc)
),

final as (
    select
        user_id,
        session_id,
        course_id,
        connected_at,
        case when is_work then 'work' else 'tutored' end as proof_level
    from with_next
    where is_work or is_tutored
)

select * from final
