-- One row per stay that is new, or ended since, or was corrected.
select
    connection_key || if(revision > 0, '-' || revision, '') as connection_id,
    user_id,
    session_id,
    course_id,
    connected_at,
    disconnected_at,
    end_reason,
    evidence_level,
    modality
from connection_history
where is_news and not is_withdrawn
order by connected_at, connection_id
