-- A session is a course, but the site's own; its members have a learner's role in it.
create table mode_sessions as
select 'c' || course_id as session_id, course_name as session_name, startdate as starts_at, enddate as ends_at, category as category_id
from real_courses;

create table session_courses as
select 'c' || course_id as session_id, course_id, null::bigint as group_id
from real_courses;

create table session_scopes as
select 'c' || course_id as session_id, 'role' as kind, course_id as thing_id
from real_courses;
