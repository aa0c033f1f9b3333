{# From a raw cell to a typed value.

   Staging reads each cell of a raw table as <column>_cell: trimmed text, empty as null (trimmed_cells). typed_columns
   puts beside it the value as <column>, read by the kind that the raw contract gives the column. A cell that cannot be
   read as its kind gives null; raw_contract.sql says what becomes of the row then. #}


{% macro blanks(is_pattern=false) -%}
    {%- if is_pattern -%} \x20\t\r\n\x{A0}\x{202F}\x{200B}\x{FEFF}
    {%- else -%} e' \t\r\n' || chr(160) || chr(8239) || chr(8203) || chr(65279)
    {%- endif -%}
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
                    contains({{ name }}, ' ') or contains({{ name }}, e'\t')
                    or contains({{ name }}, e'\r') or contains({{ name }}, e'\n')
                    or strlen({{ name }}) > length({{ name }})
                    then trim({{ name }}, {{ blanks() }})
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
                (unfit_columns is null or not list_contains(unfit_columns, '{{ name }}'))
            {%- if column.placeholders %}
                and {{ cell }} not in ('{{ column.placeholders | join("', '") }}')
            {%- endif %}
                then {{ cell }}
        end
    {%- elif column.kind == 'list' -%}
        case when lower({{ cell }}) in ('{{ column.words | join("', '") }}') then lower({{ cell }}) end
    {%- elif column.kind == 'bool' -%}
        case
            when lower({{ cell }}) in ('true', '1', 'yes') then true
            when lower({{ cell }}) in ('false', '0', 'no') then false
        end
    {%- elif column.kind == 'seconds' -%}
        case when regexp_full_match({{ cell }}, '[0-9]+') then try_cast({{ cell }} as bigint) end
    {%- elif column.kind == 'whole' -%}
        case
            when regexp_full_match({{ cell }}, '-?[0-9]+')
                then nullif(try_cast({{ cell }} as bigint), -9223372036854775808)
        end
    {%- elif column.kind == 'pct' -%}
        {%- set sign = '([' ~ blanks(is_pattern=true) ~ ']?%)?' -%}
        case
            when regexp_full_match({{ cell }}, '0*([0-9]{1,2}([.,][0-9]+)?|100([.,]0+)?){{ sign }}')
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
    {#- DuckDB takes a local time that exists twice as the later instant (earlier_reading gives the other), and moves
        one that does not exist forward by the gap -#}
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


{% macro as_day(cell, is_end) -%}
    {%- set zone = var('display_timezone') -%}
    {%- set clock = "cast(try_cast(" ~ cell ~ " as date) as timestamp)"
        ~ (" + interval 1 day - interval 1 microsecond" if is_end else "") -%}
    {%- set later = "timezone('UTC', timezone('" ~ zone ~ "', " ~ clock ~ "))" -%}
    {%- set bound = later if is_end else "coalesce(" ~ earlier_of_two(later, zone) ~ ", " ~ later ~ ")" -%}
    case
            when not regexp_full_match({{ cell }}, '[0-9]{4}-[0-9]{2}-[0-9]{2}') then {{ as_instant(cell) }}
            when {{ bound }} between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999' then {{ bound }}
        end
{%- endmacro %}


{% macro as_local_date(column) -%}
    case
            when regexp_full_match({{ column }}, '[0-9]{4}-[0-9]{2}-[0-9]{2}') then try_cast({{ column }} as date)
            else cast({{ local_time(as_instant(column ~ '_cell')) }} as date)
        end
{%- endmacro %}


{% macro earlier_reading(column) -%}
    {%- if var('raw_timezone') == 'UTC' -%}
    cast(null as timestamp)
    {%- else -%}
    case
            when not regexp_matches({{ column }}_cell, '(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$')
                then {{ earlier_of_two(column, var('raw_timezone')) }}
        end
    {%- endif -%}
{%- endmacro %}


{% macro earlier_of_two(later, zone) -%}
    {#- the clock was then put back within the day before the later one, and by so much the earlier one comes before -#}
    {%- set shown = "timezone('" ~ zone ~ "', timezone('UTC', {}))" -%}
    {%- set a_day_before = shown.format(later ~ ' - interval 1 day') ~ ' + interval 1 day' -%}
    {%- set earlier = later ~ ' - (' ~ a_day_before ~ ' - ' ~ shown.format(later) ~ ')' -%}
    case
            when
                {{ a_day_before }} > {{ shown.format(later) }}
                and {{ shown.format(earlier) }} = {{ shown.format(later) }}
                then {{ earlier }}
        end
{%- endmacro %}
