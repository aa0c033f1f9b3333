{# The incremental strategy of what is made learner by learner: all rows of a touched learner are replaced. #}
{% macro get_incremental_touched_learners_sql(arg_dict) -%}
    delete from {{ arg_dict.target_relation }}
    where user_id in (select user_id from {{ ref('int_learners__touched') }});

    insert into {{ arg_dict.target_relation }} by name
    select * from {{ arg_dict.temp_relation }}
{%- endmacro %}
