{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with typed as (
    {{ delivered_rows('program_templates') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        program_template_id,
        name as program_template_name,
        objectives,
        planned_duration_seconds,
        coalesce(action_kind, 'training') as action_kind,
        {{ validation_columns('program_templates') }},
        is_current
    from typed
    {{ union_previous_rows() }}
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ row_status(
            ['program_template_id'],
            compared=['program_template_name', 'objectives', 'planned_duration_seconds', 'action_kind']
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
