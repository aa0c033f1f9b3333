-- Sessions of quiz attempts, and of what a learner reached in a course.
create view finished_attempts as
select a.id, a.userid as user_id, q.course_id, a.timefinish as at
from moodle.quiz_attempts as a
inner join course_quizzes as q on a.quiz = q.quiz_id
where a.preview = 0 and a.state = 'finished';

create table attempt_sessions as
from session_of('finished_attempts', 'candidates');

create table course_progress as
with modules as (
    select course as course_id, count(*) as module_count
    from moodle.course_modules
    where completion > 0
    group by course
),

completed_modules as (
    select
        m.course as course_id,
        c.userid as user_id,
        count(*) filter (where c.completionstate in (1, 2)) as completed_count,
        min(c.timemodified) filter (where c.completionstate > 0 and c.timemodified > 0) as first_at,
        max(c.timemodified) filter (where c.completionstate > 0 and c.timemodified > 0) as last_at
    from moodle.course_modules_completion as c
    inner join moodle.course_modules as m on c.coursemoduleid = m.id and m.completion > 0
    group by m.course, c.userid
),

completions as (
    select course as course_id, userid as user_id, max(timecompleted) as completed_at
    from moodle.course_completions
    group by course, userid
),

grades as (
    select i.courseid as course_id, g.userid as user_id, max(pct(number(g.finalgrade), number(i.grademax))) as score_pct
    from moodle.grade_grades as g
    inner join moodle.grade_items as i on g.itemid = i.id and i.itemtype = 'course'
    where g.finalgrade is not null
    group by i.courseid, g.userid
)

select
    p.user_id || '-' || course_id as id,
    user_id,
    course_id,
    coalesce(m.last_at, nullif(c.completed_at, 0), 0) as at,
    m.first_at,
    m.last_at,
    c.completed_at,
    pct(coalesce(m.completed_count, 0), k.module_count) as progress_pct,
    g.score_pct
from (
    select user_id, course_id from completed_modules where last_at is not null
    union
    select user_id, course_id from completions where completed_at > 0
    union
    select user_id, course_id from grades where score_pct is not null
) as p
inner join real_courses as r using (course_id)
left join completed_modules as m using (user_id, course_id)
left join completions as c using (user_id, course_id)
left join grades as g using (user_id, course_id)
left join modules as k using (course_id);

create table progress_sessions as
from session_of('course_progress', 'candidates');
