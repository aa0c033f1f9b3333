-- One row per course, by its name or as the setting `courses` says, in whichever sessions; named as last told.
select
    course_id,
    arg_max(course_name, recency) as name
from stays
where course_id in (select taken_stays.course_id from taken_stays)
group by course_id
