select assessment_id, assessment_name as name
from course_quizzes
order by assessment_id
