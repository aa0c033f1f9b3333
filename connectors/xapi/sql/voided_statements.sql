-- One row per statement that was voided, as the first statement that voids it says, of this pull or an earlier one.
with
together as (
    select
        voided_id as event_id,
        as_exact_instant(coalesce(occurred_at, stored_at)) as withdrawn_at
    from told_statements
    where reason = 'voiding' and voided_id is not null
    union all
    select
        event_id,
        withdrawn_at
    from remembered_voided
)

select
    event_id,
    min(withdrawn_at) as withdrawn_at
from together
group by event_id
