select
    t.program_template_id,
    coalesce(max(c.category_name), max(k.course_name), t.program_template_id) as name,
    text_of_html(max(c.description)) as objectives,
    (
        select cast(sum(d.planned_seconds) as bigint)
        from template_courses as tc
        inner join course_durations as d using (course_id)
        where tc.program_template_id = t.program_template_id
    ) as planned_duration_seconds
from (select distinct program_template_id from sessions) as t
left join categories as c on getvariable('programs') = 'category' and t.program_template_id = c.program_template_id
left join real_courses as k on getvariable('programs') = 'course' and t.program_template_id = cast(k.course_id as varchar)
group by t.program_template_id
order by t.program_template_id
