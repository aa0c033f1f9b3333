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

-- The session of an event (id, user_id, course_id, at): of those that have its course and of which its user ever was a
-- member, first that whose interval and dates hold it, then dates alone, interval alone, none; then the earlier start.
create macro session_of(events, candidate_sessions) as table
with several as (
    select user_id, course_id
    from query_table(candidate_sessions)
    group by user_id, course_id
    having count(distinct session_id) > 1
),

singles as (
    select user_id, course_id, any_value(session_id) as session_id
    from query_table(candidate_sessions)
    group by user_id, course_id
    having count(distinct session_id) = 1
),

ranked as (
    select
        e.id,
        c.session_id,
        min(
            case
                when c.is_within_dates and c.is_within_interval then 1
                when c.is_within_dates then 2
                when c.is_within_interval then 3
                else 4
            end
        ) as candidate_rank,
        any_value(coalesce(c.starts_at, 9223372036854775807)) as starts_at
    from query_table(events) as e
    inner join several using (user_id, course_id)
    inner join lateral (
        select
            s.session_id,
            s.starts_at,
            e.at >= coalesce(s.starts_at, e.at) and e.at <= coalesce(s.ends_at, e.at) as is_within_dates,
            e.at >= coalesce(s.begins_at, e.at) and e.at <= coalesce(s.left_at, e.at) as is_within_interval
        from query_table(candidate_sessions) as s
        where s.user_id = e.user_id and s.course_id = e.course_id
    ) as c on true
    group by e.id, c.session_id
),

chosen as (
    select
        id,
        arg_min(session_id, (candidate_rank, starts_at, session_id)) as session_id,
        count(*) filter (where candidate_rank = 1) > 1 as is_tie
    from ranked
    group by id
)

select
    e.id,
    coalesce(s.session_id, c.session_id) as session_id,
    coalesce(c.is_tie, false) as is_tie
from query_table(events) as e
left join singles as s using (user_id, course_id)
left join chosen as c on e.id = c.id;
