{# The contract of one raw table: name, kind, is_required, words, default and reference of each column, in order. #}
{% macro raw_contract(table_name) -%}
    {%- set columns = [] -%}
    {%- for name, definition in var('raw_contract')[table_name].columns.items() -%}
        {%- do columns.append(dict(definition, name=name)) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
