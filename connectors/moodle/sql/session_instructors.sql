-- Teachers of the session's courses; where a course has groups and they are in one, of its sessions theirs alone.
with teachers as (
    select a.userid as user_id, x.instanceid as course_id, bool_or(r.archetype = 'editingteacher') as is_main
    from moodle.role_assignments as a
    inner join moodle.context as x on a.contextid = x.id and x.contextlevel = 50
    inner join moodle.role as r on a.roleid = r.id
    where r.archetype in ('editingteacher', 'teacher')
    group by a.userid, x.instanceid
),

own_groups as (
    select m.userid as user_id, g.courseid as course_id, g.id as group_id
    from moodle.groups_members as m
    inner join moodle."groups" as g on m.groupid = g.id
)

select s.session_id, cast(t.user_id as varchar) as user_id, bool_or(t.is_main) as is_main
from teachers as t
inner join people as p on t.user_id = p.id
inner join session_courses as s on t.course_id = s.course_id
where
    getvariable('sessions') = 'course'
    or not exists (select 1 from own_groups as o where o.user_id = t.user_id and o.course_id = t.course_id)
    or s.group_id in (select o.group_id from own_groups as o where o.user_id = t.user_id and o.course_id = t.course_id)
group by s.session_id, t.user_id
order by s.session_id, t.user_id
