with cells as (
    select
        {{ delivered_cells('session_instructors') }}
    from {{ source('raw', 'session_instructors') }}
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
        {{ as_text('session_id') }} as session_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_bool('is_main') }} as is_main
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('session_instructors') }} as fault,
        {{ emptied_cells('session_instructors') }} as emptied_cells
    from typed
    left join known_program_sessions on typed.session_id = known_program_sessions.known_session_id
    left join known_users on typed.user_id = known_users.known_user_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        session_id,
        user_id,
        is_main,
        fault,
        emptied_cells,
        {{ fate(['session_id', 'user_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
