{# A condition that narrows a model to the learners that this build touches; in a full build these are all. #}
{% macro touched_learners_only(column='user_id') -%}
    {#- while dbt parses, too, so that it knows of the reference -#}
    {%- if is_incremental() or not execute -%}
        {{ column }} in (select user_id from {{ ref('int_learners__touched') }})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
