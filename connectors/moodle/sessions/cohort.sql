-- A session is a cohort that reaches a course: by an enrolment method that is on, or by a group of its idnumber.
create table cohort_courses as
select h.id as cohort_id, coalesce(blank_as_null(h.idnumber), cast(h.id as varchar)) as session_id, c.course_id, c.category, r.group_id
from moodle.cohort as h
inner join (
    select customint1 as cohort_id, courseid, null::bigint as group_id
    from moodle.enrol
    where enrol = 'cohort' and status = 0
    union
    select k.id, g.courseid, g.id
    from moodle."groups" as g
    inner join moodle.cohort as k on g.idnumber = k.idnumber
    where blank_as_null(g.idnumber) is not null
) as r on h.id = r.cohort_id
inner join real_courses as c on r.courseid = c.course_id;

create table mode_sessions as
with own_category as (
    -- The category of the cohort's own context, where one of its courses is in it.
    select cc.session_id, min(x.instanceid) as category_id
    from cohort_courses as cc
    inner join moodle.cohort as h on cc.cohort_id = h.id
    inner join moodle.context as x on h.contextid = x.id and x.contextlevel = 40
    left join categories as k on cc.category = k.category_id
    where cc.category = x.instanceid or contains(coalesce(k.path, '') || '/', '/' || x.instanceid || '/')
    group by cc.session_id
),

most_frequent as (
    select session_id, arg_max(category, (course_count, -category)) as category_id
    from (
        select session_id, category, count(distinct course_id) as course_count
        from cohort_courses
        group by session_id, category
    )
    group by session_id
)

select
    f.session_id,
    (
        select arg_min(in_display_language(h.name), h.id)
        from moodle.cohort as h
        where coalesce(blank_as_null(h.idnumber), cast(h.id as varchar)) = f.session_id
    ) as session_name,
    null::bigint as starts_at,
    null::bigint as ends_at,
    coalesce(o.category_id, f.category_id) as category_id
from most_frequent as f
left join own_category as o using (session_id);

create table session_courses as
select distinct session_id, course_id, group_id
from cohort_courses;

create table session_scopes as
select distinct session_id, 'cohort' as kind, cohort_id as thing_id
from cohort_courses;
