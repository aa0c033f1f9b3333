-- One row per attempt of a course, in the session that it counts in; one from the catalogue is in none.
select
    attempts._id as attempt_id,
    attempts.userId as user_id,
    attempts.courseId as course_id,
    coalesce(session_roots.session_id, attempts.pathSessionId) as session_id,
    attempts.firstActivityAt as first_activity_at,
    attempts.lastActivityAt as last_activity_at,
    attempts.completedAt as completed_at,
    cast(floor(attempts.timeSpent / 1000) as bigint) as time_spent_seconds,
    attempts.progress as progress_pct,
    attempts.score as score_pct
from api.attempts as attempts
left join session_roots on attempts.pathSessionId = session_roots.told_session_id
