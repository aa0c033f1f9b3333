with cells as (
    select
        {{ delivered_cells('user_custom_field_values') }}
    from {{ source('raw', 'user_custom_field_values') }}
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
    select
        *,
        {{ as_text('user_id') }} as user_id,
        {{ as_text('custom_field_id') }} as custom_field_id,
        {{ as_text('value') }} as text_value,
        {{ as_instant('value') }} as instant_value
    from cells
),

-- the value of a date field is a day, or an instant's day where a person reads
valued as (
    select
        typed.*,
        known_users.known_user_id,
        known_custom_fields.known_custom_field_id,
        case
            when known_custom_fields.value_type = 'date' and regexp_full_match(text_value, '[0-9]{4}-[0-9]{2}-[0-9]{2}')
                then try_cast(text_value as date)
            when known_custom_fields.value_type = 'date'
                then cast({{ local_time('instant_value') }} as date)
        end as value_date,
        case
            when known_custom_fields.value_type = 'date' then strftime(value_date, '%Y-%m-%d')
            else text_value
        end as value
    from typed
    left join known_users on typed.user_id = known_users.known_user_id
    left join known_custom_fields on typed.custom_field_id = known_custom_fields.known_custom_field_id
),

judged as (
    select
        *,
        {{ first_fault('user_custom_field_values') }} as fault,
        {{ emptied_cells('user_custom_field_values') }} as emptied_cells
    from valued
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        user_id,
        custom_field_id,
        value,
        value_date,
        fault,
        emptied_cells,
        {{ fate(['user_id', 'custom_field_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
