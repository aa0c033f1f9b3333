select
    case when k.course_id is null then 'site' else cast(k.course_id as varchar) end as course_id,
    coalesce(k.course_name, in_display_language(c.fullname), 'Site') as name,
    case when k.course_id is null then 'site' else 'course' end as course_type,
    d.planned_seconds as planned_duration_seconds
from (select 1 as id union select course_id from real_courses) as i
left join moodle.course as c on i.id = c.id
left join real_courses as k on i.id = k.course_id
left join course_durations as d on k.course_id = d.course_id
union all
select raw_course_id, any_value(item_name), case getvariable('activities') when 'section' then 'section' else any_value(item_type) end, null
from course_items
where raw_course_id is not null
group by raw_course_id
order by 1
