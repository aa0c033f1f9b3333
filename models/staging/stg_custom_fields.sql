with cells as (
    select
        {{ delivered_cells('custom_fields') }}
    from {{ source('raw', 'custom_fields') }}
),

typed as (
    select
        *,
        {{ as_text('custom_field_id') }} as custom_field_id,
        {{ as_text('title') }} as title,
        {{ as_word('custom_fields', 'value_type') }} as value_type
    from cells
),

judged as (
    select
        typed.*,
        {{ first_fault('custom_fields') }} as fault,
        {{ emptied_cells('custom_fields') }} as emptied_cells
    from typed
),

sorted_out as (
    select
        file,
        line,
        loaded_at,
        custom_field_id,
        title,
        coalesce(value_type, 'string') as value_type,
        fault,
        emptied_cells,
        {{ fate(['custom_field_id']) }} as fate
    from judged
),

final as (
    select
        *,
        fate = 'kept' as is_kept
    from sorted_out
)

select * from final
