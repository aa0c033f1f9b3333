-- One row per statement that shows a learner. `initialized` opens a stay in a session of cmi5 alone: elsewhere, as of
-- videos, nothing says that a `terminated` follows.
select
    statement_id as event_id,
    user_id,
    session_id,
    course_id,
    case
        when verb_name = 'initialized' and is_cmi5 then 'connected'
        when verb_name = 'terminated' then 'disconnected'
        else 'active'
    end as verb,
    as_exact_instant(occurred_at) as occurred_at,
    attempt_id,
    stored_at
from shown_statements
