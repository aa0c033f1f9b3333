-- T5: a person's retained seconds never exceed the wall-clock length of the union of the capped connections, and
-- fall short of it by less than a second a connection. The union is found by sweeping over beginnings and ends. An
-- incremental build looks at the affected learners.
with counted as (
    select
        person_id,
        connected_at,
        counted_until,
        retained_seconds
    from {{ ref('int_connections__measured') }}
    where disconnected_at is not null and {{ in_affected_learners() }}
),

instants as (
    select
        person_id,
        unnest([connected_at, counted_until]) as happened_at,
        unnest([1, -1]) as step
    from counted
),

swept as (
    select
        person_id,
        sum(step) over person as depth,
        epoch_us(lead(happened_at) over person) - epoch_us(happened_at) as microseconds
    from instants
    window person as (
        partition by person_id
        order by happened_at, step desc
        rows between unbounded preceding and current row
    )
),

covered as (
    select
        person_id,
        sum(microseconds) / 1000000 as union_seconds
    from swept
    where depth > 0
    group by person_id
),

retained as (
    select
        person_id,
        count(*) as connection_count,
        sum(retained_seconds) as retained_seconds
    from counted
    group by person_id
)

select *
from retained
inner join covered using (person_id)
where
    retained.retained_seconds > covered.union_seconds
    or retained.retained_seconds <= covered.union_seconds - retained.connection_count
