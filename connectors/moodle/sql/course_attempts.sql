-- What a learner reached in a course; Moodle measures no time.
select
    'ca-' || p.id as attempt_id,
    cast(p.user_id as varchar) as user_id,
    cast(p.course_id as varchar) as course_id,
    s.session_id,
    instant(p.first_at) as first_activity_at,
    instant(p.last_at) as last_activity_at,
    instant(p.completed_at) as completed_at,
    p.progress_pct,
    p.score_pct
from course_progress as p
inner join people as u on p.user_id = u.id
left join progress_sessions as s on p.id = s.id
order by p.user_id, p.course_id
