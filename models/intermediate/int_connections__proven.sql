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
        unnest([asked_at, answered_at]) as interacted_at
    from {{ ref('stg_tutor_interactions') }}
    where is_kept and is_automated is distinct from true and {{ in_affected_learners() }}
),

interaction_instants as (
    select * from interactions where interacted_at is not null
),

-- of each the first at or after the beginning
with_next as (
    select
        connections.*,
        least(submissions.submitted_at, completions.completed_at)
        <= connections.present_until + interval 15 minutes as is_work,
        interaction_instants.interacted_at <= connections.present_until as is_tutored
    from connections
    asof left join submissions
        on
            connections.user_id = submissions.user_id
            and connections.session_id = submissions.session_id
            and connections.connected_at <= submissions.submitted_at
    asof left join completions
        on
            connections.user_id = completions.user_id
            and connections.session_id = completions.session_id
            and connections.course_id = completions.course_id
            and connections.connected_at <= completions.completed_at
    asof left join interaction_instants
        on
            connections.user_id = interaction_instants.user_id
            and connections.session_id = interaction_instants.session_id
            and connections.connected_at <= interaction_instants.interacted_at
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
