-- One row per report: whether the day comes before the month, as a day beyond 12 proves it, or the day of the class in
-- the table; else the setting says it.
with
cells as (
    select
        report,
        joined as cell
    from attendances
    where joined <> ''
    union all
    select
        report,
        "left" as cell
    from attendances
    where "left" <> ''
)

select
    report,
    coalesce(bool_or(needs_order(cell)), false) as needs_order,
    coalesce(bool_or(proven_order(cell) = 'day'), false) and coalesce(bool_or(proven_order(cell) = 'month'), false)
        as is_contradictory,
    case
        when bool_or(proven_order(cell) = 'day') then true
        when bool_or(proven_order(cell) = 'month') then false
        when
            bool_or(cast(local_timestamp(cell, true) as date) = classes.class_on)
            <> bool_or(cast(local_timestamp(cell, false) as date) = classes.class_on)
            then bool_or(cast(local_timestamp(cell, true) as date) = classes.class_on)
        else cast(getvariable('day_first') as boolean)
    end as day_first
from cells
inner join classes using (report)
group by report
