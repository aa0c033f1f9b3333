{# An instant in UTC, cut after microseconds; without an offset it is local time in raw_timezone. DuckDB takes a local
   time that exists twice as the later instant, and moves one that does not exist forward by the gap. #}
{% macro as_instant(column) -%}
    {%- set cell = column ~ '_cell' -%}
    {%- set time = '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?' -%}
    {%- set zone = "regexp_extract(" ~ cell ~ ", '(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$')" -%}
    {%- set offset = "rpad(replace(" ~ zone ~ ", ':', ''), 5, '0')" -%}
    {%- set wall_time = "regexp_extract(substr(" ~ cell ~ ", 12), '^[0-9:]+([.][0-9]{1,6})?')" -%}
    {#- a cast that reads an offset wants the seconds too -#}
    {%- set local_time = "substr(" ~ cell ~ ", 1, 10) || ' ' || " ~ wall_time ~ " || case when length("
        ~ wall_time ~ ") = 5 then ':00' else '' end" -%}
    {%- set instant -%}
        case
            when upper({{ zone }}) = 'Z' then try_cast({{ local_time }} as timestamp)
            when {{ zone }} <> ''
                then timezone('UTC', try_cast(
                    {{ local_time }} || left({{ offset }}, 3) || ':' || right({{ offset }}, 2) as timestamptz
                ))
            else timezone('UTC', timezone('{{ var("raw_timezone") }}', try_cast({{ local_time }} as timestamp)))
        end
    {%- endset -%}
    {#- nearly every instant has one of two plain shapes, which need no closer look -#}
    {%- set plain = '[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?' -%}
    {%- set is_utc = var('raw_timezone') == 'UTC' -%}
    case
        when regexp_full_match({{ cell }}, '{{ plain }}{{ 'Z?' if is_utc else 'Z' }}')
            then try_cast({{ cell }} as timestamp)
        {%- if not is_utc %}
        when regexp_full_match({{ cell }}, '{{ plain }}')
            then timezone('UTC', timezone('{{ var("raw_timezone") }}', try_cast({{ cell }} as timestamp)))
        {%- endif %}
        when
            regexp_full_match(
                {{ cell }},
                '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]{{ time }}( ?(Z|z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?))?'
            )
            and {{ instant }} between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999'
            then {{ instant }}
    end
{%- endmacro %}
