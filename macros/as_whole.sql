{# A whole number, its absolute value below 2^63. #}
{% macro as_whole(column) -%}
    case
            when regexp_full_match({{ column }}_cell, '-?[0-9]+')
                then nullif(try_cast({{ column }}_cell as bigint), -9223372036854775808)
        end
{%- endmacro %}
