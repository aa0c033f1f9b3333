with cells as (
    select
        {{ delivered_cells('learning_events') }}
    from {{ source('raw', 'learning_events') }}
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
    select clock_at from {{ source('raw', 'this_build') }}
),

typed as (
    select
        *,
        {{ as_text('event_id') }} as event_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('session_id') }} as session_id,
        {{ as_text('course_id') }} as course_id,
        {{ as_word('learning_events', 'verb') }} as verb,
        {{ as_instant('occurred_at') }} as occurred_at,
        {{ as_text('attempt_id') }} as attempt_id
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('learning_events', further=time_faults(['occurred_at'])) }} as fault,
        {{ emptied_cells('learning_events') }} as emptied_cells
    from typed
    cross join this_build
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_courses on typed.course_id = known_courses.known_course_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        event_id,
        user_id,
        session_id,
        course_id,
        verb,
        occurred_at,
        attempt_id,
        fault,
        emptied_cells,
        {{ fate(['event_id']) }} as fate
    from judged
),

-- played outside any session: no proof for one, but it shows where the learner was (T3)
final as (
    select
        sorted_out.* exclude (fate),
        case
            when sorted_out.fate = 'kept' and sorted_out.session_id is null then 'outside_session'
            else sorted_out.fate
        end as fate,
        sorted_out.fate = 'kept' as is_kept
    from sorted_out
)

select * from final
