{# Clocks and lengths of time. All instants are UTC and carry no zone; display_timezone matters only where a person
   reads. #}


{# What a clock shows at an instant. #}
{% macro local_time(instant, zone=var('display_timezone')) -%}
    {{ adapter.dispatch('local_time')(instant, zone) }}
{%- endmacro %}

{% macro default__local_time(instant, zone) -%}
    timezone('{{ zone }}', timezone('UTC', {{ instant }}))
{%- endmacro %}

{% macro spark__local_time(instant, zone) -%}
    convert_timezone('UTC', '{{ zone }}', {{ instant }})
{%- endmacro %}


{# The instant at which a clock shows a time: of one that exists twice the later (earlier_of_two gives the other); one
   that does not exist is moved forward by the gap. #}
{% macro instant_of_local_time(clock, zone) -%}
    {{ adapter.dispatch('instant_of_local_time')(clock, zone) }}
{%- endmacro %}

{% macro default__instant_of_local_time(clock, zone) -%}
    timezone('UTC', timezone('{{ zone }}', {{ clock }}))
{%- endmacro %}

{% macro spark__instant_of_local_time(clock, zone) -%}
    {#- Java takes the earlier; the clock is then put back within the day that follows, and by so much the later comes
        after -#}
    {%- set earlier = "convert_timezone('" ~ zone ~ "', 'UTC', " ~ clock ~ ")" -%}
    {%- set a_day_after = local_time(earlier ~ ' + interval 1 day', zone) ~ ' - interval 1 day' -%}
    {%- set later = earlier ~ ' + (' ~ local_time(earlier, zone) ~ ' - (' ~ a_day_after ~ '))' -%}
    case
            when {{ later }} > {{ earlier }} and {{ local_time(later, zone) }} = {{ clock }} then {{ later }}
            else {{ earlier }}
        end
{%- endmacro %}


{# How many whole units, microsecond to hour, lie between two instants. #}
{% macro whole_units_between(unit, since, until) -%}
    {{ adapter.dispatch('whole_units_between')(unit, since, until) }}
{%- endmacro %}

{% macro default__whole_units_between(unit, since, until) -%}
    date_sub('{{ unit }}', {{ since }}, {{ until }})
{%- endmacro %}

{% macro spark__whole_units_between(unit, since, until) -%}
    timestampdiff({{ unit }}, {{ since }}, {{ until }})
{%- endmacro %}


{# A date as text, of any year: 2026-10-05. #}
{% macro date_text(date) -%}
    {{ adapter.dispatch('date_text')(date) }}
{%- endmacro %}

{% macro default__date_text(date) -%}
    strftime({{ date }}, '%Y-%m-%d')
{%- endmacro %}

{% macro spark__date_text(date) -%}
    cast({{ date }} as string)
{%- endmacro %}
