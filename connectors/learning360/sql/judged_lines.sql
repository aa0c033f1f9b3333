-- One row per line of a file: the instants of its ends, and why it is left out; null where it is a stay.
-- Cut to minutes, the two ends differ from the time that the platform counted by less than a minute. In the hour that
-- exists twice, the reading holds that fits the time spent; of several the shortest that is not negative, then the later.
with
readings as (
    select
        typed_lines.*,
        in_utc(connected_local, getvariable('zone')) - to_hours(connected_passes.pass) as connected_at,
        in_utc(disconnected_local, getvariable('zone')) - to_hours(disconnected_passes.pass) as disconnected_at,
        epoch(disconnected_at - connected_at) as elapsed_seconds,
        coalesce(abs(elapsed_seconds - reported_seconds) <= 60, false) as fits
    from typed_lines
    inner join
        (values (0), (1)) as connected_passes (pass)
        on connected_passes.pass = 0 or exists_twice(connected_local, getvariable('zone'))
    inner join
        (values (0), (1)) as disconnected_passes (pass)
        on disconnected_passes.pass = 0 or exists_twice(disconnected_local, getvariable('zone'))
),

settled as (
    select
        *,
        count_if(fits) over of_line as fit_count,
        count(*) over of_line as reading_count
    from readings
    window of_line as (partition by file, line)
    qualify
        row_number() over (
            partition by file, line
            order by fits desc, coalesce(elapsed_seconds >= 0, true) desc, elapsed_seconds, connected_at desc
        ) = 1
)

select
    settled.* exclude (elapsed_seconds, fits, fit_count, reading_count),
    reading_count > 1 and fit_count <> 1 as is_ambiguous,
    targets.candidates,
    case
        when settled.address is null then 'no_email'
        when settled.session_id = '' or (program_template_id = '' and not getvariable('has_platform')) then 'no_session'
        when settled.course_name = '' then 'no_course'
        when targets.reason is not null then targets.reason
        when connected_local is null or (disconnected <> '' and disconnected_local is null) then 'unreadable_time'
        when time_spent <> '' and reported_seconds is null then 'unreadable_time_spent'
        when disconnected_at < connected_at then 'ends_before_it_starts'
        when (disconnected = '' and reported_seconds > 0) or (disconnected <> '' and time_spent <> '' and not fits)
            then 'contradictory_time_spent'
    end as reason
from settled
left join targets using (address, session_id, course_name)
