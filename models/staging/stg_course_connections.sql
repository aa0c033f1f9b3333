{{ config(materialized='incremental', incremental_strategy='changed_rows') }}
{%- set key = [
    'connection_id',
    'case when connection_id is null then user_id end',
    'case when connection_id is null then session_id end',
    'case when connection_id is null then course_id end',
    'case when connection_id is null then connected_at end',
] %}

with cells as (
    {{ cells_to_judge('course_connections') }}
),

known_users as (
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

typed as (
    select
        *,
        {{ as_text('connection_id') }} as connection_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('session_id') }} as session_id,
        {{ as_text('course_id') }} as course_id,
        {{ as_instant('connected_at') }} as connected_at,
        {{ as_instant('disconnected_at') }} as disconnected_at,
        {{ as_word('course_connections', 'end_reason') }} as end_reason,
        {{ as_word('course_connections', 'evidence_level') }} as evidence_level,
        {{ as_text('attempt_id') }} as attempt_id
    from cells
),

examined as (
    select
        typed.*,
        {{ first_fault('course_connections', further=[
            ['bad_type', 'disconnected_at', 'disconnected_at_cell is not null and disconnected_at is null'],
            ['ends_before_it_starts', 'disconnected_at', 'disconnected_at < connected_at'],
        ] + time_faults(['connected_at', 'disconnected_at'])) }} as fault,
        {{ emptied_cells('course_connections') }} as emptied_cells
    from typed
    cross join this_build
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_courses on typed.course_id = known_courses.known_course_id
),

judged as (
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
        coalesce(end_reason, 'unknown') as end_reason,
        case
            when evidence_level is not null then evidence_level
            when evidence_level_cell is null then 'native_log'
            else 'attempt_span'
        end as evidence_level,
        attempt_id,
        fault,
        emptied_cells,
        {{ waiting_cells('course_connections') }} as waiting_cells,
        earlier_fault,
        earlier_fate
    from examined
),

competing as (
    {{ with_rivals('course_connections', key) }}
),

sorted_out as (
    select
        *,
        {{ fate_of_growing(key) }} as fate
    from competing
),

final as (
    select
        * exclude (earlier_fault, earlier_fate),
        fate = 'kept' as is_kept,
        (select built_at from this_build) as written_at
    from sorted_out
    {{ changed_rows('course_connections') }}
)

select * from final
