-- One row per stay that another export perhaps tells under another course: the same learner, session and minutes, and no
-- file that has both. Where the setting `courses` gives both names one id, it is the same stay; two ids, two stays;
-- where it does not have both names, nobody knows.
select
    later.connection_id,
    earlier.connection_id as first_connection_id,
    earlier.course_name as first_course_name,
    earlier.course_id = later.course_id as is_same
from stays as later
inner join stays as earlier
    on
        later.address = earlier.address
        and later.session_id = earlier.session_id
        and later.connected_local = earlier.connected_local
        and later.occurrence = earlier.occurrence
        and later.course_name <> earlier.course_name
        and (later.disconnected_local = earlier.disconnected_local or earlier.disconnected_local is null)
        and not list_has_any(later.told_in, earlier.told_in)
        and (not earlier.is_remembered, earlier.first_told_at, earlier.connection_id)
        < (not later.is_remembered, later.first_told_at, later.connection_id)
where earlier.course_id = later.course_id or not (earlier.is_settled and later.is_settled)
qualify row_number() over (
    partition by later.connection_id
    order by earlier.course_id = later.course_id desc, not earlier.is_remembered, earlier.first_told_at, earlier.connection_id
) = 1
