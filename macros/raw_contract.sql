{# The contract of one raw table: name, kind, is_required, words, default and reference of each column. #}
{% macro raw_contract(table_name) -%}
    {%- set columns = [] -%}
    {#- while dbt parses, the graph is not there yet -#}
    {%- for source in (graph.sources.values() if execute else []) if source.source_name == 'raw' and source.name == table_name -%}
        {%- for column in source.columns.values() if column.config.meta.kind is defined -%}
            {%- do columns.append(dict(column.config.meta, name=column.name)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
