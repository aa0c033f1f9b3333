{{ config(materialized='incremental', incremental_strategy='all_rows') }}

with cells as (
    select
        {{ delivered_cells('courses') }}
    from {{ source('raw', 'courses') }}
),

typed as (
    select
        *,
        {{ as_text('course_id') }} as course_id,
        {{ as_text('name') }} as name,
        {{ as_text('course_type') }} as course_type,
        {{ as_seconds('planned_duration_seconds') }} as planned_duration_seconds
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('courses') }} as fault,
        {{ emptied_cells('courses') }} as emptied_cells
    from typed
),

listed as (
    select
        file,
        line,
        loaded_at,
        course_id,
        name as course_name,
        course_type,
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
        {{ fate(['course_id']) }} as fate
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
