{{ config(
    materialized='incremental',
    incremental_strategy='changed_rows',
    meta={'changes_where': changes_without_delivery('assessment_results')}
) }}
{%- set compared = [
    'user_id', 'session_id', 'assessment_id', 'attempt_number', 'submitted_at', 'score_pct', 'is_passed',
] %}

with known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_assessments as (
    select assessment_id as known_assessment_id from {{ ref('stg_assessments') }} where is_kept
),

typed as (
    {{ new_and_retried_rows('assessment_results') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        result_id,
        user_id,
        session_id,
        assessment_id,
        attempt_number,
        submitted_at,
        score_pct,
        is_passed,
        {{ validation_columns('assessment_results', retry='rejected rows') }},
        is_current,
        last_load_number,
        previous_rejection,
        previous_row_status,
        was_candidate
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_assessments on typed.assessment_id = known_assessments.known_assessment_id
),

with_same_key_rows as (
    {{ with_same_key_rows('validated', 'assessment_results', ['result_id']) }}
),

deduplicated as (
    select
        *,
        {{ row_status(['result_id'], compared=compared) }} as row_status,
        {{ is_candidate(['result_id']) }} as is_candidate
    from with_same_key_rows
),

final as (
    {{ changed_rows('deduplicated', 'assessment_results') }}
)

select * from final
