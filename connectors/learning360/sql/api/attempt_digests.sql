-- One row per attempt that was ever delivered or is now, with the digest of it as delivered last.
select
    attempt_id,
    md5(cast(course_attempts as varchar)) as digest
from course_attempts
union all
select
    attempt_id,
    digest
from delivered_attempts
where attempt_id not in (select course_attempts.attempt_id from course_attempts)
