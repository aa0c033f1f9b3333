{# The cells of a row that is rejected for a reason that may pass, so that each build can judge it again: something that
   it points to may still be delivered, and the future comes. #}
{% macro waiting_cells(table_name) -%}
    {#- in a list, because an empty struct costs the writing of every field -#}
    case
            when fault.reason = 'in_the_future' or starts_with(fault.reason, 'unknown_')
                then [
                    struct_pack(
                        unfit_columns := unfit_columns
                    {%- for column in raw_contract(table_name) %},
                        {{ column.name }}_cell := {{ column.name }}_cell
                    {%- endfor %}
                    )
                ]
        end
{%- endmacro %}
