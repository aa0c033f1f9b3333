{# One of the contract's words, in any case; null when it is none of them. #}
{% macro as_word(table_name, column) -%}
    {%- set words = var('raw_contract')[table_name].columns[column].words -%}
    case when lower({{ column }}_cell) in ('{{ words | join("', '") }}') then lower({{ column }}_cell) end
{%- endmacro %}
