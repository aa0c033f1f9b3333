{# An id or a text, as delivered; a list or an object is none. #}
{% macro as_text(column) -%}
    case when unfit_columns is null or not list_contains(unfit_columns, '{{ column }}') then {{ column }}_cell end
{%- endmacro %}
