{# One of the contract's words, in any case; null when it is none of them. #}
{% macro as_word(table_name, column) -%}
    {%- set contract = raw_contract(table_name) | selectattr('name', 'equalto', column) | list -%}
    {%- set words = (contract | first).words if contract else [] -%}
    case when lower({{ column }}_cell) in ('{{ words | join("', '") }}') then lower({{ column }}_cell) end
{%- endmacro %}
