-- One row per course that has a session: the one of the settings, else the course is its own session.
select
    course_id,
    coalesce(course_settings.session_id, course_id) as session_id,
    courses.name
from courses
left join course_settings using (course_id)
where course_id <> 'site'
