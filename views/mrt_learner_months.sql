-- One row per learner per program session per month with a connection: hours connected and retained, by the month in
-- which the connections begin, as documents and portal count.
-- @month: Month in which the connections begin, where a person reads: YYYY-MM.
select
    user_id,
    last_name,
    first_name,
    employer,
    session_id,
    session_name,
    strftime(connected_on, '%Y-%m') as month,
    {{ metric('connection_count') }} as connection_count,
    {{ metric('connected_hours') }} as connected_hours,
    {{ metric('retained_seconds') }} as retained_seconds,
    {{ metric('retained_hours') }} as retained_hours
from fct_opco_connections
group by all
