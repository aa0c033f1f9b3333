{# From a raw cell to a typed value.

   Staging reads each cell of a raw table as <column>_cell: trimmed text, empty as null (trimmed_cells). typed_columns
   puts beside it the value as <column>, read by the kind that the raw contract gives the column. A cell that cannot be
   read as its kind gives null; raw_contract.sql says what becomes of the row then. #}


{% macro blanks() -%}
    {{ " \t\r\n\u00a0\u202f\u200b\ufeff" }}
{%- endmacro %}


{% macro matches_fully(text, pattern) -%}
    {{ adapter.dispatch('matches_fully')(text, pattern) }}
{%- endmacro %}

{% macro default__matches_fully(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__matches_fully(text, pattern) -%}
    {#- not "$", which lets a line end through -#}
    {{ text }} rlike '\\A(?:{{ pattern }})\\z'
{%- endmacro %}


{# Lower case letter by letter, whatever the language and the letters beside it (docs/rules.md). #}
{% macro lowered(text) -%}
    {{ adapter.dispatch('lowered')(text) }}
{%- endmacro %}

{% macro default__lowered(text) -%}
    lower({{ text }})
{%- endmacro %}

{% macro spark__lowered(text) -%}
    {#- not "lower": Java lowers Σ by its neighbours, makes two letters of İ, and knows letters that DuckDB does not -#}
    {%- set letters, lower_letters = letters_to_lower() -%}
    translate({{ text }}, '{{ letters }}', '{{ lower_letters }}')
{%- endmacro %}


{% macro trimmed_cells(table_name) -%}
    {#- trimming is slow and nearly no cell needs it: only one that holds a blank, or a letter beyond ASCII, may -#}
    file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        is_current,
        malformed_line,
        unfit_columns
    {%- for name in var('raw_contract')[table_name].columns %},
        nullif(
            case
                when
                    contains({{ name }}, ' ') or contains({{ name }}, chr(9))
                    or contains({{ name }}, chr(13)) or contains({{ name }}, chr(10))
                    or bit_length({{ name }}) > 8 * length({{ name }})
                    then trim(both '{{ blanks() }}' from {{ name }})
                else {{ name }}
            end,
            ''
        ) as {{ name }}_cell
    {%- endfor %}
{%- endmacro %}


{% macro typed_columns(table_name) -%}
    {%- for name, column in var('raw_contract')[table_name].columns.items() %},
        {{ typed_cell(name, column) }} as {{ name }}
    {%- endfor %}
{%- endmacro %}


{% macro typed_cell(name, column) -%}
    {%- set cell = name ~ '_cell' -%}
    {%- if column.kind in ('id', 'text') -%}
        {#- unfit: a list, an object, or a number of another kind, where text is expected -#}
        case
            when
                (unfit_columns is null or not array_contains(unfit_columns, '{{ name }}'))
                {%- for word in column.placeholders %}
                and {{ cell }} <> {{ quoted_text(word) }}
                {%- endfor %}
                then {{ cell }}
        end
    {%- elif column.kind == 'list' -%}
        case when {{ lowered(cell) }} in ('{{ column.words | join("', '") }}') then {{ lowered(cell) }} end
    {%- elif column.kind == 'bool' -%}
        case
            when {{ lowered(cell) }} in ('true', '1', 'yes') then true
            when {{ lowered(cell) }} in ('false', '0', 'no') then false
        end
    {%- elif column.kind == 'seconds' -%}
        case when {{ matches_fully(cell, '[0-9]+') }} then try_cast({{ cell }} as bigint) end
    {%- elif column.kind == 'whole' -%}
        case
            when {{ matches_fully(cell, '-?[0-9]+') }}
                then nullif(try_cast({{ cell }} as bigint), -9223372036854775808)
        end
    {%- elif column.kind == 'pct' -%}
        {%- set pct = '0*([0-9]{1,2}([.,][0-9]+)?|100([.,]0+)?)([' ~ blanks() ~ ']?%)?' -%}
        case
            when {{ matches_fully(cell, pct) }}
                then cast(
                    replace(regexp_extract({{ cell }}, '^0*([0-9]{1,3}([.,][0-9]{1,6})?)', 1), ',', '.')
                    as decimal(9, 6)
                )
        end
    {%- elif column.kind == 'instant' -%}
        {{ as_instant(cell) }}
    {%- elif column.kind == 'day' -%}
        {{ as_day(cell, is_end=column.bound == 'end') }}
    {%- endif -%}
{%- endmacro %}


{% macro as_instant(cell) -%}
    {%- set time = '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?' -%}
    {%- set zone = "regexp_extract(" ~ cell ~ ", '(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$', 0)" -%}
    {%- set offset = "rpad(replace(" ~ zone ~ ", ':', ''), 5, '0')" -%}
    {%- set wall_time = "regexp_extract(substr(" ~ cell ~ ", 12), '^[0-9:]+([.][0-9]{1,6})?', 0)" -%}
    {#- the seconds too -#}
    {%- set local_text = "substr(" ~ cell ~ ", 1, 10) || ' ' || " ~ wall_time ~ " || case when length("
        ~ wall_time ~ ") = 5 then ':00' else '' end" -%}
    {%- set clock = "try_cast(" ~ local_text ~ " as timestamp)" -%}
    {%- set instant -%}
        case
            when upper({{ zone }}) = 'Z' then {{ clock }}
            when {{ zone }} <> ''
                then {{ clock }}
                    - try_cast(left({{ offset }}, 3) as integer) * interval 1 hour
                    - try_cast(left({{ offset }}, 1) || right({{ offset }}, 2) as integer) * interval 1 minute
            else {{ instant_of_local_time(clock, var('raw_timezone')) }}
        end
    {%- endset -%}
    {#- nearly every instant has one of two plain shapes, which need no closer look -#}
    {%- set plain = '[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?' -%}
    {%- set any_shape = '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]' ~ time ~ '( ?(Z|z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?))?' -%}
    {%- set is_utc = var('raw_timezone') == 'UTC' -%}
    case
        when {{ matches_fully(cell, plain ~ ('Z?' if is_utc else 'Z')) }}
            then try_cast({{ cell }} as timestamp)
        {%- if not is_utc %}
        when {{ matches_fully(cell, plain) }}
            then {{ instant_of_local_time('try_cast(' ~ cell ~ ' as timestamp)', var('raw_timezone')) }}
        {%- endif %}
        when
            {{ matches_fully(cell, any_shape) }}
            and {{ instant }} between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999'
            then {{ instant }}
    end
{%- endmacro %}


{% macro as_day(cell, is_end) -%}
    {%- set zone = var('display_timezone') -%}
    {%- set clock = "cast(try_cast(" ~ cell ~ " as date) as timestamp)"
        ~ (" + interval 1 day - interval 1 microsecond" if is_end else "") -%}
    {%- set later = instant_of_local_time(clock, zone) -%}
    {%- set bound = later if is_end else "coalesce(" ~ earlier_of_two(later, zone) ~ ", " ~ later ~ ")" -%}
    case
            when not {{ matches_fully(cell, '[0-9]{4}-[0-9]{2}-[0-9]{2}') }} then {{ as_instant(cell) }}
            when {{ bound }} between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999' then {{ bound }}
        end
{%- endmacro %}


{% macro as_local_date(column) -%}
    case
            when {{ matches_fully(column, '[0-9]{4}-[0-9]{2}-[0-9]{2}') }} then try_cast({{ column }} as date)
            else cast({{ local_time(as_instant(column ~ '_cell')) }} as date)
        end
{%- endmacro %}


{% macro earlier_reading(column) -%}
    {%- if var('raw_timezone') == 'UTC' -%}
    cast(null as timestamp)
    {%- else -%}
    case
            when regexp_extract({{ column }}_cell, '(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$', 0) = ''
                then {{ earlier_of_two(column, var('raw_timezone')) }}
        end
    {%- endif -%}
{%- endmacro %}


{% macro earlier_of_two(later, zone) -%}
    {#- the clock was then put back within the day before the later one, and by so much the earlier one comes before -#}
    {%- set shown = local_time(later, zone) -%}
    {%- set a_day_before = local_time(later ~ ' - interval 1 day', zone) ~ ' + interval 1 day' -%}
    {%- set earlier = later ~ ' - (' ~ a_day_before ~ ' - ' ~ shown ~ ')' -%}
    case
            when {{ a_day_before }} > {{ shown }} and {{ local_time(earlier, zone) }} = {{ shown }} then {{ earlier }}
        end
{%- endmacro %}
