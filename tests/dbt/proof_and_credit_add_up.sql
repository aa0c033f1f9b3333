-- D1, D2: the proof levels add up to retained time to the second, and credited time to its activities.
with activities as (
    select
        user_id,
        session_id,
        sum(credited_seconds) as credited_seconds
    from {{ ref('fct_credited_activities') }}
    group by user_id, session_id
)

select *
from {{ ref('fct_learner_sessions') }} as learner_sessions
left join activities using (user_id, session_id)
where
    learner_sessions.work_seconds + learner_sessions.tutored_seconds + learner_sessions.consultation_seconds
    <> learner_sessions.retained_seconds
    or learner_sessions.credited_seconds <> least(coalesce(activities.credited_seconds, 0), 9223372036854775807)
    or learner_sessions.credited_seconds > learner_sessions.creditable_seconds
