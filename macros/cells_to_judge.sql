{# The cells of a growing table that a build judges: of files that it had not read yet, and of rows that the last build
   rejected for a reason that may have passed since; with the verdict that they had. #}
{% macro cells_to_judge(table_name) -%}
    select
        {{ delivered_cells(table_name) }},
        cast(null as struct(reason varchar, column_name varchar, value varchar)) as earlier_fault,
        cast(null as varchar) as earlier_fate
    from {{ source('raw', table_name) }}
    {%- if is_incremental() %}

    union all by name

    select
        file_number,
        file,
        line,
        loaded_at,
        unnest(waiting_cells[1]),
        fault as earlier_fault,
        fate as earlier_fate
    from {{ this }}
    where waiting_cells is not null and {{ still_delivered(table_name) }}
    {%- endif %}
{%- endmacro %}
