{# T5: the order in which a learner's closed connections are counted. Only where two have one id, which the platform
   then delivered, do session and course decide. #}
{% macro counting_order(prefix='') -%}
    {{ prefix }}connected_at,
            {{ prefix }}disconnected_at,
            {{ id_order(prefix ~ 'connection_id') }},
            {{ id_order(prefix ~ 'session_id') }},
            {{ id_order(prefix ~ 'course_id') }}
{%- endmacro %}
