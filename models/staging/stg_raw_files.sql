{{ config(tags=['of_this_build']) }}

with final as (
    select
        file_number,
        table_name,
        file,
        sha256,
        row_count,
        loaded_at,
        last_load_number,
        is_current,
        is_read
    from {{ source('raw', 'raw_files') }}
)

select * from final
