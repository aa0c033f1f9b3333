{# T3: a column's value at the last event of a run. #}
{% macro last_in_run(column) -%}
    last({{ column }} order by occurred_at, {{ id_order('event_id') }})
{%- endmacro %}
