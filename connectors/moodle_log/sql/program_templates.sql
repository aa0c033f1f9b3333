-- One row per program of a session; without a setting, a session has a program of its own.
select
    program_template_id,
    if(count(*) = 1 and any_value(session_id) = program_template_id, any_value(name), program_template_id) as name
from program_sessions
group by program_template_id
