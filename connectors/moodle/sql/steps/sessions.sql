-- Sessions with their program and dates, their members in time, and of whom an event of a course may be.
create table course_rank as
select course_id, row_number() over (order by sortorder nulls last, course_id) as course_number
from real_courses;

create table sessions as
select
    s.session_id,
    s.session_name,
    case
        when getvariable('programs') = 'course' then (
            select cast(arg_min(sc.course_id, r.course_number) as varchar)
            from session_courses as sc
            inner join course_rank as r using (course_id)
            where sc.session_id = s.session_id
        )
        else coalesce(c.program_template_id, cast(s.category_id as varchar))
    end as program_template_id,
    coalesce(epoch(timezone(getvariable('display_timezone'), cast(d.starts_on as timestamp))), nullif(s.starts_at, 0))::bigint as starts_at,
    coalesce(epoch(timezone(getvariable('display_timezone'), cast(d.ends_on + 1 as timestamp))) - 1, nullif(s.ends_at, 0))::bigint as ends_at,
    coalesce(cast(d.starts_on as varchar), iso_instant(s.starts_at)) as raw_starts_at,
    coalesce(cast(d.ends_on as varchar), iso_instant(s.ends_at)) as raw_ends_at
from mode_sessions as s
left join categories as c on s.category_id = c.category_id
left join session_dates as d on s.session_id = d.session_id;

create table template_courses as
select s.program_template_id, sc.course_id, r.course_number
from sessions as s
inner join session_courses as sc using (session_id)
inner join course_rank as r using (course_id)
group by all;

-- One row a session, user and unbroken stay: intervals that overlap are one.
create table session_members as
with spans as (
    select s.session_id, m.user_id, m.begins_at, m.ends_at
    from memberships as m
    inner join session_scopes as s on m.kind = s.kind and m.thing_id = s.thing_id
    inner join people as p on m.user_id = p.id
    where m.kind <> 'role' or m.role_id in (select role_id from learner_roles)
),

flagged as (
    select
        *,
        coalesce(begins_at, -1) > max(coalesce(ends_at, 9223372036854775807)) over (
            partition by session_id, user_id
            order by coalesce(begins_at, -1), coalesce(ends_at, 9223372036854775807)
            rows between unbounded preceding and 1 preceding
        ) as is_apart
    from spans
),

numbered as (
    select
        *,
        count(*) filter (where is_apart) over (
            partition by session_id, user_id
            order by coalesce(begins_at, -1), coalesce(ends_at, 9223372036854775807)
            rows between unbounded preceding and current row
        ) as stay_number
    from flagged
)

select
    session_id,
    user_id,
    nullif(min(coalesce(begins_at, -1)), -1) as begins_at,
    nullif(max(coalesce(ends_at, 9223372036854775807)), 9223372036854775807) as ends_at
from numbered
group by session_id, user_id, stay_number;

create table candidates as
select distinct m.user_id, c.course_id, s.session_id, s.starts_at, s.ends_at, m.begins_at, m.ends_at as left_at
from session_members as m
inner join sessions as s using (session_id)
inner join session_courses as c using (session_id);

-- Of whom the session of an event may have changed since the last pull.
create table changed_users as
select distinct user_id
from (
    (from candidates except from previous.candidates)
    union all
    (from previous.candidates except from candidates)
);
