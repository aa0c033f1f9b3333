-- Planned hours of courses; the items of a raw course (an activity or a section, where the settings ask for them).
create table course_durations as
select d.instanceid as course_id, cast(3600 * max(coalesce(number(d.decvalue), number(replace(coalesce(nullif(trim(d.charvalue), ''), d.value), ',', '.')))) as bigint) as planned_seconds
from moodle.customfield_data as d
inner join moodle.customfield_field as f on d.fieldid = f.id
where f.shortname = getvariable('duration_field')
group by d.instanceid;

create table course_items as
select
    m.id as course_module_id,
    m.course as course_id,
    case getvariable('activities')
        when 'activity' then 'activity-' || m.id
        when 'section' then 'section-' || s.id
    end as raw_course_id,
    case getvariable('activities')
        when 'activity' then coalesce(in_display_language(n.name), t.name || ' ' || m.id)
        when 'section' then coalesce(in_display_language(blank_as_null(s.name)), 'Section ' || s.section)
    end || ' – ' || c.course_name as item_name,
    t.name as item_type
from moodle.course_modules as m
inner join real_courses as c on m.course = c.course_id
left join moodle.modules as t on m.module = t.id
left join moodle.course_sections as s on m.section = s.id
left join moodle.activity_names as n on n.module = t.name and n.id = m.instance
where getvariable('activities') <> 'course';

create table course_quizzes as
select
    q.id as quiz_id,
    q.course as course_id,
    'quiz-' || q.id as assessment_id,
    in_display_language(q.name) || ' – ' || c.course_name as assessment_name,
    number(q.sumgrades) as sum_grades,
    number(q.grade) as grade,
    number(i.gradepass) as pass_grade,
    number(i.grademax) as max_grade
from moodle.quiz as q
inner join real_courses as c on q.course = c.course_id
left join moodle.grade_items as i on i.itemtype = 'mod' and i.itemmodule = 'quiz' and i.iteminstance = q.id
qualify row_number() over (partition by q.id order by i.id) = 1;
