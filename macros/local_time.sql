{# What a clock on the wall shows at a UTC instant, in display_timezone. #}
{% macro local_time(instant) -%}
    timezone('{{ var("display_timezone") }}', timezone('UTC', {{ instant }}))
{%- endmacro %}
