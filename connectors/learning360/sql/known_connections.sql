-- One row per connection that was ever delivered, as it was delivered last.
select
    connection_id,
    user_id,
    session_id,
    course_id,
    connected_at,
    disconnected_at
from course_connections
union all by name
select *
from delivered_connections
where connection_id not in (select course_connections.connection_id from course_connections)
