with final as (
    select
        field_values.user_id,
        field_values.custom_field_id,
        fields.title,
        fields.value_type,
        field_values.value,
        field_values.value_date,
        case
            when
                fields.value_type = 'number'
                and {{ matches_fully('field_values.value', '[+-]?[0-9]{1,15}([.,][0-9]+)?') }}
                then cast(
                    replace(regexp_extract(field_values.value, '^[^.,]+([.,][0-9]{1,6})?', 0), ',', '.')
                    as decimal(21, 6)
                )
        end as number_value
    from {{ ref('stg_user_custom_field_values') }} as field_values
    inner join {{ ref('int_custom_fields__named') }} as fields
        on field_values.custom_field_id = fields.custom_field_id
    where field_values.is_kept and field_values.value is not null
)

select * from final
