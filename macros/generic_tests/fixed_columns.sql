{% test fixed_columns(model) %}
{#- dbt knows the graph only once it has parsed -#}
{%- set nodes = graph.nodes.values() if execute else [] -%}
{%- set node = nodes | selectattr('name', 'equalto', model.identifier) | first -%}
with expected (column_position, column_name, data_type) as (
    values
    {%- for column in (node.columns if node else {}).values() %}
    ({{ loop.index }}, '{{ column.name }}', upper('{{ column.data_type }}')){{ ',' if not loop.last }}
    {%- endfor %}
),

found as (
    {{ columns_of(model) }}
)

select
    expected.column_position,
    expected.column_name,
    expected.data_type,
    found.column_name as found_column_name,
    found.data_type as found_data_type
from expected
left join found on expected.column_position = found.column_position
where
    found.column_name is distinct from expected.column_name
    or found.data_type <> expected.data_type
{% endtest %}


{% macro columns_of(relation) -%}
    {{ adapter.dispatch('columns_of')(relation) }}
{%- endmacro %}

{% macro default__columns_of(relation) -%}
    select
        column_index as column_position,
        column_name,
        data_type
    from duckdb_columns()
    where
        database_name = '{{ relation.database }}'
        and schema_name = '{{ relation.schema }}'
        and table_name = '{{ relation.identifier }}'
{%- endmacro %}

{% macro spark__columns_of(relation) -%}
    {#- of no type: what Spark makes has the promised types once DuckDB takes it over -#}
    {%- for column in (adapter.get_columns_in_relation(relation) if execute else []) %}
    select
        {{ loop.index }} as column_position,
        {{ quoted_text(column.name) }} as column_name,
        cast(null as string) as data_type
    union all
    {%- endfor %}
    select
        0 as column_position,
        '' as column_name,
        cast(null as string) as data_type
{%- endmacro %}
