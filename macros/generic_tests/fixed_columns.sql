{% test fixed_columns(model) %}
{#- dbt knows the graph only once it has parsed -#}
{%- set nodes = graph.nodes.values() if execute else [] -%}
{%- set node = nodes | selectattr('name', 'equalto', model.identifier) | first -%}
{%- set found = adapter.get_columns_in_relation(model) if execute else [] -%}
{%- for column in (node.columns if node else {}).values() %}
{%- set same = found[loop.index0] if loop.index0 < found | length else none %}
{%- if not same or same.name != column.name or not has_promised_type(same, column.data_type) %}
select
    {{ loop.index }} as column_position,
    '{{ column.name }} {{ column.data_type }}' as expected,
    {{ quoted_text(same.name ~ " " ~ same.dtype) if same else 'null' }} as found
union all
{%- endif %}
{%- endfor %}
select
    0 as column_position,
    '' as expected,
    '' as found
where false
{% endtest %}


{% macro has_promised_type(column, data_type) -%}
    {{ return(adapter.dispatch('has_promised_type')(column, data_type)) }}
{%- endmacro %}

{% macro default__has_promised_type(column, data_type) -%}
    {{ return(column.dtype | upper == data_type | upper) }}
{%- endmacro %}

{# What Spark makes has the promised types once DuckDB takes it over. #}
{% macro spark__has_promised_type(column, data_type) -%}
    {{ return(true) }}
{%- endmacro %}
