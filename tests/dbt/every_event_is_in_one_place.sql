-- Books: an event that counts is in a connection (kept or superseded), unattached, or outside any session.
with attached as (
    select event_id from {{ ref('int_learning_events__marked') }} where not is_unattached
    union all
    select event_id from {{ ref('int_learning_events__unmarked') }} where session_id is not null
),

unattached as (
    select event_id from {{ ref('int_learning_events__marked') }} where is_unattached
),

placed as (
    select event_id from attached
    union all
    select event_id from unattached
    union all
    select event_id from {{ ref('stg_learning_events') }} where fate = 'outside_session'
),

counted as (
    select
        event_id,
        count(*) as place_count
    from placed
    group by event_id
)

select *
from {{ ref('stg_learning_events') }} as events
left join counted using (event_id)
where events.is_kept and coalesce(counted.place_count, 0) <> 1
