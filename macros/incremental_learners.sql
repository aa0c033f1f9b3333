{# How what is computed learner by learner is built incrementally.

   int_learners__affected lists the learners of the rows that the staging of growing tables has just written. A model
   reads no others (in_affected_learners), and get_incremental_affected_learners_sql, its incremental strategy, replaces
   all rows of these. A model that snapshot tables reach is tagged reads_snapshots: should_full_refresh, which dbt asks
   of every incremental model, rebuilds it for everybody once any snapshot table changed. #}


{% macro in_affected_learners(column='user_id') -%}
    {%- set is_narrowed = not flags.FULL_REFRESH if model.resource_type == 'test' else is_incremental() -%}
    {#- while dbt parses, too, so that it knows of the reference -#}
    {%- if is_narrowed or not execute -%} {{ column }} in (select user_id from {{ ref('int_learners__affected') }})
    {%- else -%} true
    {%- endif -%}
{%- endmacro %}


{% macro get_incremental_affected_learners_sql(arg_dict) -%}
    delete from {{ arg_dict.target_relation }}
    where user_id in (select user_id from {{ ref('int_learners__affected') }});

    insert into {{ arg_dict.target_relation }} by name
    select * from {{ arg_dict.temp_relation }}
{%- endmacro %}


{% macro should_full_refresh() -%}
    {%- if flags.FULL_REFRESH -%}
        {{ return(true) }}
    {%- endif -%}
    {%- if execute and 'reads_snapshots' in config.get('tags', []) -%}
        {{ return(run_query('select have_snapshots_changed from raw.this_build').rows[0][0]) }}
    {%- endif -%}
    {{ return(false) }}
{%- endmacro %}
