with states as (
    select
        user_id,
        delivered_at,
        employer,
        field_values,
        lag(delivered_at) over later as earlier_at,
        lead(delivered_at) over later as valid_until
    from {{ ref('stg_user_states') }}
    window later as (partition by user_id order by load_number)
),

-- a field that nobody has any more is no column, and goes by its id
fields as (
    select
        fields.custom_field_id,
        fields.value_type,
        coalesce(named.column_name, fields.custom_field_id) as name,
        row_number() over (
            partition by {{ lowered('coalesce(named.column_name, fields.custom_field_id)') }}
            order by named.column_name is null
        ) = 1 as is_first_of_name
    from {{ ref('stg_custom_fields') }} as fields
    left join {{ ref('dim_custom_fields') }} as named using (custom_field_id)
    where fields.is_kept
),

delivered_values as (
    select
        user_id,
        delivered_at,
        {{ one_by_one('field_values') }} as field_value
    from states
),

-- as_local_date reads the cell beside the value
cells as (
    select
        user_id,
        delivered_at,
        field_value.custom_field_id,
        field_value.value,
        field_value.value as value_cell
    from delivered_values
),

read_values as (
    select
        cells.user_id,
        cells.delivered_at,
        fields.name,
        case
            when fields.value_type = 'date' then {{ date_text(as_local_date('value')) }}
            else cells.value
        end as read_value
    from cells
    inner join fields on cells.custom_field_id = fields.custom_field_id and fields.is_first_of_name
),

value_maps as (
    select
        user_id,
        delivered_at,
        map_from_entries({{ sorted_list('(name, read_value)', ['name']) }}) as custom_fields
    from read_values
    where read_value is not null
    group by user_id, delivered_at
),

final as (
    select
        user_id,
        row_number() over (partition by user_id order by delivered_at) as period_number,
        delivered_at,
        case when states.earlier_at is not null then delivered_at end as valid_from,
        states.valid_until,
        states.valid_until is null as is_current,
        states.employer,
        coalesce(value_maps.custom_fields, map()) as custom_fields
    from states
    inner join {{ ref('dim_learners') }} using (user_id)
    left join value_maps using (user_id, delivered_at)
)

select * from final
