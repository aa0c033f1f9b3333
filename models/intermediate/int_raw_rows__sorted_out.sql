with final as (
    {%- for table_name in var('raw_contract') %}
    select
        '{{ table_name }}' as table_name,
        file,
        line,
        loaded_at,
        fate,
        fault,
        emptied_cells
    from {{ ref('stg_' ~ table_name) }}
    where fate <> 'past'
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
