-- One row per event that was not delivered yet.
select learning_events.*
from learning_events
anti join delivered_ids on learning_events.event_id = delivered_ids.event_id
