{{ config(materialized='incremental', incremental_strategy='all_rows') }}

-- of a user who is gone or deleted, the rows of the last delivery in which he was neither stay
with absent_owners as (
    select
        user_id as owner_id,
        last_present_load_number as load_number
    from {{ ref('stg_users') }}
    where is_kept and (row_status = 'gone' or is_deleted)
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    {{ delivered_and_carried_over_rows('user_labels', owner='user_id', absent_owners='absent_owners') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        user_id,
        label,
        {{ validation_columns('user_labels', retry='all rows') }},
        is_current
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ row_status(['user_id', 'label']) }} as row_status
    from validated
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
)

select * from final
