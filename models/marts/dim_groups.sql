with final as (
    select
        group_id,
        group_name,
        parent_group_id,
        row_status = 'gone' as is_gone
    from {{ ref('stg_groups') }}
    where is_kept
)

select * from final
