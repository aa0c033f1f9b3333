{{ config(materialized='incremental', incremental_strategy='affected_learners') }}
{%- set cap = var('max_connection_minutes') %}
{%- set cap_ends = 'connected_at + interval ' ~ cap ~ ' minutes' if cap else 'disconnected_at' %}
{%- set turn = [
    'connections.connected_at',
    'connections.disconnected_at nulls last',
    id_order('connections.connection_id'),
    id_order('connections.session_id'),
    id_order('connections.course_id'),
] | join(', ') %}

with connections as (
    select
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        end_kind,
        evidence_level,
        modality,
        is_ambiguous_hour,
        -- T5: with a cap, a longer connection ends at connected_at + cap for what follows; an open one takes no part
        case
            when disconnected_at is not null
                then least(disconnected_at, {{ cap_ends }})
        end as counted_until
    from {{ ref('int_connections__united') }}
    where not is_superseded and {{ in_affected_learners() }}
),

-- T5: what the person's earlier connections, of all accounts, cover reaches without a gap from this one's start to
-- their latest end. Only where two have one id, which the platform then delivered, do session and course decide which
-- is earlier.
covered as (
    select
        connections.*,
        learners.person_id,
        row_number() over person as counting_number,
        max(connections.counted_until) over person_before as covered_until
    from connections
    inner join {{ ref('int_learners__identified') }} as learners on connections.user_id = learners.user_id
    window
        person as (
            partition by learners.person_id
            order by {{ turn }}
        ),
        person_before as (
            partition by learners.person_id
            order by {{ turn }}
            rows between unbounded preceding and 1 preceding
        )
),

-- T5: whole seconds, rounded down; T6: whole minutes between the two instants as printed, cut to the minute
final as (
    select
        connection_id,
        person_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        counted_until,
        least(counted_until, greatest(connected_at, covered_until)) as counted_from,
        counting_number,
        end_kind,
        evidence_level,
        modality,
        is_ambiguous_hour,
        {{ whole_units_between('second', 'connected_at', 'disconnected_at') }} as elapsed_seconds,
        {{ whole_units_between('second', 'counted_until', 'disconnected_at') }} as capped_seconds,
        {{ whole_units_between('second', 'counted_from', 'counted_until') }} as retained_seconds,
        elapsed_seconds - capped_seconds - retained_seconds as overlap_seconds,
        {{ whole_units_between(
            'minute', "date_trunc('minute', connected_at)", "date_trunc('minute', disconnected_at)"
        ) }} as time_spent_minutes
    from covered
)

select * from final
