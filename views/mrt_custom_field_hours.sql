-- One row per custom field per value per month in which the connections of learners who then had the value begin:
-- learners active and their hours. What a learner had is what the archive's deliveries say (dim_learner_history).
-- @column_name: Column of dim_custom_fields that the field goes by; of a field that is none any more, its id.
-- @month: Month in which the connections begin, where a person reads: YYYY-MM.
with connections as (
    select
        connections.user_id,
        connections.connection_id,
        connections.connected_on,
        connections.elapsed_seconds,
        connections.retained_seconds,
        unnest(map_entries(history.custom_fields)) as field
    from fct_opco_connections as connections
    inner join dim_learner_history as history
        on
            connections.user_id = history.user_id
            and connections.connected_at >= coalesce(history.valid_from, timestamp '-infinity')
            and connections.connected_at < coalesce(history.valid_until, timestamp 'infinity')
)

select
    field.key as column_name,
    field.value as value,
    strftime(connected_on, '%Y-%m') as month,
    {{ metric('active_learner_count') }} as active_learner_count,
    {{ metric('retained_seconds') }} as retained_seconds,
    {{ metric('retained_hours') }} as retained_hours
from connections
group by all
