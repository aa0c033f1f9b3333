{{ config(materialized='incremental', incremental_strategy='touched_learners') }}

with united as (
    select * from {{ ref('int_connections__native') }}
    union all by name
    select * from {{ ref('int_connections__marked') }}
    union all by name
    select * exclude (first_event_id, last_event_id, last_event_at, event_count) from {{ ref('int_connections__runs') }}
),

identified as (
    select
        united.* exclude (delivered_connection_id),
        united.delivered_connection_id is not null as has_delivered_id,
        coalesce(united.delivered_connection_id, {{ made_connection_id() }}) as connection_id,
        evidence_levels.strength
    from united
    inner join {{ ref('evidence_levels') }} as evidence_levels on united.evidence_level = evidence_levels.evidence_level
    where {{ touched_learners_only('united.user_id') }}
),

final as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        end_kind,
        evidence_level,
        row_number() over (
            partition by user_id, session_id, course_id, connected_at
            order by
                disconnected_at is null, strength desc, disconnected_at desc, {{ id_order('connection_id') }}, end_kind
        ) > 1 as is_superseded,
        evidence_level in ('native_log', 'attempt_span') as is_native
    from identified
)

select * from final
