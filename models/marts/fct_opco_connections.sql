{{ config(materialized='incremental', incremental_strategy='affected_learners', tags=['reads_snapshots']) }}

with connections as (
    select * from {{ ref('int_connections__flagged') }} where {{ in_affected_learners() }}
),

overlapped as (
    select * from {{ ref('int_connections__overlapped') }} where {{ in_affected_learners() }}
),

proven as (
    select * from {{ ref('int_connections__proven') }} where {{ in_affected_learners() }}
),

final as (
    select
        connections.connection_id,
        connections.user_id,
        connections.session_id,
        connections.course_id,
        connections.connected_at,
        connections.disconnected_at,
        cast({{ local_time('connections.connected_at') }} as date) as connected_on,
        connections.end_kind,
        connections.evidence_level,
        coalesce(connections.modality, 'async') as modality,
        connections.modality is not null as has_delivered_modality,
        coalesce(proven.proof_level, 'consultation') as proof_level,
        connections.elapsed_seconds,
        connections.capped_seconds,
        connections.overlap_seconds,
        connections.retained_seconds,
        connections.time_spent_minutes,
        coalesce(overlapped.is_overlapped_in_session, false) as is_overlapped_in_session,
        coalesce(overlapped.is_overlapped_outside_session, false) as is_overlapped_outside_session,
        coalesce(overlapped.is_overlapped_by_other_account, false) as is_overlapped_by_other_account,
        connections.flags,
        program_sessions.session_name,
        program_sessions.program_template_id,
        program_sessions.program_template_name,
        courses.course_name,
        learners.last_name,
        learners.first_name,
        learners.email,
        learners.employer,
        learners.additional_information,
        learners.labels,
        {{ all_but(fixed_learner_columns(), of='learners') }}
    from connections
    left join overlapped using (user_id, session_id, course_id, connected_at)
    left join proven using (user_id, session_id, course_id, connected_at)
    inner join {{ ref('dim_program_sessions') }} as program_sessions
        on connections.session_id = program_sessions.session_id
    inner join {{ ref('dim_courses') }} as courses on connections.course_id = courses.course_id
    inner join {{ ref('dim_learners') }} as learners on connections.user_id = learners.user_id
)

select * from final
