with raw_rows as (
    select * from {{ ref('int_raw_rows__classified') }}
),

rejected as (
    select
        table_name,
        file,
        line,
        rejection,
        false as row_kept,
        loaded_at
    from raw_rows
    where row_status = 'rejected'
),

nulled as (
    select
        table_name,
        file,
        line,
        {{ one_by_one('nulled_cells') }} as rejection,
        true as row_kept,
        loaded_at
    from raw_rows
    where row_status in ('kept', 'outside_session') and nulled_cells <> {{ list_of([]) }}
),

listed as (
    select * from rejected
    union all
    select * from nulled
),

final as (
    select
        table_name,
        file,
        line,
        rejection.reason,
        rejection.column_name,
        rejection.value,
        row_kept,
        loaded_at
    from listed
)

select * from final
