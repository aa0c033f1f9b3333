with final as (
    select
        custom_field_id,
        title,
        value_type,
        column_name,
        field_position,
        is_gone
    from {{ ref('int_custom_fields__named') }}
)

select * from final
