{# Where each row of a raw table came from, and every cell of the contract, trimmed, empty as null, as <column>_cell. #}
{% macro delivered_cells(table_name) -%}
    file,
        line,
        loaded_at,
        last_load_number,
        is_current,
        malformed_line,
        unfit_columns
    {%- for column in raw_contract(table_name) %},
        nullif(trim({{ column.name }}, e' \t\r\n'), '') as {{ column.name }}_cell
    {%- endfor %}
{%- endmacro %}
