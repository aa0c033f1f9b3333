-- One row per session that is no part of another.
select
    sessions._id as session_id,
    sessions.pathId as program_template_id,
    coalesce(nullif(sessions.name, ''), sessions._id) as name,
    sessions.startDate as starts_at,
    sessions.endDate as ends_at
from api.sessions as sessions
inner join session_roots on sessions._id = session_roots.told_session_id and sessions._id = session_roots.session_id
