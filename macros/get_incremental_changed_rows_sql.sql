{# The incremental strategy of growing tables' staging: a row takes the place of the one of its file and line; what the
   last build found past goes. #}
{% macro get_incremental_changed_rows_sql(arg_dict) -%}
    delete from {{ arg_dict.target_relation }} as earlier
    using {{ arg_dict.temp_relation }} as changed
    where earlier.file_number = changed.file_number and earlier.line = changed.line;

    delete from {{ arg_dict.target_relation }} where fate = 'past';

    insert into {{ arg_dict.target_relation }} by name
    select * from {{ arg_dict.temp_relation }}
{%- endmacro %}
