-- One row per statement that shows a learner.
select * exclude (reason, is_first_telling)
from judged_statements
where reason is null and is_first_telling
