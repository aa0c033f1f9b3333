{# How Spark reads the rows of dbt's unit tests: lists and structs from text, as DuckDB does, and backslashes. #}


{% macro spark__safe_cast(field, type) -%}
    {%- if type.split('<')[0] | lower in ('array', 'struct', 'map') and field != 'null' -%}
        from_json({{ field }}, '{{ type }}')
    {%- else -%}
        cast({{ field }} as {{ type }})
    {%- endif -%}
{%- endmacro %}


{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace('\\', '\\\\') | replace("'", "\\'") }}
{%- endmacro %}
