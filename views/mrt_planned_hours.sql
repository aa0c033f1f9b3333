-- One row per program session: hours planned for its enrolled learners, retained, and credited.
select
    totals.session_id,
    program_sessions.session_name,
    program_sessions.program_template_name,
    program_sessions.starts_at,
    program_sessions.ends_at,
    totals.learner_count,
    totals.planned_hours,
    totals.realised_seconds,
    totals.realised_pct,
    totals.credited_hours
from (
    select
        session_id,
        {{ metric('learner_count') }} as learner_count,
        {{ metric('planned_hours') }} as planned_hours,
        {{ metric('realised_seconds') }} as realised_seconds,
        {{ metric('realised_pct') }} as realised_pct,
        {{ metric('credited_hours') }} as credited_hours
    from fct_learner_sessions
    group by session_id
) as totals
inner join dim_program_sessions as program_sessions on totals.session_id = program_sessions.session_id
