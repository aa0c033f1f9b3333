-- One row per line of a report: from when to when in UTC, and how long as the report says.
with
read as (
    select
        attendances.*,
        classes.session_id,
        classes.course_id,
        classes.class_on,
        if(attendances.is_utc, 'UTC', coalesce(classes.timezone, cast(getvariable('zone') as varchar))) as zone,
        instant_with_offset(joined) as joined_with_offset,
        instant_with_offset("left") as left_with_offset,
        coalesce(local_timestamp(joined, day_first), clock_on(joined, class_on)) as joined_local,
        coalesce(local_timestamp("left", day_first), clock_on("left", class_on)) as left_local,
        clock_time(joined).hour <> '' as is_clock_alone
    from attendances
    inner join classes using (report)
    left join report_orders using (report)
)

select
    report,
    line,
    name,
    lower(trim(email)) as email,
    joined,
    "left",
    duration,
    is_waiting,
    session_id,
    course_id,
    class_on,
    zone,
    -- A clock without a day is Meet's, whose lines are spans in any language.
    kind = 'span' or is_clock_alone as is_span,
    is_clock_alone,
    joined_with_offset is null and joined_local is not null and zone is null as lacks_zone,
    coalesce(timezone(zone, timezone('UTC', joined_with_offset)), joined_local) as joined_local,
    coalesce(joined_with_offset, in_utc(joined_local, zone)) as connected_at,
    coalesce(left_with_offset, in_utc(left_local, zone)) as disconnected_at,
    duration_seconds(duration) as reported_seconds
from read
