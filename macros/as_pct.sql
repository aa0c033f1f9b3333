{# A percentage up to 100, six decimals kept and further ones cut. #}
{% macro as_pct(column) -%}
    case
            when regexp_full_match({{ column }}_cell, '0*([0-9]{1,2}([.][0-9]+)?|100([.]0+)?)')
                then cast(regexp_extract({{ column }}_cell, '^0*([0-9]{1,3}([.][0-9]{1,6})?)', 1) as decimal(9, 6))
        end
{%- endmacro %}
