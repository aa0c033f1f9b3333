-- Finished attempts of learners in a session; what a teacher sees in a preview is none.
select
    'qa-' || a.id as result_id,
    cast(a.userid as varchar) as user_id,
    s.session_id,
    q.assessment_id,
    a.attempt as attempt_number,
    instant(a.timefinish) as submitted_at,
    pct(number(a.sumgrades), q.sum_grades) as score_pct,
    case when q.pass_grade > 0 and q.sum_grades > 0 then number(a.sumgrades) * q.grade >= q.pass_grade * q.sum_grades end as is_passed
from moodle.quiz_attempts as a
inner join course_quizzes as q on a.quiz = q.quiz_id
inner join attempt_sessions as s on a.id = s.id
inner join people as p on a.userid = p.id
where a.preview = 0 and a.state = 'finished' and s.session_id is not null
order by a.id
