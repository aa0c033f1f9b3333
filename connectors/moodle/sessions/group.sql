-- A session is a group; groups of one idnumber in several courses are one. Its dates are in the setting session_dates.
create table session_groups as
select
    coalesce(blank_as_null(g.idnumber), 'group-' || g.id) as session_id,
    g.id as group_id,
    c.course_id,
    c.category,
    in_display_language(g.name) as group_name
from moodle."groups" as g
inner join real_courses as c on g.courseid = c.course_id;

create table mode_sessions as
with names as (
    select session_id, group_name, count(*) as group_count, min(group_id) as first_group
    from session_groups
    group by session_id, group_name
),

session_categories as (
    select session_id, category, count(distinct course_id) as course_count
    from session_groups
    group by session_id, category
)

select
    n.session_id,
    arg_max(n.group_name, (n.group_count, -n.first_group)) as session_name,
    null::bigint as starts_at,
    null::bigint as ends_at,
    any_value(c.category_id) as category_id
from names as n
inner join (
    select session_id, arg_max(category, (course_count, -category)) as category_id
    from session_categories
    group by session_id
) as c using (session_id)
group by n.session_id;

create table session_courses as
select session_id, course_id, group_id
from session_groups;

create table session_scopes as
select session_id, 'group' as kind, group_id as thing_id
from session_groups;
