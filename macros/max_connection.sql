{# T5: how much of a connection counts at most; without a cap null, which least() passes over. #}
{% macro max_connection() -%}
    {%- if var('max_connection_minutes') is none -%} cast(null as interval)
    {%- else -%} interval {{ var('max_connection_minutes') }} minutes
    {%- endif -%}
{%- endmacro %}
