-- T5: the days of a learner in a session add up to what is retained there, and no part of a day is longer than the day.
with days as (
    select
        user_id,
        session_id,
        sum(retained_seconds) as retained_seconds,
        bool_or(
            retained_seconds > 93600
            or night_seconds > retained_seconds
            or weekend_seconds not in (0, retained_seconds)
            or holiday_seconds not in (0, retained_seconds)
        ) as is_too_long
    from {{ ref('fct_learner_days') }}
    group by user_id, session_id
)

select *
from {{ ref('fct_learner_sessions') }} as learner_sessions
full join days using (user_id, session_id)
where
    coalesce(days.retained_seconds, 0) is distinct from learner_sessions.retained_seconds
    or days.is_too_long
