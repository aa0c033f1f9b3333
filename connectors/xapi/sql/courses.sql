-- One row per activity that a learner was seen in.
select
    activity_id as course_id,
    coalesce(name, activity_id) as name
from known_activities
where kind = 'course'
order by course_id
