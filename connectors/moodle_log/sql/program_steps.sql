-- One row per course of a program, by name.
select
    program_template_id,
    row_number() over (partition by program_template_id order by name, course_id) as position,
    'course' as step_type,
    course_id as resource_id
from (
    select distinct
        program_sessions.program_template_id,
        course_sessions.name,
        course_sessions.course_id
    from program_sessions
    inner join course_sessions using (session_id)
) as courses_of_programs
