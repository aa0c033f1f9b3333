-- D4: every learner has one status of which the reasons are known, and no figure counts more than there is.
with reasons as (
    select {{ one_by_one('follow_up_reasons') }} as follow_up_reason
    from {{ ref('fct_learner_follow_up') }}
)

select 'reason: ' || reasons.follow_up_reason as problem
from reasons
left join {{ ref('follow_up_reasons') }} as known using (follow_up_reason)
where known.follow_up_reason is null
union all
select 'effective without proof: ' || user_id || ', ' || session_id as problem
from {{ ref('fct_learner_follow_up') }}
where
    follow_up_status = 'effective'
    and (
        required_step_count = 0
        or completed_required_step_count < required_step_count
        or handed_in_assessment_count = 0
        or has_abandoned
    )
union all
select measure || ': ' || session_id as problem
from {{ ref('fct_program_session_indicators') }}
where numerator > denominator
union all
-- a measure that is in no list would be left out in silence
select 'figures of ' || program_sessions.session_id as problem
from {{ ref('dim_program_sessions') }} as program_sessions
left join {{ ref('fct_program_session_indicators') }} as indicators using (session_id)
group by program_sessions.session_id
having count(indicators.measure) <> (select count(*) from {{ ref('follow_up_measures') }})
