-- One row per line that shows a participant, from whichever files: the same line of overlapping downloads is one event,
-- and lines that say the same within one file are as many events. The id is made of what does not change with the
-- language, the zone and the names of a download. Inside a session are the events of who is enrolled in it.
with
placed as (
    select
        judged_lines.*,
        id_of_email(judged_lines.email) as user_id,
        enrollments.session_id
    from judged_lines
    left join course_sessions using (course_id)
    left join enrollments
        on
            course_sessions.session_id = enrollments.session_id
            and id_of_email(judged_lines.email) = enrollments.user_id
    where judged_lines.reason is null
),

numbered as (
    select
        *,
        row_number() over (
            partition by file, course_id, moodle_id, local_at, description, origin, ip order by line
        ) as occurrence
    from placed
)

select
    left(
        sha256(
            cast(
                json_array(
                    course_id, moodle_id, cast(local_at as varchar), description, origin, ip, occurrence, session_id is null
                ) as varchar
            )
        ),
        32
    ) as event_id,
    user_id,
    session_id,
    course_id,
    'active' as verb,
    as_instant(occurred_at) as occurred_at
from numbered
qualify row_number() over (partition by event_id order by file, line) = 1
order by occurred_at, event_id
