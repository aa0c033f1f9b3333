-- Cohorts; institutions with their departments; groups of courses where the settings ask for them.
with employers as (
    select distinct trim(institution) as institution, blank_as_null(department) as department
    from people
    where blank_as_null(institution) is not null
)

select 'cohort-' || id as group_id, in_display_language(name) as name, null as parent_group_id
from moodle.cohort
union all
select distinct 'institution-' || institution, institution, null
from employers
union all
select 'institution-' || institution || '/' || department, department, 'institution-' || institution
from employers
where department is not null
union all
select 'group-' || g.id, in_display_language(g.name), null
from moodle."groups" as g
where getvariable('course_groups')
order by 1
