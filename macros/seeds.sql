{# How the rows of a seed come to Spark: dbt's own way puts them in as they are, and stops at an apostrophe. #}


{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model.config.column_types -%}
    {%- set statement -%}
        insert into {{ this }} values
        {%- for row in agate_table.rows %}
        (
            {%- for name in agate_table.column_names -%}
            cast({{ 'null' if row[name] is none else quoted_text(row[name] | string) }} as {{ types[name] }})
            {{- ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    {%- endset -%}
    {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
    {{ return(statement) }}
{%- endmacro %}
