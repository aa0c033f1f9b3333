{{ config(materialized='incremental', incremental_strategy='touched_learners') }}

with connections as (
    select * exclude (is_superseded)
    from {{ ref('int_connections__united') }}
    where not is_superseded and {{ touched_learners_only() }}
),

-- T5: with a cap, a longer connection ends at connected_at + cap for what follows; an open one takes no part
capped as (
    select
        *,
        least(disconnected_at, connected_at + {{ max_connection() }}) as counted_until
    from connections
    where disconnected_at is not null
),

-- T5: what the learner's earlier connections cover reaches without a gap from this one's start to their latest end
covered as (
    select
        *,
        max(counted_until) over (
            partition by user_id
            order by {{ counting_order() }}
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from capped
),

seconds as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        counted_until,
        {{ seconds_between('connected_at', 'disconnected_at') }} as elapsed_seconds,
        {{ seconds_between('counted_until', 'disconnected_at') }} as capped_seconds,
        {{ seconds_between(
            'least(counted_until, greatest(connected_at, coalesce(covered_until, connected_at)))', 'counted_until'
        ) }} as retained_seconds
    from covered
),

-- T6: both instants first cut to the minute
minutes as (
    select
        connections.*,
        seconds.counted_until,
        seconds.elapsed_seconds,
        seconds.capped_seconds,
        seconds.retained_seconds,
        seconds.elapsed_seconds - seconds.capped_seconds - seconds.retained_seconds as overlap_seconds,
        {{ seconds_between(
            "date_trunc('minute', connections.connected_at)", "date_trunc('minute', connections.disconnected_at)"
        ) }} // 60 as time_spent_minutes
    from connections
    left join seconds
        on
            connections.user_id = seconds.user_id
            and connections.session_id = seconds.session_id
            and connections.course_id = seconds.course_id
            and connections.connected_at = seconds.connected_at
),

final as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        counted_until,
        end_kind,
        evidence_level,
        elapsed_seconds,
        capped_seconds,
        overlap_seconds,
        retained_seconds,
        time_spent_minutes
    from minutes
)

select * from final
