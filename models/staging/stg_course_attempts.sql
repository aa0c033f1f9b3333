{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('course_attempts')}
) }}

with known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_courses as (
    select course_id as known_course_id from {{ ref('stg_courses') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

typed as (
    {{ new_and_retried_rows('course_attempts') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        attempt_id,
        user_id,
        course_id,
        session_id,
        first_activity_at,
        last_activity_at,
        completed_at,
        time_spent_seconds,
        progress_pct,
        score_pct,
        {{ validation_columns('course_attempts', retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_courses on typed.course_id = known_courses.known_course_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
),

with_same_key_rows as (
    {{ with_same_key_rows('validated', 'course_attempts', ['attempt_id']) }}
),

deduplicated as (
    select
        *,
        {{ row_status(['attempt_id']) }} as row_status,
        {{ is_candidate(['attempt_id']) }} as is_candidate
    from with_same_key_rows
),

final as (
    {{ changed_rows('deduplicated', 'course_attempts') }}
)

select * from final
