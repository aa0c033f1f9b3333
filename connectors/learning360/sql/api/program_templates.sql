-- One row per path. How long a month is, nobody says.
select
    _id as program_template_id,
    coalesce(nullif(name, ''), _id) as name,
    cast(
        floor(
            estimatedDuration.value * case estimatedDuration.unit
                when 'minute' then 60
                when 'hour' then 3600
                when 'day' then 86400
                when 'week' then 604800
            end
        ) as bigint
    ) as planned_duration_seconds
from api.paths
