with final as (
    select
        custom_field_id,
        title,
        value_type,
        column_name,
        field_position
    from {{ ref('int_custom_fields__named') }}
)

select * from final
