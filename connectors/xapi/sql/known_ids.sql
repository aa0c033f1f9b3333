-- One row per event that was delivered and may be read again; of an LRS those alone that were stored within the overlap
-- of two pulls.
select
    event_id,
    stored_at
from (
    select
        event_id,
        stored_at
    from new_events
    union all by name
    select *
    from delivered_ids
) as delivered
where getvariable('kept_since') is null or stored_at >= getvariable('kept_since')
