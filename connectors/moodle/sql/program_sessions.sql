select session_id, program_template_id, session_name as name, raw_starts_at as starts_at, raw_ends_at as ends_at
from sessions
order by session_id
