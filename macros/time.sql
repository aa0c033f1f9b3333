{# What a clock shows at an instant. All instants are UTC and carry no zone; display_timezone matters only where a
   person reads. #}


{% macro local_time(instant) -%}
    timezone('{{ var("display_timezone") }}', timezone('UTC', {{ instant }}))
{%- endmacro %}
