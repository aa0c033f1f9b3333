-- One row per event that was not delivered yet, or otherwise.
select learning_events.*
from learning_events
left join delivered_events using (event_id, user_id, course_id, occurred_at)
where
    delivered_events.event_id is null
    or learning_events.session_id is distinct from delivered_events.session_id
order by learning_events.occurred_at, learning_events.event_id
