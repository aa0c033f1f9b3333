-- The site's people, without its guest; the settings of the site; the roles that make a learner.
create table site as
select
    coalesce(max(value) filter (where name = 'siteguest'), '') as guest_id,
    max(value) filter (where name = 'siteidentifier') as identifier,
    coalesce(
        nullif(nullif(trim(max(value) filter (where name = 'timezone')), '99'), ''), getvariable('display_timezone')
    ) as timezone
from moodle.config;

create table people as
select u.*
from moodle."user" as u
cross join site
where coalesce(u.username, '') <> 'guest' and cast(u.id as varchar) <> site.guest_id;

create table learner_roles as
select id as role_id
from moodle.role
where list_contains(getvariable('learner_roles'), archetype) or list_contains(getvariable('learner_roles'), shortname);

create table real_courses as
select id as course_id, category, coalesce(in_display_language(fullname), 'Course ' || id) as course_name, sortorder, startdate, enddate
from moodle.course
where id <> 1 and coalesce(category, 0) <> 0;

create table categories as
select
    id as category_id,
    coalesce(blank_as_null(idnumber), cast(id as varchar)) as program_template_id,
    coalesce(in_display_language(name), 'Category ' || id) as category_name,
    path,
    description
from moodle.course_categories;
