-- The rows of the log that show the learner there, and why the others do not. The names are those of events whose
-- userid is set by hand, to another than the one who acts.
create table not_by_the_user as
from (
    values
        ('\core\event\user_login_failed'),
        ('\core\event\user_graded'),
        ('\core\event\notification_sent'),
        ('\core\event\competency_evidence_created'),
        ('\core\event\user_password_policy_failed'),
        ('\tool_mfa\event\user_failed_mfa'),
        ('\core\event\course_completed')
) as t (eventname);

create table activity as
select
    l.id,
    l.userid as user_id,
    coalesce(l.courseid, 0) as course_id,
    case when l.contextlevel = 70 then l.contextinstanceid end as course_module_id,
    l.timecreated as at,
    case
        when l.origin is distinct from 'web' and l.origin is distinct from 'ws' then 'origin'
        when l.realuserid is not null then 'logged_in_as'
        when coalesce(l.userid, 0) <= 0 then 'nobody'
        when coalesce(l.anonymous, 0) <> 0 then 'anonymous'
        when cast(l.userid as varchar) = s.guest_id or l.userid in (select id from moodle."user" where username = 'guest') then 'guest'
        when l.eventname in (select eventname from not_by_the_user) then 'not_by_the_user'
        when coalesce(l.courseid, 0) not in (0, 1) and c.id is null then 'deleted_course'
        when l.courseid > 1 and l.timecreated < c.timecreated and not getvariable('restored_events') then 'restored'
    end as left_out,
    l.id >= getvariable('low') and r.id is null as is_new
from moodle.logstore_standard_log as l
cross join site as s
left join moodle.course as c on l.courseid = c.id
left join previous.read_ids as r on l.id = r.id;

create view shown as
select *
from activity
where left_out is null;

create table event_sessions as
from session_of('shown', 'candidates');

-- The session as the last pull had it, of events that it delivered, where it may be another one now.
create view shown_before as
select *
from shown
where not is_new and user_id in (select user_id from changed_users);

create table event_sessions_before as
from session_of('shown_before', 'previous_candidates');
