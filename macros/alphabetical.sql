{# The order of names that a person expects: accents and case do not count. #}
{% macro alphabetical(column) -%}
    lower(strip_accents({{ column }}))
{%- endmacro %}
