{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('tutor_interactions')}
) }}
{%- set compared = [
    'session_id', 'user_id', 'tutor_user_id', 'kind', 'asked_at', 'answered_at', 'channel', 'is_automated',
] %}
{%- set has_no_instant = 'asked_at is null and answered_at is null' %}

with known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

this_build as (
    select clock_at from {{ source('raw', 'this_build') }}
),

typed as (
    {{ new_and_retried_rows('tutor_interactions') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        interaction_id,
        session_id,
        user_id,
        tutor_user_id,
        kind,
        asked_at,
        answered_at,
        channel,
        is_automated,
        {{ validation_columns('tutor_interactions', further=[
            ['missing_value', 'asked_at', 'asked_at_cell is null and answered_at_cell is null'],
            ['bad_type', 'asked_at', 'asked_at_cell is not null and ' ~ has_no_instant],
            ['bad_type', 'answered_at', 'answered_at_cell is not null and ' ~ has_no_instant],
        ], retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate
    from typed
    cross join this_build
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
),

with_same_key_rows as (
    {{ with_same_key_rows('validated', 'tutor_interactions', ['interaction_id']) }}
),

deduplicated as (
    select
        *,
        {{ row_status(['interaction_id'], compared=compared) }} as row_status,
        {{ is_candidate(['interaction_id']) }} as is_candidate
    from with_same_key_rows
),

final as (
    {{ changed_rows('deduplicated', 'tutor_interactions') }}
)

select * from final
