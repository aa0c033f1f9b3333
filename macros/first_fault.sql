{# The first reason that rejects a row, in the contract's order, then in that of its columns; null for a row that
   stays. A column that refers to another table has known_<column> beside it, null where nothing kept has that key.
   further: [reason, column, condition] of faults that the contract states in words. #}
{% macro first_fault(table_name, further=[]) -%}
    {%- set faults = [] -%}
    {%- for column in raw_contract(table_name) -%}
        {%- if column.is_required -%}
            {%- do faults.append(['missing_value', column.name, column.name ~ '_cell is null']) -%}
            {%- do faults.append([
                'not_in_list' if column.kind == 'list' else 'bad_type', column.name, column.name ~ ' is null'
            ]) -%}
        {%- endif -%}
        {%- if column.reference -%}
            {%- do faults.append([
                column.reference, column.name, column.name ~ ' is not null and known_' ~ column.name ~ ' is null'
            ]) -%}
        {%- endif -%}
        {%- for fault_of_column in further if fault_of_column[1] == column.name -%}
            {%- do faults.append(fault_of_column) -%}
        {%- endfor -%}
    {%- endfor -%}
    case
            when malformed_line is not null then {{ fault('malformed_line') }}
        {%- for reason in reject_reasons() -%}
            {%- for fault_reason, column_name, condition in faults if fault_reason == reason %}
            when {{ condition }} then {{ fault(reason, column_name) }}
            {%- endfor -%}
        {%- endfor %}
        end
{%- endmacro %}
