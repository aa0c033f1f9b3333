{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with cells as (
    select
        {{ delivered_cells('program_templates') }}
    from {{ source('raw', 'program_templates') }}
),

typed as (
    select
        *,
        {{ as_text('program_template_id') }} as program_template_id,
        {{ as_text('name') }} as name,
        {{ as_text('objectives') }} as objectives,
        {{ as_seconds('planned_duration_seconds') }} as planned_duration_seconds
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('program_templates') }} as fault,
        {{ emptied_cells('program_templates') }} as emptied_cells
    from typed
),

listed as (
    select
        file,
        line,
        loaded_at,
        program_template_id,
        name as program_template_name,
        objectives,
        planned_duration_seconds,
        fault,
        emptied_cells,
        is_current,
        last_load_number
    from judged
    {{ as_the_last_build_kept_it() }}
),

sorted_out as (
    select
        * exclude (is_current, last_load_number),
        {{ fate(['program_template_id']) }} as fate
    from listed
),

final as (
    select
        *,
        fate in ('kept', 'gone') as is_kept
    from sorted_out
    where fate <> 'past'
)

select * from final
