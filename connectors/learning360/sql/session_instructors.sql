-- One row per session and instructor who was in it.
select distinct
    taken_stays.session_id,
    taken_stays.user_id
from taken_stays
inner join instructors on taken_stays.address = instructors.email
