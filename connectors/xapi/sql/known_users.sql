-- One row per learner, with the name and the address that were told last.
with
together as (
    select
        user_id,
        user_name as last_name,
        email,
        occurred_at as told_at
    from shown_statements
    union all by name
    select *
    from remembered_users
)

select
    user_id,
    arg_max(last_name, told_at) as last_name,
    arg_max(email, told_at) as email,
    max(told_at) as told_at
from together
group by user_id
