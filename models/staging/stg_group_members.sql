{{ config(materialized='incremental', incremental_strategy='all_rows') }}

-- of a user who is gone or deleted, the rows of the last delivery in which he was neither stay
with absent_owners as (
    select
        user_id as owner_id,
        last_present_load_number as load_number
    from {{ ref('stg_users') }}
    where is_kept and (row_status = 'gone' or is_deleted)
),

known_groups as (
    select group_id as known_group_id from {{ ref('stg_groups') }} where is_kept
),

known_users as (
    select user_id as known_user_id from {{ ref('stg_users') }} where is_kept
),

typed as (
    {{ delivered_and_carried_over_rows('group_members', owner='user_id', absent_owners='absent_owners') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        group_id,
        user_id,
        coalesce(role, 'learner') as role,
        {{ validation_columns('group_members', retry='all rows') }},
        is_current,
        is_carried_over
    from typed
    left join known_groups on typed.group_id = known_groups.known_group_id
    left join known_users on typed.user_id = known_users.known_user_id
),

deduplicated as (
    select
        {{ all_but(['is_current', 'is_carried_over']) }},
        {{ row_status_of_carried_over(['group_id', 'user_id'], compared=['role']) }} as row_status
    from validated
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
)

select * from final
