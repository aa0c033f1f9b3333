-- T5: a learner's retained seconds never exceed the wall-clock length of the union of the capped connections, and
-- fall short of it by less than a second a connection. The union is found by sweeping over beginnings and ends. An
-- incremental build looks at the affected learners.
with counted as (
    select
        user_id,
        connected_at,
        counted_until,
        retained_seconds
    from {{ ref('int_connections__measured') }}
    where disconnected_at is not null and {{ in_affected_learners() }}
),

instants as (
    select
        user_id,
        unnest([connected_at, counted_until]) as happened_at,
        unnest([1, -1]) as step
    from counted
),

swept as (
    select
        user_id,
        sum(step) over learner as depth,
        epoch_us(lead(happened_at) over learner) - epoch_us(happened_at) as microseconds
    from instants
    window learner as (
        partition by user_id
        order by happened_at, step desc
        rows between unbounded preceding and current row
    )
),

covered as (
    select
        user_id,
        sum(microseconds) / 1000000 as union_seconds
    from swept
    where depth > 0
    group by user_id
),

retained as (
    select
        user_id,
        count(*) as connection_count,
        sum(retained_seconds) as retained_seconds
    from counted
    group by user_id
)

select *
from retained
inner join covered using (user_id)
where
    retained.retained_seconds > covered.union_seconds
    or retained.retained_seconds <= covered.union_seconds - retained.connection_count
