-- One row per session and instructor among its participants.
select distinct
    course_sessions.session_id,
    id_of_email(participants.email) as user_id
from participants
inner join instructors using (email)
inner join course_sessions using (course_id)
