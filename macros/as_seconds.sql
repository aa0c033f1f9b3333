{# A number of whole seconds, below 2^63. #}
{% macro as_seconds(column) -%}
    case when regexp_full_match({{ column }}_cell, '[0-9]+') then try_cast({{ column }}_cell as bigint) end
{%- endmacro %}
