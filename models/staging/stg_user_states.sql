{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with this_build as (
    select
        load_number,
        earlier_load_number
    from {{ ref('stg_this_build') }}
),

deliveries as (
    select
        file_number,
        first_load_number,
        last_load_number
    from {{ ref('stg_raw_deliveries') }}
    where table_name in ('users', 'user_custom_field_values')
),

changed_loads as (
    select first_load_number as load_number from deliveries
    union
    select last_load_number + 1 as load_number from deliveries
),

-- the loads that delivered other files than the one before them, of which the archive still holds all
loads as (
    select
        changed_loads.load_number,
        raw_loads.loaded_at as delivered_at
    from changed_loads
    inner join {{ source('raw', 'raw_loads') }} as raw_loads using (load_number)
    where
        raw_loads.has_all_users
        {%- if is_incremental() %}
        and changed_loads.load_number > (select earlier_load_number from this_build)
        {%- endif %}
),

users as (
    {{ delivered_rows('users') }}
),

field_values as (
    {{ delivered_rows('user_custom_field_values') }}
),

delivered_users as (
    select
        users.user_id,
        loads.load_number,
        loads.delivered_at,
        users.employer,
        users.deleted_at is null and coalesce(users.status, 'active') <> 'deleted' as is_present
    from users
    inner join deliveries on users.file_number = deliveries.file_number
    inner join loads on loads.load_number between deliveries.first_load_number and deliveries.last_load_number
    where users.malformed_line is null and users.user_id is not null
    qualify
        row_number() over (
            partition by users.user_id, loads.load_number order by users.file desc, users.line desc
        ) = 1
),

delivered_values as (
    select
        field_values.user_id,
        field_values.custom_field_id,
        loads.load_number,
        field_values.value
    from field_values
    inner join deliveries on field_values.file_number = deliveries.file_number
    inner join loads on loads.load_number between deliveries.first_load_number and deliveries.last_load_number
    where
        field_values.malformed_line is null
        and field_values.user_id is not null
        and field_values.custom_field_id is not null
    qualify
        row_number() over (
            partition by field_values.user_id, field_values.custom_field_id, loads.load_number
            order by field_values.file desc, field_values.line desc
        ) = 1
),

value_lists as (
    select
        user_id,
        load_number,
        {{ sorted_list(
            struct_of({'custom_field_id': 'custom_field_id', 'value': 'value'}), ['custom_field_id']
        ) }} as field_values
    from delivered_values
    where value is not null
    group by user_id, load_number
),

-- what tells who a deleted user was stays as it was last delivered while he was not
states as (
    select
        delivered_users.user_id,
        delivered_users.load_number,
        delivered_users.delivered_at,
        delivered_users.employer,
        coalesce(value_lists.field_values, {{ list_of([]) }}) as field_values
    from delivered_users
    left join value_lists using (user_id, load_number)
    where delivered_users.is_present
    {%- if is_incremental() %}

    union all by name

    select * from {{ this }}
    {%- endif %}
),

final as (
    select * from states
    qualify
        coalesce(
            (employer, field_values)
            is distinct from lag((employer, field_values)) over (partition by user_id order by load_number),
            true
        )
)

select * from final
