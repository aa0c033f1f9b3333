with recursive groups as (
    select
        group_id,
        parent_group_id
    from {{ ref('stg_groups') }}
    where is_kept
),

-- upward from each group, to what was seen if groups are in a cycle
nested as (
    select
        group_id,
        group_id as nested_group_id,
        parent_group_id,
        {{ list_of(['group_id']) }} as seen
    from groups

    union all

    select
        groups.group_id,
        nested.nested_group_id,
        groups.parent_group_id,
        array_append(nested.seen, groups.group_id) as seen
    from nested
    inner join groups on nested.parent_group_id = groups.group_id
    where not array_contains(nested.seen, groups.group_id)
),

final as (
    select
        group_id,
        nested_group_id
    from nested
)

select * from final
