-- One row per program of a session, with the name that was told last.
select
    coalesce(template_id, session_id) as program_template_id,
    coalesce(
        arg_max(template_name, told_at),
        arg_max(if(template_id is null, name, null), told_at),
        coalesce(template_id, session_id)
    ) as name
from known_sessions
where is_seen
group by coalesce(template_id, session_id)
order by program_template_id
