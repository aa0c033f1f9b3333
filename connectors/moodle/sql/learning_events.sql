-- The rows of the log that show the learner there: new ones, and those whose session has changed.
select
    cast(a.id as varchar) as event_id,
    cast(a.user_id as varchar) as user_id,
    s.session_id,
    case when a.course_id in (0, 1) then 'site' else coalesce(i.raw_course_id, cast(a.course_id as varchar)) end as course_id,
    'active' as verb,
    to_timestamp(a.at) as occurred_at
from shown as a
inner join event_sessions as s on a.id = s.id
left join event_sessions_before as b on a.id = b.id
left join course_items as i on a.course_module_id = i.course_module_id and a.course_id = i.course_id
where a.is_new or (b.id is not null and b.session_id is distinct from s.session_id)
