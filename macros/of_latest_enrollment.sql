{# A column of the enrolment with the latest enrolled_at among those that have it; ties: the smaller enrollment_id. #}
{% macro of_latest_enrollment(column) -%}
    first({{ column }} order by enrolled_at desc nulls last, {{ id_order('enrollment_id') }})
            filter (where {{ column }} is not null)
{%- endmacro %}
