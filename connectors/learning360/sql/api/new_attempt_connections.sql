-- One row per attempt that is a connection since the last pull, or another one.
select
    'attempt-' || attempt_id || if(revision > 0, '-' || revision, '') as connection_id,
    user_id,
    session_id,
    course_id,
    connected_at,
    disconnected_at,
    end_reason,
    'attempt_span' as evidence_level,
    attempt_id
from attempt_connections
where is_news
order by connected_at, connection_id
