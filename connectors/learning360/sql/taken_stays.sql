-- One row per stay that is taken, with the end that it has under whichever name of its course.
select
    stays.* replace (
        coalesce(stays.disconnected_at, ends.disconnected_at) as disconnected_at,
        coalesce(stays.disconnected_local, ends.disconnected_local) as disconnected_local
    )
from stays
left join renamed_stays on stays.connection_id = renamed_stays.connection_id
left join (
    select
        renamed_stays.first_connection_id as connection_id,
        max(later.disconnected_at) as disconnected_at,
        max(later.disconnected_local) as disconnected_local
    from renamed_stays
    inner join stays as later using (connection_id)
    where renamed_stays.is_same
    group by renamed_stays.first_connection_id
) as ends on stays.connection_id = ends.connection_id
where renamed_stays.connection_id is null
