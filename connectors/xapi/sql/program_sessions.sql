-- One row per session that a learner was seen in; its program is itself where no statement names one.
select
    session_id,
    coalesce(template_id, session_id) as program_template_id,
    coalesce(name, template_name, session_id) as name
from known_sessions
where is_seen
order by session_id
