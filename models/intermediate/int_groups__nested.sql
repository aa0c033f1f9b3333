-- "union" without "all" stops at what was seen, so that a cycle of groups ends
with recursive groups as (
    select
        group_id,
        parent_group_id
    from {{ ref('stg_groups') }}
    where is_kept
),

nested as (
    select
        group_id,
        group_id as nested_group_id
    from groups

    union

    select
        nested.group_id,
        groups.group_id as nested_group_id
    from nested
    inner join groups on nested.nested_group_id = groups.parent_group_id
),

final as (
    select
        group_id,
        nested_group_id
    from nested
)

select * from final
