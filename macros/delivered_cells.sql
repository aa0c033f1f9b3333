{# Where each row of a raw table came from, and every cell of the contract, trimmed, empty as null, as <column>_cell.
   Trimming is slow and nearly no cell needs it, so only those are trimmed that hold a blank. #}
{% macro delivered_cells(table_name) -%}
    file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        is_current,
        malformed_line,
        unfit_columns
    {%- for column in raw_contract(table_name) %},
        nullif(
            case
                when
                    contains({{ column.name }}, ' ') or contains({{ column.name }}, e'\t')
                    or contains({{ column.name }}, e'\r') or contains({{ column.name }}, e'\n')
                    then trim({{ column.name }}, e' \t\r\n')
                else {{ column.name }}
            end,
            ''
        ) as {{ column.name }}_cell
    {%- endfor %}
{%- endmacro %}
