{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with cells as (
    select
        {{ delivered_cells('program_sessions') }}
    from {{ source('raw', 'program_sessions') }}
),

known_program_templates as (
    select program_template_id as known_program_template_id from {{ ref('stg_program_templates') }} where is_kept
),

typed as (
    select
        *,
        {{ as_text('session_id') }} as session_id,
        {{ as_text('program_template_id') }} as program_template_id,
        {{ as_text('name') }} as name,
        {{ as_instant('starts_at') }} as starts_at,
        {{ as_instant('ends_at') }} as ends_at
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('program_sessions') }} as fault,
        {{ emptied_cells('program_sessions') }} as emptied_cells
    from typed
    left join known_program_templates on typed.program_template_id = known_program_templates.known_program_template_id
),

listed as (
    select
        file,
        line,
        loaded_at,
        session_id,
        program_template_id,
        name as session_name,
        starts_at,
        ends_at,
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
        {{ fate(['session_id']) }} as fate
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
