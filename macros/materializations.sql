{# How dbt makes a table and asks a test, in fewer statements than its own way.

   dbt's own materializations build a model beside the one that readers see, swap the two, and ask the database of each
   what it has; each statement is written to a file as well. Nobody reads the build file while it is built, and one that
   stopped half-way is built anew: so a table is made in place, in one transaction, and an incremental model goes by its
   strategy at once. Hooks, grants, indexes and stored failures have no part in this project.

   Spark builds in schemas that begin empty, and always in full: an incremental model is a table there. #}


{% materialization table, adapter='duckdb' -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- do run_main(made_in_place(target_relation)) -%}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}


{% materialization view, adapter='duckdb' -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- do run_main('create or replace view ' ~ target_relation ~ ' as ' ~ model.compiled_code) -%}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}


{% materialization incremental, adapter='duckdb' -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- if is_incremental() -%}
        {%- set temp_relation = make_temp_relation(target_relation).identifier -%}
        {%- set strategy_name = config.require('incremental_strategy') -%}
        {%- set strategy = adapter.get_incremental_strategy_macro(context, strategy_name) -%}
        {%- do run_main(
            'create temporary table ' ~ temp_relation ~ ' as ' ~ model.compiled_code ~ ';\n'
            ~ strategy({'target_relation': target_relation, 'temp_relation': temp_relation})
            ~ ';\ndrop table ' ~ temp_relation
        ) -%}
    {%- else -%}
        {%- do run_main(made_in_place(target_relation)) -%}
    {%- endif -%}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}


{% materialization test, default -%}
    {%- set query -%}
        select
            {{ config.get('fail_calc') }} as failures,
            {{ config.get('fail_calc') }} {{ config.get('warn_if') }} as should_warn,
            {{ config.get('fail_calc') }} {{ config.get('error_if') }} as should_error
        from (
            {{ model.compiled_code }}
        ) as failing_rows
    {%- endset -%}
    {%- set response, table = adapter.execute(query, auto_begin=false, fetch=true) -%}
    {%- do store_result('main', response=response, agate_table=table) -%}
    {{ return({'relations': []}) }}
{%- endmaterialization %}


{% materialization seed, adapter='duckdb' -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set columns = [] -%}
    {%- for name, data_type in config.require('column_types').items() -%}
        {%- do columns.append(name ~ ' ' ~ data_type) -%}
    {%- endfor -%}
    {%- do run_main(
        'create or replace table ' ~ target_relation ~ ' (' ~ columns | join(', ') ~ ');\n'
        ~ 'copy ' ~ target_relation
        ~ " from '" ~ adapter.get_seed_file_path(model) | replace("'", "''") ~ "' (header true)"
        ~ docs_as_comments(target_relation)
    ) -%}
    {#- dbt asks for what it would have read itself -#}
    {%- do store_result('agate_table', response='OK') -%}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}


{% materialization table, adapter='spark' -%}
    {{ return(made_once()) }}
{%- endmaterialization %}


{% materialization incremental, adapter='spark' -%}
    {{ return(made_once()) }}
{%- endmaterialization %}


{% materialization view, adapter='spark' -%}
    {{ return(made_once('view')) }}
{%- endmaterialization %}


{% macro made_once(type='table') -%}
    {%- set target_relation = this.incorporate(type=type) -%}
    {%- call statement('main') -%}
        create {{ type }} {{ target_relation }} {{ 'using parquet' if type == 'table' }} as
        {{ model.compiled_code }}
    {%- endcall -%}
    {{ return({'relations': [target_relation]}) }}
{%- endmacro %}


{% macro run_main(statements) -%}
    {%- set response, table = adapter.execute('begin;\n' ~ statements ~ ';\ncommit', auto_begin=false) -%}
    {%- do store_result('main', response=response, agate_table=table) -%}
{%- endmacro %}


{# What a contract says of types is compared with what the query gives; what it says of nulls, the table refuses. #}
{% macro made_in_place(relation) -%}
    drop table if exists {{ relation }};
    {%- if config.get('contract').enforced %}
    {%- set promised = [] -%}
    {%- for column in model.columns.values() -%}
        {%- do promised.append({'name': column.name, 'data_type': column.data_type | upper | replace(', ', ',')}) -%}
    {%- endfor -%}
    {%- set given = [] -%}
    {%- set _, described = adapter.execute('describe (' ~ model.compiled_code ~ ')', fetch=true) -%}
    {%- for column in described.rows -%}
        {%- do given.append({'name': column[0], 'data_type': column[1] | upper | replace(', ', ',')}) -%}
    {%- endfor -%}
    {%- if promised | sort(attribute='name') != given | sort(attribute='name') -%}
        {%- do exceptions.raise_contract_error(promised, given) -%}
    {%- endif %}
    create table {{ relation }} {{ table_columns_and_constraints() }};
    insert into {{ relation }} by name
    {{ model.compiled_code }}
    {%- else %}
    create table {{ relation }} as
    {{ model.compiled_code }}
    {%- endif %}
    {{- docs_as_comments(relation) }}
{%- endmacro %}


{% macro docs_as_comments(relation) -%}
    {%- if config.persist_relation_docs() and model.description %};
    comment on table {{ relation }} is {{ duckdb_escape_comment(model.description) }}
    {%- endif %}
    {%- if config.persist_column_docs() %}
    {%- for column in model.columns.values() %};
    comment on column {{ relation }}.{{ column.name }} is {{ duckdb_escape_comment(column.description) }}
    {%- endfor %}
    {%- endif %}
{%- endmacro %}
