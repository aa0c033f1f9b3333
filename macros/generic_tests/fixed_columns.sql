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
    select
        column_index as column_position,
        column_name,
        data_type
    from duckdb_columns()
    where
        database_name = '{{ model.database }}'
        and schema_name = '{{ model.schema }}'
        and table_name = '{{ model.identifier }}'
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
    or found.data_type is distinct from expected.data_type
{% endtest %}
