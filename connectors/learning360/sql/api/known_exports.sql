-- One row per stay that exports tell or told, with its ends in UTC.
select
    user_id,
    course_id,
    cast(cast(connected_at as timestamptz) as timestamp) as connected_at,
    cast(cast(disconnected_at as timestamptz) as timestamp) as disconnected_at
from known_connections
