with final as (
    select
        connection_id as delivered_connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        case when disconnected_at is null then 'open' else end_reason end as end_kind,
        evidence_level,
        modality,
        is_connected_at_ambiguous or is_disconnected_at_ambiguous as is_ambiguous_hour
    from {{ ref('stg_course_connections') }}
    where is_kept
)

select * from final
