{{ config(materialized='view') }}
{#- the key of a raw table, as columns of t, where it is not the first column -#}
{%- set keys = {
    'user_custom_field_values': ['t.user_id', 't.custom_field_id'],
    'user_labels': ['t.user_id', 't.label'],
    'group_members': ['t.group_id', 't.user_id'],
    'session_instructors': ['t.session_id', 't.user_id'],
    'program_steps': [
        't.program_template_id', 't.position', 't.step_type', 't.resource_id', 't.is_optional', 't.min_score_pct',
    ],
    'course_connections': [
        't.connection_id',
        'case when t.connection_id is null then t.user_id end',
        'case when t.connection_id is null then t.session_id end',
        'case when t.connection_id is null then t.course_id end',
        'case when t.connection_id is null then t.later_connected_at end',
    ],
} -%}

with final as (
    {%- for table_name, table in var('raw_contract').items() %}
    {%- set columns = table.columns | list %}
    {%- set key = keys.get(table_name, ['t.' ~ columns[0]]) %}
    select
        '{{ table_name }}' as table_name,
        raw_rows.file_number,
        raw_rows.line,
        winners.file || ':' || winners.line as place,
        nullif(concat_ws(
            '; '
            {%- for column in columns %}
            {%- set staged = {
                'name': columns[0] | replace('_id', '_name'),
                'parent_group_id': 'delivered_parent_group_id',
            }.get(column, column) %},
            case
                when raw_rows.{{ staged }} is distinct from winners.{{ staged }}
                    then
                        '{{ staged }} ' || coalesce(cast(raw_rows.{{ staged }} as string), 'empty')
                        || ', there ' || coalesce(cast(winners.{{ staged }} as string), 'empty')
            end
            {%- endfor %}
        ), '') as differences
    from {{ ref('stg_' ~ table_name) }} as raw_rows
    inner join {{ ref('stg_' ~ table_name) }} as winners
        on
            {%- for part in key %}
            {{ part | replace('t.', 'raw_rows.') }} is not distinct from {{ part | replace('t.', 'winners.') }}
            and
            {%- endfor %}
            (winners.is_kept or winners.row_status in ('withdrawn', 'withdrawn_gone'))
    where raw_rows.row_status in ('duplicate', 'conflicting', 'superseded_version') and raw_rows.rejection is null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
