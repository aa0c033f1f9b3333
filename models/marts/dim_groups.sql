with final as (
    select
        group_id,
        group_name,
        parent_group_id
    from {{ ref('stg_groups') }}
    where is_kept
)

select * from final
