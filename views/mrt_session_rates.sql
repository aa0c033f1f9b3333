-- One row per program session: completion, abandonment and pass rate, with what they are made of (D4).
select
    session_id,
    {{ metric('completed_count') }} as completed_count,
    {{ metric('to_complete_count') }} as to_complete_count,
    {{ metric('completion_pct') }} as completion_pct,
    {{ metric('abandoned_count') }} as abandoned_count,
    {{ metric('begun_count') }} as begun_count,
    {{ metric('abandonment_pct') }} as abandonment_pct,
    {{ metric('passed_count') }} as passed_count,
    {{ metric('judged_count') }} as judged_count,
    {{ metric('pass_pct') }} as pass_pct
from fct_program_session_indicators
group by session_id
