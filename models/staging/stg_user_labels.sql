with cells as (
    select
        {{ delivered_cells('user_labels') }}
    from {{ source('raw', 'user_labels') }}
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    select
        *,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('label') }} as label
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('user_labels') }} as fault,
        {{ emptied_cells('user_labels') }} as emptied_cells
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        user_id,
        label,
        fault,
        emptied_cells,
        {{ fate(['user_id', 'label']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
