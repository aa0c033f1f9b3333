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

known_custom_fields as (
    select
        custom_field_id as known_custom_field_id,
        value_type
    from {{ ref('stg_custom_fields') }}
    where is_kept
),

typed as (
    {{ delivered_and_carried_over_rows('user_custom_field_values', owner='user_id', absent_owners='absent_owners') }}
),

valued as (
    select
        {{ all_but(['value'], of='typed') }},
        known_users.known_user_id,
        known_custom_fields.known_custom_field_id,
        case when known_custom_fields.value_type = 'date' then {{ as_local_date('value') }} end as value_date,
        case
            when known_custom_fields.value_type = 'date' then {{ date_text('value_date') }}
            else typed.value
        end as value
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_custom_fields on typed.custom_field_id = known_custom_fields.known_custom_field_id
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        user_id,
        custom_field_id,
        value,
        value_date,
        {{ validation_columns('user_custom_field_values', retry='all rows') }},
        is_current,
        is_carried_over
    from valued
),

deduplicated as (
    select
        {{ all_but(['is_current', 'is_carried_over']) }},
        {{ row_status_of_carried_over(['user_id', 'custom_field_id'], compared=['value']) }} as row_status
    from validated
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
)

select * from final
