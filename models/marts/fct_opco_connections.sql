{{ config(materialized='incremental', incremental_strategy='touched_learners', tags=['reads_snapshots']) }}
-- depends_on: {{ ref('dim_custom_fields') }}
{%- set fields = custom_field_columns() %}

with connections as (
    select * from {{ ref('int_connections__measured') }} where {{ touched_learners_only() }}
),

flagged as (
    select * from {{ ref('int_connections__flagged') }} where {{ touched_learners_only() }}
),

overlapped as (
    select * from {{ ref('int_connections__overlapped') }} where {{ touched_learners_only() }}
),

custom_fields as (
    select {{ custom_field_values(fields) }} user_id
    from {{ ref('bridge_learner_custom_fields') }}
    where {{ touched_learners_only() }}
    group by user_id
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
        connections.elapsed_seconds,
        connections.capped_seconds,
        connections.overlap_seconds,
        connections.retained_seconds,
        connections.time_spent_minutes,
        coalesce(overlapped.is_overlapped_in_session, false) as is_overlapped_in_session,
        coalesce(overlapped.is_overlapped_outside_session, false) as is_overlapped_outside_session,
        flagged.flags,
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
        custom_fields.* exclude (user_id)
    from connections
    inner join flagged
        on
            connections.user_id = flagged.user_id
            and connections.session_id = flagged.session_id
            and connections.course_id = flagged.course_id
            and connections.connected_at = flagged.connected_at
    inner join {{ ref('dim_program_sessions') }} as program_sessions
        on connections.session_id = program_sessions.session_id
    inner join {{ ref('dim_courses') }} as courses on connections.course_id = courses.course_id
    inner join {{ ref('dim_learners') }} as learners on connections.user_id = learners.user_id
    left join overlapped
        on
            connections.user_id = overlapped.user_id
            and connections.session_id = overlapped.session_id
            and connections.course_id = overlapped.course_id
            and connections.connected_at = overlapped.connected_at
    left join custom_fields on connections.user_id = custom_fields.user_id
)

select * from final
