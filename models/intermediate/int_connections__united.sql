{{ config(materialized='incremental', incremental_strategy='affected_learners') }}

with connections as (
    {%- for model in ['native', 'marked', 'runs'] %}
    select
        {{ 'delivered_connection_id' if model == 'native' else 'null as delivered_connection_id' }},
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        end_kind,
        evidence_level,
        {{ 'modality' if model == 'native' else 'null as modality' }},
        is_ambiguous_hour,
        {{ 'true' if model == 'native' else 'false' }} as is_native,
        {{ 'is_after_completion' if model == 'runs' else 'false as is_after_completion' }}
    from {{ ref('int_connections__' ~ model) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- a closed logged connection is widened at both ends: by a minute, but by no more than its own length
widened as (
    select
        {{ all_but(['delivered_connection_id'], of='connections') }},
        coalesce(delivered_connection_id, {{ made_connection_id() }}) as connection_id,
        evidence_level = 'native_log' and disconnected_at is not null as is_closed_log,
        case
            when is_closed_log then least(interval 1 minute, disconnected_at - connected_at) else interval 0 minutes
        end as margin,
        evidence_levels.strength
    from connections
    inner join {{ ref('evidence_levels') }} as evidence_levels using (evidence_level)
    where {{ in_affected_learners() }}
),

-- of the logged connections that reach back to this one's beginning, the one that reaches furthest
with_logs as (
    select
        *,
        -- "case", for "filter" in a growing frame is slow (models/README.md, traps)
        max(
            case
                when is_closed_log
                    then {{ struct_of({'until': 'disconnected_at + margin', 'connected_at': 'connected_at'}) }}
            end
        ) over (partition by user_id, session_id, course_id order by connected_at - margin) as furthest_log,
        bool_or(is_after_completion and disconnected_at > connected_at) over (
            partition by user_id, session_id, course_id, connected_at
        ) as is_followed_at_once
    from widened
),

-- what gives way first: to a log, the same stay made of events; to a run, the completion of zero seconds at which it
-- begins
compared as (
    select
        *,
        not is_native and coalesce(disconnected_at <= furthest_log.until, false) as is_within_log,
        is_within_log
        or (not is_native and end_kind = 'completed' and disconnected_at = connected_at and is_followed_at_once)
            as gives_way
    from with_logs
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
        modality,
        is_ambiguous_hour,
        gives_way
        or row_number() over (
            partition by user_id, session_id, course_id, connected_at, gives_way
            order by
                disconnected_at is null, strength desc, disconnected_at desc, {{ id_order('connection_id') }}, end_kind
        ) > 1 as is_superseded,
        case when is_within_log then furthest_log.connected_at else connected_at end as staying_connected_at,
        is_native
    from compared
)

select * from final
