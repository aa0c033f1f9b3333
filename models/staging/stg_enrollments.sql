{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    {{ delivered_and_retried_rows('enrollments') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        enrollment_id,
        session_id,
        user_id,
        enrolled_at,
        unenrolled_at,
        status,
        progress_pct,
        score_pct,
        completed_at,
        {{ validation_columns('enrollments', retry='rejected rows') }},
        is_current
    from typed
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_users on typed.user_id = known_users.known_user_id
    {{ union_previous_rows() }}
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ is_candidate(['enrollment_id']) }} as is_candidate,
        {{ row_status(['enrollment_id'], compared=[
            'session_id', 'user_id', 'enrolled_at', 'unenrolled_at', 'status', 'progress_pct', 'score_pct',
            'completed_at',
        ]) }} as row_status
    from validated
),

final as (
    select
        {{ all_but(['is_candidate']) }},
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
    where row_status <> 'superseded_version' or is_candidate
)

select * from final
