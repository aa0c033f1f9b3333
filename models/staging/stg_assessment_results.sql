{{ config(materialized='incremental', incremental_strategy='changed_rows') }}

with cells as (
    {{ cells_to_judge('assessment_results') }}
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_assessments as (
    select assessment_id as known_assessment_id from {{ ref('stg_assessments') }} where is_kept
),

this_build as (
    select built_at from {{ source('raw', 'this_build') }}
),

typed as (
    select
        *,
        {{ as_text('result_id') }} as result_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('session_id') }} as session_id,
        {{ as_text('assessment_id') }} as assessment_id,
        {{ as_whole('attempt_number') }} as attempt_number,
        {{ as_instant('submitted_at') }} as submitted_at,
        {{ as_pct('score_pct') }} as score_pct,
        {{ as_bool('is_passed') }} as is_passed
    from cells
),

examined as (
    select
        typed.*,
        {{ first_fault('assessment_results') }} as fault,
        {{ emptied_cells('assessment_results') }} as emptied_cells
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_assessments on typed.assessment_id = known_assessments.known_assessment_id
),

judged as (
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
        fault,
        emptied_cells,
        {{ waiting_cells('assessment_results') }} as waiting_cells,
        earlier_fault,
        earlier_fate
    from examined
),

competing as (
    {{ with_rivals('assessment_results', ['result_id']) }}
),

sorted_out as (
    select
        *,
        {{ fate_of_growing(['result_id']) }} as fate
    from competing
),

final as (
    select
        * exclude (earlier_fault, earlier_fate),
        fate = 'kept' as is_kept,
        (select built_at from this_build) as written_at
    from sorted_out
    {{ changed_rows('assessment_results') }}
)

select * from final
