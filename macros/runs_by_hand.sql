{# What dbt may change of a build file without `opco build`.

   Schema raw is written for one build: of a growing table an incremental build sees only what no build has read, and
   it knows its own rows by the instant at which they were written. dbt, run over it a second time, would take rows for
   new that are not, and miss those that it needs. So whoever runs dbt by hand makes no incremental build, and refreshes
   staging only where schema raw holds the whole archive. What is built by hand leaves a mark in schema raw: `opco
   build` does not go on from it. #}


{% macro guard_runs_by_hand() -%}
    {%- set builds = flags.WHICH not in ('compile', 'generate', 'test') -%}
    {%- if execute and builds and not var('build_id', none) -%}
        {%- set models = [] -%}
        {%- for unique_id in selected_resources if unique_id.split('.')[0] in ('model', 'seed') -%}
            {%- do models.append(graph.nodes[unique_id]) -%}
        {%- endfor -%}
        {%- set incremental = models | selectattr('config.materialized', 'equalto', 'incremental') | list -%}
        {%- set has_raw = run_query("
            select count(*) from duckdb_tables()
            where database_name = current_database() and schema_name = 'raw' and table_name = 'this_build'
        ").rows[0][0] > 0 -%}
        {%- if models and not has_raw -%}
            {{ exceptions.raise_compiler_error(
                target.path ~ ' holds nothing that was delivered, so there is nothing to build. Load and build: opco '
                ~ 'build --raw FOLDER. For another build file set OPCO_BUILD_FILE (docs/dbt.md).'
            ) }}
        {%- elif incremental and not flags.FULL_REFRESH -%}
            {{ exceptions.raise_compiler_error(
                target.path ~ ' holds a build that has read what was delivered; an incremental run over it by hand '
                ~ 'would make wrong tables (' ~ incremental[0].name ~ '). Nothing was changed. Build with: opco build. '
                ~ 'To try a model, name it and add --full-refresh (docs/dbt.md).'
            ) }}
        {%- elif incremental | selectattr('schema', 'equalto', 'staging') | list
            and run_query('select earlier_load_number from raw.this_build').rows[0][0] > 0 -%}
            {{ exceptions.raise_compiler_error(
                'The last build of ' ~ target.path ~ ' was incremental, so its schema raw holds only a part of the '
                ~ 'archive, and staging cannot be refreshed from it. Nothing was changed. Rebuild with: opco rebuild. '
                ~ 'Models behind staging can be tried with --full-refresh and --exclude staging (docs/dbt.md).'
            ) }}
        {%- elif models -%}
            create or replace table raw.built_by_hand as select cast(current_timestamp as varchar) as built_at
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
