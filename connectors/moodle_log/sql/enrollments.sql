-- One row per session and participant who is no instructor. The download says neither since when nor until when.
select distinct
    course_sessions.session_id || '/' || id_of_email(participants.email) as enrollment_id,
    course_sessions.session_id,
    id_of_email(participants.email) as user_id,
    'enrolled' as status
from participants
inner join course_sessions using (course_id)
where participants.email not in (select instructors.email from instructors)
