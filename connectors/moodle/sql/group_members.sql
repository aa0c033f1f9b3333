select 'cohort-' || m.cohortid as group_id, cast(m.userid as varchar) as user_id, 'learner' as role
from moodle.cohort_members as m
inner join moodle.cohort as h on m.cohortid = h.id
inner join people as p on m.userid = p.id
union
select
    'institution-' || trim(institution) || coalesce('/' || blank_as_null(department), ''), cast(id as varchar), 'learner'
from people
where blank_as_null(institution) is not null
union
select 'group-' || m.groupid, cast(m.userid as varchar), 'learner'
from moodle.groups_members as m
inner join moodle."groups" as g on m.groupid = g.id
inner join people as p on m.userid = p.id
where getvariable('course_groups')
order by 1, 2
