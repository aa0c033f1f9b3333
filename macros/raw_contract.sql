{# What becomes of a delivered row, by the raw contract (the var raw_contract in dbt_project.yml).

   validation_columns says of a typed row the first reason that rejects it, in the contract's order of reasons, or none;
   the optional cells that could not be read, which become null while the row stays; and, where a later build may decide
   otherwise, the cells for that. row_status then compares the rows of one key, of which the last valid one counts.
   Both are written beside the columns of the model that calls them, and read these by name:

   - <column>_cell and <column> of every column of the contract, malformed_line and unfit_columns (casts.sql);
   - known_<column> beside a column that refers to another table, null where nothing kept has that key;
   - clock_at, the build's clock, where a column proves presence;
   - is_current and last_load_number of the row's file, and file and line. #}


{% macro validation_columns(table_name, further=[], retry=none) -%}
    {{ first_rejection(table_name, further) }} as rejection,
        {{ nulled_cells(table_name) }} as nulled_cells
    {%- if retry %},
        case
            when
                {%- if retry == 'all rows' %}
                rejection is null
                or {%- endif %} rejection['reason'] = 'in_the_future'
                or rejection['reason'] like 'unknown%'
                {#- in a list, because an empty struct costs the writing of every field #}
                then {{ list_of([cells_to_retry(table_name)]) }}
        end as retry_cells
    {%- endif %}
{%- endmacro %}


{% macro first_rejection(table_name, further=[]) -%}
    {#- in the order in which they are looked for; the seed reject_reasons says what each means -#}
    {%- set reasons = [
        'malformed_line', 'missing_value', 'bad_type', 'not_in_list', 'unknown_user', 'unknown_session',
        'unknown_course', 'unknown_custom_field', 'unknown_group', 'unknown_program_template', 'unknown_assessment',
        'ends_before_it_starts', 'in_the_future', 'before_2000',
    ] -%}
    {%- set conditions = [] -%}
    {%- for name, column in var('raw_contract')[table_name].columns.items() -%}
        {%- if column.is_required -%}
            {%- do conditions.append(['missing_value', name, name ~ '_cell is null']) -%}
            {%- do conditions.append([
                'not_in_list' if column.kind == 'list' else 'bad_type', name, name ~ ' is null'
            ]) -%}
        {%- endif -%}
        {%- if column.reference -%}
            {%- do conditions.append([
                column.reference, name, name ~ ' is not null and known_' ~ name ~ ' is null'
            ]) -%}
        {%- endif -%}
        {%- if column.proves_presence -%}
            {%- do conditions.append(['in_the_future', name, name ~ ' > clock_at + interval 5 minutes']) -%}
            {%- do conditions.append(['before_2000', name, name ~ " < timestamp '2000-01-01'"]) -%}
        {%- endif -%}
        {%- for condition in further if condition[1] == name -%}
            {%- do conditions.append(condition) -%}
        {%- endfor -%}
    {%- endfor -%}
    case
            when malformed_line is not null then {{ rejection('malformed_line') }}
        {%- for reason in reasons -%}
            {%- for reason_of_column, name, condition in conditions if reason_of_column == reason %}
            when {{ condition }} then {{ rejection(reason, name) }}
            {%- endfor -%}
        {%- endfor %}
        end
{%- endmacro %}


{% macro cells_to_retry(table_name) -%}
    {%- set cells = {'unfit_columns': 'unfit_columns'} -%}
    {%- for name in var('raw_contract')[table_name].columns -%}
        {%- do cells.update({name ~ '_cell': name ~ '_cell'}) -%}
    {%- endfor -%}
    {{ struct_of(cells) }}
{%- endmacro %}


{% macro nulled_cells(table_name) -%}
    {#- a list that names no cell has a type, too -#}
    {%- set cells = [no_rejection()] -%}
    {%- for name, column in var('raw_contract')[table_name].columns.items() if not column.is_required -%}
        {%- set rejected = rejection('not_in_list' if column.kind == 'list' else 'bad_type', name) -%}
        {%- do cells.append(
            'case when ' ~ name ~ '_cell is not null and ' ~ name ~ ' is null then ' ~ rejected ~ ' end'
        ) -%}
    {%- endfor -%}
    {{ items_where(list_of(cells), 'item is not null') }}
{%- endmacro %}


{% macro rejection(reason, column_name=none, of=none) -%}
    {%- if column_name -%}
        {{ struct_of({
            'reason': "'" ~ reason ~ "'",
            'column_name': "'" ~ column_name ~ "'",
            'value': 'left(' ~ (of or column_name ~ '_cell') ~ ', 200)',
        }) }}
    {%- else -%}
        {{ struct_of({
            'reason': "'" ~ reason ~ "'",
            'column_name': 'cast(null as string)',
            'value': 'left(malformed_line, 200)',
        }) }}
    {%- endif -%}
{%- endmacro %}


{% macro no_rejection() -%}
    case when false then {{ struct_of({
        'reason': 'cast(null as string)', 'column_name': 'cast(null as string)', 'value': 'cast(null as string)',
    }) }} end
{%- endmacro %}


{% macro row_status(key, compared=none) -%}
    case
            when rejection is not null then case when is_current then 'rejected' else 'superseded_version' end
            when row_number() over ({{ last_delivered_first(key) }}) > 1
                then case
                    when not is_current then 'superseded_version'
                    {%- if compared %}
                    when
                        {{ record_of(compared) }}
                        <> first_value({{ record_of(compared) }}) over ({{ last_delivered_first(key) }})
                        then 'conflicting'
                    {%- endif %}
                    else 'duplicate'
                end
            when is_current then 'kept'
            else 'gone'
        end
{%- endmacro %}


{% macro is_candidate(key, proof=none) -%}
    not is_current
        and row_number() over (
            partition by {{ (key + (proof or [])) | join(', ') }}, rejection is null, retry_cells
            order by is_current desc, last_load_number desc, file desc, line desc
        ) = 1
        and case
            when rejection is not null then retry_cells is not null
            {%- if proof %}
            else
                {{ record_of(proof) }}
                <> first_value({{ record_of(proof) }}) over ({{ last_delivered_first(key) }})
            {%- else %}
            else false
            {%- endif %}
        end
{%- endmacro %}


{% macro last_delivered_first(key) -%}
    {#- rejected rows compete among themselves -#}
    partition by {{ key | join(', ') }}, rejection is null
    order by is_current desc, case when not is_current then last_load_number end desc, file desc, line desc
{%- endmacro %}
