{# What the rows of dbt's unit tests say, for Spark: lists and structs as DuckDB reads them from text,
   and backslashes. #}


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
