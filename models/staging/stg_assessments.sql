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

sorted_out as (
    select
        file,
        line,
        loaded_at,
        assessment_id,
        name as assessment_name,
        fault,
        emptied_cells,
        {{ fate(['assessment_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate in ('kept', 'gone') as is_kept
    from sorted_out
    where fate <> 'past'
)

select * from final
