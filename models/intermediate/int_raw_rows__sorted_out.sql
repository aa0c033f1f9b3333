{%- set tables = [
    'users', 'custom_fields', 'user_custom_field_values', 'user_labels', 'groups', 'group_members', 'program_templates',
    'program_sessions', 'session_instructors', 'enrollments', 'courses', 'program_steps', 'assessments',
    'course_attempts', 'assessment_results', 'course_connections', 'learning_events',
] -%}

with final as (
    {%- for table in tables %}
    select
        '{{ table }}' as table_name,
        file,
        line,
        loaded_at,
        fate,
        fault,
        emptied_cells
    from {{ ref('stg_' ~ table) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
