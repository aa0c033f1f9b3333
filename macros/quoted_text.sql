{# A text as an SQL literal, whatever it holds. #}
{% macro quoted_text(text) -%}
    '{{ text | replace("'", "''") | replace("\x00", "' || chr(0) || '") }}'
{%- endmacro %}
