-- One row per course of a log; `site` stands for the pages outside any course.
select
    course_id,
    coalesce(course_settings.name, if(course_id = 'site', 'Site', course_id)) as name
from (select distinct course_id from typed_lines) as courses_of_lines
left join course_settings using (course_id)
