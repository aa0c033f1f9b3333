{# The optional cells of a row that say something unreadable, as a list of faults: they become empty, the row stays.
   further: [reason, column, condition] of cells that are emptied for another reason. #}
{% macro emptied_cells(table_name, further=[]) -%}
    {%- set faults = [] -%}
    {%- for column in raw_contract(table_name) if not column.is_required -%}
        {%- do faults.append([
            'not_in_list' if column.kind == 'list' else 'bad_type',
            column.name,
            column.name ~ '_cell is not null and ' ~ column.name ~ ' is null',
        ]) -%}
        {%- for fault_of_column in further if fault_of_column[1] == column.name -%}
            {%- do faults.append(fault_of_column) -%}
        {%- endfor -%}
    {%- endfor -%}
    list_filter(
            cast([
            {%- for reason, column_name, condition in faults %}
                case when {{ condition }} then {{ fault(reason, column_name) }} end{{ ',' if not loop.last }}
            {%- endfor %}
            ] as struct(reason varchar, column_name varchar, value varchar)[]),
            lambda cell: cell is not null
        )
{%- endmacro %}
