{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with typed as (
    {{ delivered_rows('courses') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        course_id,
        name as course_name,
        course_type,
        planned_duration_seconds,
        {{ validation_columns('courses') }},
        is_current
    from typed
    {{ union_previous_rows() }}
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ row_status(
            ['course_id'], compared=['course_name', 'course_type', 'planned_duration_seconds']
        ) }} as row_status
    from validated
),

final as (
    select
        *,
        row_status in ('kept', 'gone') as is_kept
    from deduplicated
    where row_status <> 'superseded_version'
)

select * from final
