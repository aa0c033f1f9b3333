-- A3, A4: the steps' time and connections add up to the session's, learner by learner.
with steps as (
    select
        user_id,
        session_id,
        sum(connection_count) as connection_count,
        sum(retained_seconds) as retained_seconds
    from {{ ref('fct_learner_session_steps') }}
    group by user_id, session_id
)

select *
from {{ ref('fct_learner_sessions') }} as learner_sessions
left join steps using (user_id, session_id)
where
    learner_sessions.connection_count <> coalesce(steps.connection_count, 0)
    or learner_sessions.retained_seconds <> coalesce(steps.retained_seconds, 0)
