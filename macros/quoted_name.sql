{# A text as an SQL identifier, whatever it holds. #}
{% macro quoted_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}
