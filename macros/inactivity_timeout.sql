{# T3: how long a learner may be silent without leaving the run. #}
{% macro inactivity_timeout() -%}
    interval {{ var('inactivity_timeout_minutes') }} minutes
{%- endmacro %}
