-- One row per statement that was found voided for the first time, whether it was delivered or not: it may come yet.
select
    event_id,
    withdrawn_at,
    'Voided by a later statement' as reason
from voided_statements
where event_id not in (select remembered_voided.event_id from remembered_voided)
order by event_id
