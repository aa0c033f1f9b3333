{# true/false/1/0/yes/no in any case. #}
{% macro as_bool(column) -%}
    case
            when lower({{ column }}_cell) in ('true', '1', 'yes') then true
            when lower({{ column }}_cell) in ('false', '0', 'no') then false
        end
{%- endmacro %}
