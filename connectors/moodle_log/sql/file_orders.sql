-- One row per log: whether the day comes before the month in its times. A day beyond 12 proves it, in the file itself or
-- in another one with the same headings, which is of the same language; else the setting says it.
with
evidence as (
    select
        file,
        any_value(files.headings) as headings,
        coalesce(bool_or(proven_order(time_cell) = 'day'), false) as proves_day,
        coalesce(bool_or(proven_order(time_cell) = 'month'), false) as proves_month,
        coalesce(bool_or(needs_order(time_cell)), false) as needs_order
    from lines
    inner join files using (file)
    group by file
),

of_headings as (
    select
        headings,
        bool_or(proves_day) as proves_day,
        bool_or(proves_month) as proves_month
    from evidence
    group by headings
)

select
    evidence.file,
    evidence.needs_order,
    evidence.proves_day and evidence.proves_month as is_contradictory,
    case
        when evidence.proves_day then true
        when evidence.proves_month then false
        when of_headings.proves_day <> of_headings.proves_month then of_headings.proves_day
        else cast(getvariable('day_first') as boolean)
    end as day_first
from evidence
inner join of_headings using (headings)
