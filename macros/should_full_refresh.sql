{# dbt's own question, whether a model is made anew: with --full-refresh; and a model tagged reads_snapshots, which says
   learner by learner what snapshot tables tell, whenever one of these changed. #}
{% macro should_full_refresh() -%}
    {%- if flags.FULL_REFRESH -%}
        {{ return(true) }}
    {%- endif -%}
    {%- if execute and 'reads_snapshots' in config.get('tags', []) -%}
        {{ return(run_query('select have_snapshots_changed from raw.this_build').rows[0][0]) }}
    {%- endif -%}
    {{ return(false) }}
{%- endmacro %}
