-- One row per attempt that was not delivered yet, or otherwise.
select course_attempts.*
from course_attempts
inner join attempt_digests using (attempt_id)
left join delivered_attempts using (attempt_id)
where attempt_digests.digest is distinct from delivered_attempts.digest
order by course_attempts.attempt_id
