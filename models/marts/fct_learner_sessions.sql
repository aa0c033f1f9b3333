{{ config(materialized='incremental', incremental_strategy='touched_learners', tags=['reads_snapshots']) }}

with connections as (
    select
        user_id,
        session_id,
        count(*) as connection_count,
        count(*) filter (where disconnected_at is null) as open_connection_count,
        cast(sum(elapsed_seconds) as bigint) as elapsed_seconds,
        cast(sum(capped_seconds) as bigint) as capped_seconds,
        cast(sum(overlap_seconds) as bigint) as overlap_seconds,
        cast(sum(retained_seconds) as bigint) as retained_seconds,
        min(connected_at) as first_connected_at,
        max(coalesce(disconnected_at, connected_at)) as last_connection_at,
        count(distinct connected_on) as connection_day_count
    from {{ ref('fct_opco_connections') }}
    where {{ touched_learners_only() }}
    group by user_id, session_id
),

final as (
    select
        user_id,
        session_id,
        found.is_enrolled,
        connections.connection_count is not null as has_played,
        coalesce(connections.connection_count, 0) as connection_count,
        coalesce(connections.open_connection_count, 0) as open_connection_count,
        coalesce(connections.elapsed_seconds, 0) as elapsed_seconds,
        coalesce(connections.capped_seconds, 0) as capped_seconds,
        coalesce(connections.overlap_seconds, 0) as overlap_seconds,
        coalesce(connections.retained_seconds, 0) as retained_seconds,
        connections.first_connected_at,
        connections.last_connection_at,
        coalesce(connections.connection_day_count, 0) as connection_day_count,
        progressed.progress_pct,
        progressed.score_pct,
        progressed.progress_source,
        progressed.score_source
    from {{ ref('int_learner_sessions__found') }} as found
    inner join {{ ref('int_learner_sessions__progressed') }} as progressed using (user_id, session_id)
    left join connections using (user_id, session_id)
    where {{ touched_learners_only() }}
)

select * from final
