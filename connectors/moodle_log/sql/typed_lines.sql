-- One row per line of a log: its course, its instant, and the Moodle id of who acts.
-- In the hour that exists twice, the order of the lines tells the passes apart: in a log, which runs from new to old or
-- from old to new, a line of the earlier pass stands where a line of the later one showed an earlier time.
with
read as (
    select
        lines.file,
        lines.line,
        lines.actor,
        lines.affected,
        lines.origin,
        lines.ip,
        case
            when lines.course_cell is null then files.course_id
            when lines.course_cell in ('', '-') then 'site'
            else lines.course_cell
        end as course_id,
        local_timestamp(lines.time_cell, file_orders.day_first) as local_at,
        -- Moodle writes its descriptions in English, whatever the language of the download.
        replace(lines.description, '&#039;', '''') as description
    from lines
    inner join files using (file)
    inner join file_orders using (file)
),

directed as (
    select
        *,
        first_value(local_at ignore nulls) over whole >= last_value(local_at ignore nulls) over whole as runs_back,
        coalesce(exists_twice(local_at, getvariable('zone')), false) as is_ambiguous
    from read
    window whole as (partition by file order by line rows between unbounded preceding and unbounded following)
),

breaks as (
    select
        *,
        is_ambiguous and min(if(is_ambiguous, local_at, null)) over from_new_to_old < local_at as is_break
    from directed
    window from_new_to_old as (
        partition by file, cast(local_at as date) order by if(runs_back, line, -line)
        rows between unbounded preceding and 1 preceding
    )
),

settled as (
    select
        * exclude (is_break),
        is_ambiguous and coalesce(
            bool_or(is_break) over (
                partition by file, cast(local_at as date) order by if(runs_back, line, -line)
            ),
            false
        ) as is_earlier_pass
    from breaks
)

select
    * exclude (runs_back, is_ambiguous, is_earlier_pass),
    regexp_extract(description, '^The user with (?:the )?id ''(-?\d+)''', 1) as moodle_id,
    -- Moodle writes these for somebody; who stands in them need not be there.
    regexp_matches(
        description,
        'login failed|sent a notification to|updated the grade with id|created an evidence|completed the course with id'
        || '|has been awarded|password policy|failed .*MFA|MFA.* failed',
        'i'
    ) as is_set_by_hand,
    in_utc(local_at, getvariable('zone')) - if(is_earlier_pass, interval 1 hour, interval 0 hour) as occurred_at,
    is_ambiguous
    and not coalesce(bool_or(is_earlier_pass) over (partition by file, cast(local_at as date)), false) as is_ambiguous
from settled
