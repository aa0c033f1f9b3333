{# Ids compare by length, then by code point: 99 comes before 100. #}
{% macro id_order(column) -%}
    length({{ column }}), {{ column }}
{%- endmacro %}
