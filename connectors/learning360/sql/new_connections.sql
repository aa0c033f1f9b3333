-- One row per connection that was not delivered yet, or otherwise.
select course_connections.*
from course_connections
left join delivered_connections using (connection_id, user_id, session_id, course_id, connected_at)
where
    delivered_connections.connection_id is null
    or course_connections.disconnected_at is distinct from delivered_connections.disconnected_at
order by course_connections.connected_at, course_connections.connection_id
