{{ config(materialized='incremental', incremental_strategy='changed_rows') }}

with cells as (
    {{ cells_to_judge('course_attempts') }}
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

known_courses as (
    select course_id as known_course_id from {{ ref('stg_courses') }} where is_kept
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

this_build as (
    select built_at from {{ source('raw', 'this_build') }}
),

typed as (
    select
        *,
        {{ as_text('attempt_id') }} as attempt_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('course_id') }} as course_id,
        {{ as_text('session_id') }} as session_id,
        {{ as_instant('first_activity_at') }} as first_activity_at,
        {{ as_instant('last_activity_at') }} as last_activity_at,
        {{ as_instant('completed_at') }} as completed_at,
        {{ as_seconds('time_spent_seconds') }} as time_spent_seconds,
        {{ as_pct('progress_pct') }} as progress_pct,
        {{ as_pct('score_pct') }} as score_pct
    from cells
),

examined as (
    select
        typed.*,
        {{ first_fault('course_attempts') }} as fault,
        {{ emptied_cells('course_attempts') }} as emptied_cells
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_courses on typed.course_id = known_courses.known_course_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
),

judged as (
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
        fault,
        emptied_cells,
        {{ waiting_cells('course_attempts') }} as waiting_cells,
        earlier_fault,
        earlier_fate
    from examined
),

competing as (
    {{ with_rivals('course_attempts', ['attempt_id']) }}
),

sorted_out as (
    select
        *,
        {{ fate_of_growing(['attempt_id']) }} as fate
    from competing
),

final as (
    select
        * exclude (earlier_fault, earlier_fate),
        fate = 'kept' as is_kept,
        (select built_at from this_build) as written_at
    from sorted_out
    {{ changed_rows('course_attempts') }}
)

select * from final
