-- One row per session of a course.
select
    session_id,
    coalesce(session_settings.program, session_id) as program_template_id,
    coalesce(session_settings.name, if(count(*) = 1, any_value(course_sessions.name), session_id)) as name,
    session_settings.starts_on as starts_at,
    session_settings.ends_on as ends_at
from course_sessions
left join session_settings using (session_id)
group by session_id, session_settings.program, session_settings.name, session_settings.starts_on, session_settings.ends_on
