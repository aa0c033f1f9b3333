with members as (
    select
        group_id,
        user_id,
        role
    from {{ ref('stg_group_members') }}
    where is_kept
),

final as (
    select
        nested.group_id,
        members.user_id,
        bool_or(members.group_id = nested.group_id) as is_direct,
        max(case when members.group_id = nested.group_id then members.role end) as role
    from {{ ref('int_groups__nested') }} as nested
    inner join members on nested.nested_group_id = members.group_id
    group by nested.group_id, members.user_id
)

select * from final
