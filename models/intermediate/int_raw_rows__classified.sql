{#- of growing tables, whose first column is their id, the instant whose day a row proves -#}
{%- set happened_at = {
    'course_attempts': 'last_activity_at',
    'assessment_results': 'submitted_at',
    'course_connections': 'connected_at',
    'learning_events': 'occurred_at',
} -%}

with final as (
    {%- for table_name, table in var('raw_contract').items() %}
    select
        '{{ table_name }}' as table_name,
        file_number,
        file,
        line,
        loaded_at,
        {{ table.columns | first if table.delivery == 'growing' else 'cast(null as string)' }} as row_id,
        {{ happened_at.get(table_name, 'cast(null as timestamp)') }} as happened_at,
        {%- for column in ['user_id', 'session_id', 'course_id'] %}
        {{ column if column in table.columns else 'cast(null as string) as ' ~ column }},
        {%- endfor %}
        row_status,
        is_kept,
        {{ 'is_candidate' if table.delivery == 'growing' else 'false as is_candidate' }},
        rejection,
        nulled_cells
    from {{ ref('stg_' ~ table_name) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
