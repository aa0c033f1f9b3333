-- One row per file: whether the day comes before the month in its times (time_cells). A day beyond 12 proves it, in it or
-- in another one with the same headings, which is of the same language; else the setting says it.
with
evidence as (
    select
        files.file,
        files.headings,
        coalesce(bool_or(proven_order(time_cells.cell) = 'day'), false) as proves_day,
        coalesce(bool_or(proven_order(time_cells.cell) = 'month'), false) as proves_month,
        coalesce(bool_or(needs_order(time_cells.cell)), false) as needs_order
    from files
    left join time_cells using (file)
    group by files.file, files.headings
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
