-- One row per program session with retained seconds: hours, and the share of nights, weekends and public holidays.
select
    session_id,
    {{ metric('day_seconds') }} as day_seconds,
    {{ metric('night_seconds') }} as night_seconds,
    {{ metric('weekend_seconds') }} as weekend_seconds,
    {{ metric('holiday_seconds') }} as holiday_seconds,
    {{ metric('night_pct') }} as night_pct,
    {{ metric('weekend_pct') }} as weekend_pct,
    {{ metric('holiday_pct') }} as holiday_pct
from fct_learner_days
group by session_id
