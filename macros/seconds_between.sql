{# Whole seconds from one instant to a later one, rounded down (T5). #}
{% macro seconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }})) // 1000000
{%- endmacro %}
