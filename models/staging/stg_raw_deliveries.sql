{{ config(tags=['of_this_build']) }}

with final as (
    select
        file_number,
        table_name,
        first_load_number,
        last_load_number
    from {{ source('raw', 'raw_deliveries') }}
)

select * from final
