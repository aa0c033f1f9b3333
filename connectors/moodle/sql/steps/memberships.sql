-- Who was when a member of what, by the marks of the log and by what the pulls saw.
-- The log is written when a request ends: a member may be seen before the event that tells of it.
create table observed_marks as
select o.log_id, o.kind, o.thing_id, o.role_id, o.user_id, o.mark, o.marked_at
from previous.marks as o
where
    o.log_id is null
    and not (
        o.mark = 'added'
        and exists (
            select 1
            from logged_marks as l
            where
                (l.kind, l.thing_id, l.user_id, l.mark) = (o.kind, o.thing_id, o.user_id, 'added')
                and l.role_id is not distinct from o.role_id
                and l.marked_at between o.marked_at - 5 and o.marked_at + 600
        )
    );

-- Intervals of the marks of a table: an added opens, the next removed closes; a removed that nothing opened ends an
-- interval whose beginning the log no longer knows. Whoever is deleted leaves everything.
create macro intervals_of(marks) as table
with all_marks as (
    select log_id, kind, thing_id, role_id, user_id, mark, marked_at
    from query_table(marks)
    where kind <> 'user'
    union all
    select d.log_id, k.kind, k.thing_id, k.role_id, k.user_id, 'removed', d.marked_at
    from query_table(marks) as d
    inner join (
        select distinct kind, thing_id, role_id, user_id from query_table(marks) where kind <> 'user'
    ) as k on d.user_id = k.user_id
    where d.kind = 'user'
),

ordered as (
    select
        *,
        lag(mark) over membership as previous_mark,
        min(marked_at) filter (where mark = 'removed') over (membership rows between 1 following and unbounded following) as removed_at
    from all_marks
    window membership as (partition by kind, thing_id, role_id, user_id order by marked_at, log_id nulls last)
)

select
    kind,
    thing_id,
    role_id,
    user_id,
    case when mark = 'added' then marked_at end as begins_at,
    case when mark = 'added' then removed_at else marked_at end as ends_at,
    mark = 'added' and removed_at is null as is_open
from ordered
where mark is distinct from previous_mark and (mark = 'added' or (previous_mark is null and log_id is not null));

create table current_members as
select 'cohort' as kind, cohortid as thing_id, null::bigint as role_id, userid as user_id, timeadded as since
from moodle.cohort_members
union all
select 'group', groupid, null, userid, timeadded
from moodle.groups_members
union all
select 'role', c.instanceid, a.roleid, a.userid, min(a.timemodified)
from moodle.role_assignments as a
inner join moodle.context as c on a.contextid = c.id
where c.contextlevel = 50
group by all;

create table told_marks as
from logged_marks
union all
from observed_marks;

create table told_intervals as
from intervals_of('told_marks');

create table new_marks as
-- Members of whom no event tells.
select
    null::bigint as log_id,
    m.kind,
    m.thing_id,
    m.role_id,
    m.user_id,
    'added' as mark,
    greatest(m.since, coalesce((
        select max(t.ends_at)
        from told_intervals as t
        where (t.kind, t.thing_id, t.user_id) = (m.kind, m.thing_id, m.user_id) and t.role_id is not distinct from m.role_id
    ), 0)) as marked_at
from current_members as m
where not exists (
    select 1
    from told_intervals as t
    where
        (t.kind, t.thing_id, t.user_id) = (m.kind, m.thing_id, m.user_id)
        and t.role_id is not distinct from m.role_id
        and t.is_open
)
union all
-- Members who are no longer there, without an event that says since when: since now.
select null, t.kind, t.thing_id, t.role_id, t.user_id, 'removed', getvariable('started_at')
from told_intervals as t
where
    t.is_open
    and list_contains(getvariable('observed_kinds'), t.kind)
    and not exists (
        select 1
        from current_members as m
        where (m.kind, m.thing_id, m.user_id) = (t.kind, t.thing_id, t.user_id) and m.role_id is not distinct from t.role_id
    );

create table marks as
from told_marks
union all
from new_marks;

create view marks_of_changed as
select m.*
from marks as m
where exists (select 1 from new_marks as n where m.user_id is not distinct from n.user_id);

-- Only of whom a mark is new are the intervals other ones.
create table memberships as
select t.*
from told_intervals as t
where not exists (select 1 from new_marks as n where t.user_id is not distinct from n.user_id)
union all
from intervals_of('marks_of_changed');
