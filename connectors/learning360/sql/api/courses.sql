-- One row per course; the platform says minutes.
select
    _id as course_id,
    coalesce(nullif(name, ''), _id) as name,
    type as course_type,
    cast(floor(duration * 60) as bigint) as planned_duration_seconds
from api.courses
