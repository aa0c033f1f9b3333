with cells as (
    select
        {{ delivered_cells('group_members') }}
    from {{ source('raw', 'group_members') }}
),

known_groups as (
    select group_id as known_group_id from {{ ref('stg_groups') }} where is_kept
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    select
        *,
        {{ as_text('group_id') }} as group_id,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('role') }} as role
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('group_members') }} as fault,
        {{ emptied_cells('group_members') }} as emptied_cells
    from typed
    left join known_groups on typed.group_id = known_groups.known_group_id
    left join known_users on typed.user_id = known_users.known_user_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        group_id,
        user_id,
        coalesce(role, 'learner') as role,
        fault,
        emptied_cells,
        {{ fate(['group_id', 'user_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
