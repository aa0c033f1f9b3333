{# The mean of percentages, exact, cut to six decimals, so that rounding half up to one decimal stays right. #}
{% macro mean_pct(column, condition) -%}
    cast(
            cast(
                sum(cast({{ column }} * 1000000 as bigint)) filter (where {{ condition }})
                // count({{ column }}) filter (where {{ condition }}) as decimal(15, 0)
            ) * cast(0.000001 as decimal(7, 6)) as decimal(9, 6)
        )
{%- endmacro %}
