-- One row per class that is no course of the other sources: the table names it.
select
    course_id,
    min(course_name) as name
from classes
where course_name <> '' and course_id not in (select courses_delivered.course_id from courses_delivered)
group by course_id
