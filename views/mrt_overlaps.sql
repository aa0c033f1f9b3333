-- One row per two connections of one person that are closed and share time: the earlier one, the later one, how much.
-- @other_connection_id: Id of the earlier connection (by connected_at, then disconnected_at, then id).
-- @other_user_id: Account of the earlier connection; another one of the same person at times.
-- @other_session_id: Session of the earlier connection.
-- @other_course_id: Course of the earlier connection.
-- @shared_seconds: Whole seconds in which both last, without a cap.
with connections as (
    select
        connections.connection_id,
        connections.user_id,
        learners.person_id,
        connections.session_id,
        connections.course_id,
        connections.connected_at,
        connections.disconnected_at
    from fct_opco_connections as connections
    inner join dim_learners as learners on connections.user_id = learners.user_id
    where connections.disconnected_at > connections.connected_at
)

select
    later.person_id,
    later.user_id,
    later.connection_id,
    later.session_id,
    later.course_id,
    later.connected_at,
    later.disconnected_at,
    earlier.connection_id as other_connection_id,
    earlier.user_id as other_user_id,
    earlier.session_id as other_session_id,
    earlier.course_id as other_course_id,
    date_sub(
        'second', later.connected_at, least(later.disconnected_at, earlier.disconnected_at)
    ) as shared_seconds
from connections as later
inner join connections as earlier
    on
        later.person_id = earlier.person_id
        and later.connected_at < earlier.disconnected_at
        and later.connected_at >= earlier.connected_at
        and (earlier.connected_at, earlier.disconnected_at, earlier.connection_id)
        < (later.connected_at, later.disconnected_at, later.connection_id)
