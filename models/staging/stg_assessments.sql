{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with cells as (
    select
        {{ delivered_cells('assessments') }}
    from {{ source('raw', 'assessments') }}
),

typed as (
    select
        *,
        {{ as_text('assessment_id') }} as assessment_id,
        {{ as_text('name') }} as name
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('assessments') }} as fault,
        {{ emptied_cells('assessments') }} as emptied_cells
    from typed
),

listed as (
    select
        file,
        line,
        loaded_at,
        assessment_id,
        name as assessment_name,
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
        {{ fate(['assessment_id']) }} as fate
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
