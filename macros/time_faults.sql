{# The faults of instants that prove presence: in the future by the build's clock, or before the year 2000. #}
{% macro time_faults(columns) -%}
    {%- set faults = [] -%}
    {%- for column in columns -%}
        {%- do faults.append(['in_the_future', column, column ~ ' > clock_at + interval 5 minutes']) -%}
        {%- do faults.append(['before_2000', column, column ~ " < timestamp '2000-01-01'"]) -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro %}
