{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('course_connections')}
) }}
{%- set compared = [
    'user_id', 'session_id', 'course_id', 'connected_at', 'disconnected_at', 'end_reason', 'evidence_level',
    'attempt_id', 'modality',
] %}
{%- set proof = ['user_id', 'session_id', 'course_id', 'connected_at'] %}
{%- set key = [
    'connection_id',
    'case when connection_id is null then user_id end',
    'case when connection_id is null then session_id end',
    'case when connection_id is null then course_id end',
    'case when connection_id is null then later_connected_at end',
] %}
{#- a made id costs a hash: none is made where nothing is withdrawn #}
{%- set made_id = 'case when (select count(*) > 0 from ?) then ' ~ made_connection_id() ~ ' end' %}
{%- set own_id = 'coalesce(connection_id, ' ~ made_id ~ ')' %}
{%- set newly_withdrawn_keys = 'select row(' ~ key | join(', ') ~ ') from ' ~ this ~ ' where rejection is null and '
    ~ own_id | replace('?', 'newly_withdrawn') ~ ' in (select connection_id from newly_withdrawn)' %}

with known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_courses as (
    select course_id as known_course_id from {{ ref('stg_courses') }} where is_kept
),

this_build as (
    select
        clock_at,
        built_at
    from {{ source('raw', 'this_build') }}
),

withdrawn as (
    select
        connection_id,
        written_at = (select built_at from this_build) as is_new
    from {{ ref('stg_withdrawn_connections') }}
    where is_kept
),

newly_withdrawn as (
    select connection_id from withdrawn where is_new
),

typed as (
    {{ new_and_retried_rows('course_connections') }}
),

read_twice as (
    select
        {{ all_but(['connected_at', 'disconnected_at']) }},
        connected_at as later_connected_at,
        {{ earlier_reading('connected_at') }} as earlier_connected_at,
        disconnected_at as later_disconnected_at,
        {{ earlier_reading('disconnected_at') }} as earlier_disconnected_at
    from typed
),

-- of two ends, of which one or both may be read twice, the readings that give the shortest time that is not negative,
-- of equal ones the later
stays as (
    select
        *,
        earlier_connected_at is not null as is_connected_at_ambiguous,
        earlier_disconnected_at is not null as is_disconnected_at_ambiguous,
        case
            when is_connected_at_ambiguous or is_disconnected_at_ambiguous
                then least(
                    {%- for connected_at, disconnected_at in [
                        ('later_connected_at', 'later_disconnected_at'),
                        ('later_connected_at', 'earlier_disconnected_at'),
                        ('earlier_connected_at', 'later_disconnected_at'),
                        ('earlier_connected_at', 'earlier_disconnected_at'),
                    ] %}
                    case
                        when {{ disconnected_at }} >= {{ connected_at }}
                            then {{ struct_of({
                                'length': disconnected_at ~ ' - ' ~ connected_at,
                                'before_later': 'later_connected_at - ' ~ connected_at,
                                'connected_at': connected_at,
                                'disconnected_at': disconnected_at,
                            }) }}
                    end{{ ',' if not loop.last }}
                    {%- endfor %}
                )
        end as shortest_stay
    from read_twice
),

read_together as (
    select
        *,
        coalesce(shortest_stay.connected_at, later_connected_at) as connected_at,
        coalesce(shortest_stay.disconnected_at, later_disconnected_at) as disconnected_at
    from stays
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        connection_id,
        user_id,
        session_id,
        course_id,
        connected_at,
        disconnected_at,
        later_connected_at,
        is_connected_at_ambiguous,
        is_disconnected_at_ambiguous,
        coalesce(end_reason, 'unknown') as end_reason,
        case
            when evidence_level is not null then evidence_level
            when evidence_level_cell is null then 'native_log'
            else 'attempt_span'
        end as evidence_level,
        attempt_id,
        modality,
        {{ validation_columns('course_connections', further=[
            ['bad_type', 'disconnected_at', 'disconnected_at_cell is not null and disconnected_at is null'],
            ['ends_before_it_starts', 'disconnected_at', 'disconnected_at < connected_at'],
        ], retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate
    from read_together
    cross join this_build
    left join known_users on read_together.user_id = known_users.known_user_id
    left join known_program_sessions on read_together.session_id = known_program_sessions.known_session_id
    left join known_courses on read_together.course_id = known_courses.known_course_id
),

with_same_key_rows as (
    {{ with_same_key_rows('validated', 'course_connections', key, further_keys=newly_withdrawn_keys) }}
),

compared_by_key as (
    select
        *,
        {{ row_status(key, compared=compared) }} as row_status,
        {{ is_candidate(key, proof=proof) }} as is_candidate
    from with_same_key_rows
),

-- what the platform took back takes no part in any rule
deduplicated as (
    select
        {{ all_but(['row_status']) }},
        case
            when
                row_status in ('kept', 'gone')
                and {{ own_id | replace('?', 'withdrawn') }} in (select connection_id from withdrawn)
                then case row_status when 'kept' then 'withdrawn' else 'withdrawn_gone' end
            else row_status
        end as row_status
    from compared_by_key
),

final as (
    {{ changed_rows('deduplicated', 'course_connections') }}
)

select * from final
