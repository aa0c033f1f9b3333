{{ config(materialized='view') }}

with classified as {{ not_materialized() }} (
    select * from {{ ref('int_raw_rows__classified') }} where row_status <> 'superseded_version'
    union all
    select
        table_name,
        file_number,
        file,
        line,
        cast(null as timestamp) as loaded_at,
        row_id,
        happened_at,
        user_id,
        session_id,
        course_id,
        'lost' as row_status,
        false as is_kept,
        false as is_candidate,
        {{ no_rejection() }} as rejection,
        {{ list_of([]) }} as nulled_cells
    from {{ ref('int_raw_rows__lost') }}
),

-- only connections and events are asked about by learner, session, course or day
raw_rows as {{ not_materialized() }} (
    select
        *,
        happened_at as connected_at,
        coalesce(row_id, {{ made_connection_id() }}) as row_key
    from classified
    where table_name in ('course_connections', 'learning_events')
    union all
    select
        table_name,
        file_number,
        file,
        line,
        loaded_at,
        null as row_id,
        null as happened_at,
        null as user_id,
        null as session_id,
        null as course_id,
        row_status,
        is_kept,
        is_candidate,
        rejection,
        nulled_cells,
        null as connected_at,
        null as row_key
    from classified
    where table_name not in ('course_connections', 'learning_events')
),

marked_events as {{ not_materialized() }} (
    select * from {{ ref('int_learning_events__marked') }} where is_in_connection
),

-- T2's events by their opening; T3's lie, in the run's session and course, from its first event to its last
connections_of_events as (
    select
        events.event_id,
        events.user_id,
        events.session_id,
        events.course_id,
        connections.connected_at,
        connections.disconnected_at,
        connections.evidence_level,
        connections.end_kind
    from marked_events as events
    inner join {{ ref('int_connections__marked') }} as connections
        on
            events.user_id = connections.user_id
            and events.session_id = connections.session_id
            and events.course_id = connections.course_id
            and events.attempt_id is not distinct from connections.attempt_id
            and events.opening_number = connections.opening_number
    union all
    select
        events.row_id as event_id,
        events.user_id,
        events.session_id,
        events.course_id,
        runs.connected_at,
        runs.disconnected_at,
        runs.evidence_level,
        runs.end_kind
    from raw_rows as events
    anti join marked_events on events.user_id = marked_events.user_id and events.row_id = marked_events.event_id
    {{ asof() }} inner join {{ ref('int_connections__runs') }} as runs
        on
            events.user_id = runs.user_id
            and events.session_id = runs.session_id
            and events.course_id = runs.course_id
            and (events.happened_at, {{ id_order('events.row_id') }})
            >= (runs.first_event_at, {{ id_order('runs.first_event_id') }})
    where
        events.table_name = 'learning_events'
        and events.is_kept
        and (events.happened_at, {{ id_order('events.row_id') }})
        <= (runs.last_event_at, {{ id_order('runs.last_event_id') }})
),

united as {{ not_materialized() }} (
    select * from {{ ref('int_connections__united') }}
),

connections_of_rows as (
    select
        'learning_events' as table_name,
        events.event_id as row_key,
        events.user_id,
        events.session_id,
        events.course_id,
        united.is_superseded,
        united.staying_connected_at
    from connections_of_events as events
    inner join united
        on
            events.user_id = united.user_id
            and events.session_id = united.session_id
            and events.course_id = united.course_id
            and events.connected_at = united.connected_at
            and events.disconnected_at = united.disconnected_at
            and events.evidence_level = united.evidence_level
            and (events.end_kind = 'no_end_mark') = (united.end_kind = 'no_end_mark')
    where not united.is_native
    union all
    select
        'course_connections' as table_name,
        connection_id as row_key,
        user_id,
        session_id,
        course_id,
        is_superseded,
        staying_connected_at
    from united
    where is_native
),

-- T4: of two connections that are alike one stays, and rows of both went into it
counted as (
    select
        table_name,
        row_key,
        user_id,
        session_id,
        course_id,
        min(is_superseded) as is_superseded,
        min_by(staying_connected_at, is_superseded) as staying_connected_at
    from connections_of_rows
    group by table_name, row_key, user_id, session_id, course_id
),

withdrawn as (
    {%- for table_name, key in [('learning_events', 'event_id'), ('course_connections', 'connection_id')] %}
    {%- set withdrawals = 'withdrawn_' ~ ('events' if key == 'event_id' else 'connections') %}
    select
        '{{ table_name }}' as table_name,
        {{ key }} as row_key,
        concat_ws(
            '',
            'withdrawn by ' || file || ':' || line,
            ', at ' || left(cast(withdrawn_at as string), 19) || 'Z',
            ': ' || reason
        ) as withdrawal
    from {{ ref('stg_' ~ withdrawals) }}
    where is_kept
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

outcomes as (
    select
        raw_rows.*,
        case when raw_rows.is_kept then counted.staying_connected_at end as staying_connected_at,
        case
            when raw_rows.row_status = 'withdrawn_gone' then 'withdrawn'
            when not raw_rows.is_kept or raw_rows.row_key is null then raw_rows.row_status
            when raw_rows.session_id is null then 'outside_session'
            when counted.is_superseded then 'superseded'
            else 'connection'
        end as outcome
    from raw_rows
    left join counted using (table_name, row_key, user_id, session_id, course_id)
),

final as (
    select
        outcomes.table_name,
        outcomes.file,
        outcomes.line,
        outcomes.row_id,
        outcomes.user_id,
        outcomes.session_id,
        outcomes.course_id,
        outcomes.happened_at,
        outcomes.outcome,
        case
            when outcomes.outcome = 'rejected'
                then concat_ws(
                    '',
                    outcomes.rejection.reason,
                    ' in ' || outcomes.rejection.column_name,
                    ': ' || outcomes.rejection.value
                )
            when outcomes.outcome = 'withdrawn' then withdrawn.withdrawal
            when outcomes.outcome = 'duplicate' then 'the row that counts is ' || replaced.place
            when outcomes.outcome in ('conflicting', 'lost')
                then 'the row that counts is ' || replaced.place || '; ' || replaced.differences
            when outcomes.row_status = 'gone' and outcomes.outcome <> 'gone'
                then 'gone: no file holds it any more, and it stays as it was last delivered'
            when outcomes.nulled_cells <> {{ list_of([]) }}
                then 'nulled: ' || {{ joined_items(
                    'outcomes.nulled_cells',
                    "item.reason || ' in ' || item.column_name || ': ' || item.value",
                    '; '
                ) }}
        end as detail,
        connections.connection_id,
        connections.connected_at,
        connections.disconnected_at,
        connections.end_kind,
        connections.evidence_level,
        connections.retained_seconds
    from outcomes
    left join withdrawn using (table_name, row_key)
    left join {{ ref('int_raw_rows__replaced') }} as replaced using (table_name, file_number, line)
    left join {{ ref('int_connections__measured') }} as connections
        on
            outcomes.user_id = connections.user_id
            and outcomes.session_id = connections.session_id
            and outcomes.course_id = connections.course_id
            and outcomes.staying_connected_at = connections.connected_at
)

select * from final
