-- The courses of a template in Moodle's order, each followed by its quizzes.
select
    program_template_id,
    row_number() over (partition by program_template_id order by course_number, quiz_id nulls first) as position,
    step_type,
    resource_id,
    min_score_pct
from (
    select program_template_id, course_number, null as quiz_id, 'course' as step_type, cast(course_id as varchar) as resource_id, null as min_score_pct
    from template_courses
    union all
    select t.program_template_id, t.course_number, q.quiz_id, 'assessment', q.assessment_id, case when q.pass_grade > 0 then pct(q.pass_grade, q.max_grade) end
    from template_courses as t
    inner join course_quizzes as q using (course_id)
)
order by program_template_id, position
