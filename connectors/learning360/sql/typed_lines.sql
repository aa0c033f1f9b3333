-- One row per line of a file: who, where, from when to when as the clocks showed it, and how long it says.
-- Time spent is days, hours and minutes, as `opco export` writes it, or hours, minutes and seconds: in each file what
-- fits most lines.
with
named_users as (
    select
        name_key(name) as name,
        min(email) as email
    from known_users
    group by name_key(name)
    having count(distinct email) = 1
),

fields_of_files as (
    select
        file,
        list(custom_field_id order by position) as field_ids,
        list(title order by position) as field_titles
    from file_fields
    group by file
),

read as (
    select
        lines.file,
        lines.line,
        without_apostrophe(lines.last_name) as last_name,
        without_apostrophe(lines.first_name) as first_name,
        without_apostrophe(lines.email) as email,
        list_transform(lines.field_cells, lambda cell: without_apostrophe(cell)) as field_cells,
        coalesce(fields_of_files.field_ids, []) as field_ids,
        coalesce(fields_of_files.field_titles, []) as field_titles,
        without_apostrophe(lines.additional_information) as additional_information,
        without_apostrophe(lines.labels) as labels,
        without_apostrophe(lines.session_name) as session_name,
        without_apostrophe(lines.session_id) as session_id,
        without_apostrophe(lines.program_template_name) as program_template_name,
        without_apostrophe(lines.program_template_id) as program_template_id,
        without_apostrophe(lines.course_name) as course_name,
        lines.connected,
        lines.disconnected,
        lines.time_spent,
        local_timestamp(lines.connected, file_orders.day_first) as connected_local,
        local_timestamp(lines.disconnected, file_orders.day_first) as disconnected_local,
        duration_seconds(lines.time_spent) as clock_seconds,
        if(
            regexp_full_match(lines.time_spent, '\d+:\d{2}:\d{2}'),
            86400 * try_cast(split_part(lines.time_spent, ':', 1) as bigint)
            + 3600 * try_cast(split_part(lines.time_spent, ':', 2) as bigint)
            + 60 * try_cast(split_part(lines.time_spent, ':', 3) as bigint),
            null
        ) as days_seconds,
        epoch(in_utc(disconnected_local, getvariable('zone')) - in_utc(connected_local, getvariable('zone')))
            as shown_seconds
    from lines
    inner join file_orders using (file)
    left join fields_of_files using (file)
),

formed as (
    select
        *,
        count_if(abs(shown_seconds - days_seconds) <= 60) over (partition by file)
        >= count_if(abs(shown_seconds - clock_seconds) <= 60) over (partition by file) as counts_days
    from read
)

select
    * exclude (clock_seconds, days_seconds, shown_seconds, counts_days),
    coalesce(nullif(lower(formed.email), ''), named_users.email) as address,
    if(counts_days, coalesce(days_seconds, clock_seconds), clock_seconds) as reported_seconds,
    max(connected_local) over (partition by file) as told_at
from formed
left join named_users on name_key(formed.last_name || ' ' || formed.first_name) = named_users.name
