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
        case when steps.step = 1 then counted.connected_at else counted.counted_until end as happened_at,
        steps.step
    from counted
    cross join (values (1), (-1)) as steps (step)
),

swept as (
    select
        person_id,
        sum(step) over person as depth,
        lead(happened_at) over following as next_happened_at,
        happened_at
    from instants
    window
        person as (
            partition by person_id
            order by happened_at, step desc
            rows between unbounded preceding and current row
        ),
        following as (partition by person_id order by happened_at, step desc)
),

covered as (
    select
        person_id,
        sum({{ whole_units_between('microsecond', 'happened_at', 'next_happened_at') }}) / 1000000 as union_seconds
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
