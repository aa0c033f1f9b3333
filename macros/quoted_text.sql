{# A text as an SQL literal, whatever it holds. #}
{% macro quoted_text(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}
