-- T5: elapsed = capped + overlap + retained, none of them negative; open connections have no seconds.
select *
from {{ ref('fct_opco_connections') }}
where
    (disconnected_at is null) <> (elapsed_seconds is null)
    or elapsed_seconds <> capped_seconds + overlap_seconds + retained_seconds
    or least(elapsed_seconds, capped_seconds, overlap_seconds, retained_seconds, time_spent_minutes) < 0
