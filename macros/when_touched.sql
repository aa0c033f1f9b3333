{# For data tests: a build that goes on from the last one looks at the learners that it touched; a full build at all. #}
{% macro when_touched() -%}
    {%- set touched = ref('int_learners__touched') -%}
    {%- if flags.FULL_REFRESH -%} true {%- else -%} user_id in (select user_id from {{ touched }}) {%- endif -%}
{%- endmacro %}
