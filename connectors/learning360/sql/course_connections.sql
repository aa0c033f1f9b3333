-- One row per stay. Of stays of one learner, session and course that begin in the same minute, each after the first
-- begins a second later than the one before: the warehouse has one connection an instant (T4), and the file that is
-- exported shows minutes. So none is lost, and none is longer than it was told.
with
placed as (
    select
        *,
        connected_at + to_seconds(
            row_number() over (
                partition by user_id, target_session_id, course_id, connected_at order by occurrence, first_told_at, connection_id
            ) - 1
        ) as begins_at
    from taken_stays
)

select
    connection_id,
    user_id,
    target_session_id as session_id,
    course_id,
    as_instant(begins_at) as connected_at,
    as_instant(if(disconnected_at is null, null, greatest(disconnected_at, begins_at))) as disconnected_at,
    'native_log' as evidence_level
from placed
order by connected_at, connection_id
