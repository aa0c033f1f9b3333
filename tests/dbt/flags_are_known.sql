-- T7: every flag is one of the code list.
select
    connections.connection_id,
    connections.flag
from (
    select
        connection_id,
        {{ one_by_one('flags') }} as flag
    from {{ ref('fct_opco_connections') }}
) as connections
left join {{ ref('connection_flags') }} as known using (flag)
where known.flag is null
