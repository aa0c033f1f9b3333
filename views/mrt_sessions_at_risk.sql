-- One row per program session that has begun and not ended by the date of the data: how much of its time and of its
-- planned hours is gone, who completed, who is to be chased. At risk is one whose hours lag behind its time.
-- @elapsed_pct: Time from the session's beginning to the date of the data, in percent of the time to its end.
-- @to_chase_count: Number of its learners who are to be chased (D4).
-- @is_at_risk: Whether realised_pct is below elapsed_pct, or anybody is to be chased.
select
    planned.session_id,
    planned.session_name,
    planned.starts_at,
    planned.ends_at,
    elapsed.elapsed_pct,
    planned.planned_hours,
    planned.realised_pct,
    rates.completion_pct,
    coalesce(chased.to_chase_count, 0) as to_chase_count,
    coalesce(planned.realised_pct < elapsed.elapsed_pct, false) or coalesce(chased.to_chase_count, 0) > 0 as is_at_risk
from mrt_planned_hours as planned
inner join (
    select
        program_sessions.session_id,
        100 * date_sub('second', program_sessions.starts_at, warehouse_build.data_as_of)
        / nullif(date_sub('second', program_sessions.starts_at, program_sessions.ends_at), 0) as elapsed_pct
    from dim_program_sessions as program_sessions
    cross join warehouse_build
    where warehouse_build.data_as_of between program_sessions.starts_at and program_sessions.ends_at
) as elapsed on planned.session_id = elapsed.session_id
left join (
    select
        session_id,
        {{ metric('completion_pct') }} as completion_pct
    from fct_program_session_indicators
    group by session_id
) as rates on planned.session_id = rates.session_id
left join (
    select
        session_id,
        count(*) as to_chase_count
    from fct_learner_follow_up
    where follow_up_status = 'to_chase'
    group by session_id
) as chased on planned.session_id = chased.session_id
