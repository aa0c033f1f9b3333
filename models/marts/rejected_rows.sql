with raw_rows as (
    select * from {{ ref('int_raw_rows__sorted_out') }}
),

rejected as (
    select
        table_name,
        file,
        line,
        fault,
        false as row_kept,
        loaded_at
    from raw_rows
    where fate = 'rejected'
),

emptied as (
    select
        table_name,
        file,
        line,
        unnest(emptied_cells) as fault,
        true as row_kept,
        loaded_at
    from raw_rows
    where fate in ('kept', 'outside_session') and len(emptied_cells) > 0
),

listed as (
    select * from rejected
    union all
    select * from emptied
),

final as (
    select
        table_name,
        file,
        line,
        fault.reason,
        fault.column_name,
        fault.value,
        row_kept,
        loaded_at
    from listed
)

select * from final
