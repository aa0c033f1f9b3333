{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with typed as (
    {{ delivered_rows('custom_fields') }}
),

validated as (
    select
        file_number,
        file,
        line,
        loaded_at,
        last_load_number,
        custom_field_id,
        title,
        coalesce(value_type, 'string') as value_type,
        {{ validation_columns('custom_fields') }},
        is_current
    from typed
    {{ union_previous_rows() }}
),

deduplicated as (
    select
        {{ all_but(['is_current']) }},
        {{ row_status(['custom_field_id'], compared=['title', 'value_type']) }} as row_status
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
