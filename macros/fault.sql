{# What is wrong with a cell, as {reason, column_name, value}; without a column, with the row. #}
{% macro fault(reason, column_name=none) -%}
    {%- if column_name -%}
        {'reason': '{{ reason }}', 'column_name': '{{ column_name }}', 'value': left({{ column_name }}_cell, 200)}
    {%- else -%}
        {'reason': '{{ reason }}', 'column_name': null, 'value': left(malformed_line, 200)}
    {%- endif -%}
{%- endmacro %}
