{{ config(tags=['of_this_build']) }}

with final as (
    select
        table_name,
        is_delivered
    from {{ source('raw', 'raw_tables') }}
)

select * from final
