-- One row per event that was ever delivered, as it was delivered last.
select
    event_id,
    user_id,
    session_id,
    course_id,
    verb,
    occurred_at
from learning_events
union all by name
select *
from delivered_events
where event_id not in (select learning_events.event_id from learning_events)
