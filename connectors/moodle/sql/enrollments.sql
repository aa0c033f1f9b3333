select
    session_id || '/' || user_id || '/' || coalesce(begins_at, 0) as enrollment_id,
    session_id,
    cast(user_id as varchar) as user_id,
    instant(begins_at) as enrolled_at,
    instant(ends_at) as unenrolled_at,
    case when ends_at is null then 'enrolled' else 'unenrolled' end as status
from session_members
order by enrollment_id
