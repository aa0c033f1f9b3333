{# The incremental strategy of a model that reads its own rows and writes all of them anew. #}
{% macro get_incremental_all_rows_sql(arg_dict) -%}
    delete from {{ arg_dict.target_relation }};

    insert into {{ arg_dict.target_relation }} by name
    select * from {{ arg_dict.temp_relation }}
{%- endmacro %}
