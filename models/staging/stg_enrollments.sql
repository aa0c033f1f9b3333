with cells as (
    select
        {{ delivered_cells('enrollments') }}
    from {{ source('raw', 'enrollments') }}
),

known_program_sessions as (
    select session_id as known_session_id from {{ ref('stg_program_sessions') }} where is_kept
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    select
        *,
        {{ as_text('enrollment_id') }} as enrollment_id,
        {{ as_text('session_id') }} as session_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_instant('enrolled_at') }} as enrolled_at,
        {{ as_instant('unenrolled_at') }} as unenrolled_at,
        {{ as_text('status') }} as status,
        {{ as_pct('progress_pct') }} as progress_pct,
        {{ as_pct('score_pct') }} as score_pct,
        {{ as_instant('completed_at') }} as completed_at
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('enrollments') }} as fault,
        {{ emptied_cells('enrollments') }} as emptied_cells
    from typed
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_users on typed.user_id = known_users.known_user_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        enrollment_id,
        session_id,
        user_id,
        enrolled_at,
        unenrolled_at,
        status,
        progress_pct,
        score_pct,
        completed_at,
        fault,
        emptied_cells,
        {{ fate(['enrollment_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
