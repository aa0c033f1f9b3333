{{ config(materialized='incremental', incremental_strategy='all_rows') }}

-- of a session that is gone, the rows of the last delivery that held it stay
with absent_owners as (
    select
        session_id as owner_id,
        last_load_number as load_number
    from {{ ref('stg_program_sessions') }}
    where is_kept and row_status = 'gone'
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    {{ delivered_and_carried_over_rows('session_instructors', owner='session_id', absent_owners='absent_owners') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        session_id,
        user_id,
        is_main,
        {{ validation_columns('session_instructors', retry='all rows') }},
        is_current,
        is_carried_over
    from typed
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_users on typed.user_id = known_users.known_user_id
),

deduplicated as (
    select
        {{ all_but(['is_current', 'is_carried_over']) }},
        {{ row_status_of_carried_over(['session_id', 'user_id'], compared=['is_main']) }} as row_status
    from validated
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
)

select * from final
