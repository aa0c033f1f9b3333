-- Who joined and left what (cohort, group, role in a course): Moodle forgets, its log remembers.
create table membership_events as
from (
    values
        ('\core\event\cohort_member_added', 'cohort', 'added'),
        ('\core\event\cohort_member_removed', 'cohort', 'removed'),
        ('\core\event\group_member_added', 'group', 'added'),
        ('\core\event\group_member_removed', 'group', 'removed'),
        ('\core\event\role_assigned', 'role', 'added'),
        ('\core\event\role_unassigned', 'role', 'removed'),
        ('\core\event\user_deleted', 'user', 'deleted')
) as t (eventname, kind, mark);

-- One row a mark: of the log, which counts whatever its origin, now or in an earlier pull; or an observation of an
-- earlier pull (log_id is null).
create table logged_marks as
select
    l.id as log_id,
    e.kind,
    case e.kind when 'role' then l.courseid else l.objectid end as thing_id,
    case e.kind when 'role' then l.objectid end as role_id,
    case e.kind when 'user' then l.objectid else l.relateduserid end as user_id,
    e.mark,
    l.timecreated as marked_at
from moodle.logstore_standard_log as l
inner join membership_events as e on l.eventname = e.eventname
where e.kind <> 'role' or l.contextlevel = 50
union
select log_id, kind, thing_id, role_id, user_id, mark, marked_at
from previous.marks
where log_id is not null;
