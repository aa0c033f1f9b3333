-- One row per session of a path, with the session that it counts in: its root, where it is a path within a path.
select
    sessions._id as told_session_id,
    coalesce(roots._id, sessions._id) as session_id,
    sessions.pathId as program_template_id,
    sessions.name
from api.sessions as sessions
left join api.sessions as roots on sessions.rootSessionId = roots._id
