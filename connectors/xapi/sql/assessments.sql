-- One row per activity that a learner has a score in.
select
    activity_id as assessment_id,
    coalesce(name, activity_id) as name
from known_activities
where kind = 'assessment'
order by assessment_id
