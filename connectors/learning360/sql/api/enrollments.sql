-- One row per enrolment. That in a part of a session counts where the learner has none in the session itself, and its
-- progress is that of the part alone.
with
rolled as (
    select
        enrollments.*,
        coalesce(session_roots.session_id, enrollments.sessionId) as session_id,
        coalesce(session_roots.session_id <> enrollments.sessionId, false) as is_of_part
    from api.enrollments as enrollments
    left join session_roots on enrollments.sessionId = session_roots.told_session_id
)

select
    _id as enrollment_id,
    session_id,
    userId as user_id,
    enrolledAt as enrolled_at,
    unenrolledAt as unenrolled_at,
    status.type as status,
    if(is_of_part, null, progress) as progress_pct,
    if(is_of_part, null, score) as score_pct,
    if(is_of_part, null, completedAt) as completed_at
from rolled
qualify not is_of_part or not bool_or(not is_of_part) over (partition by session_id, userId)
