-- One row per statement with a score, of this pull or an earlier one.
select
    statement_id as result_id,
    user_id,
    session_id,
    object_id as assessment_id,
    as_exact_instant(occurred_at) as submitted_at,
    if(score_pct between 0 and 100, score_pct, null) as score_pct,
    coalesce(is_success, case verb_name when 'passed' then true when 'failed' then false end) as is_passed
from shown_statements
where
    verb_name in ('passed', 'failed', 'completed', 'scored')
    and has_score
    and session_id is not null
    and statement_id not in (select remembered_results.result_id from remembered_results)
union all by name
select *
from remembered_results
