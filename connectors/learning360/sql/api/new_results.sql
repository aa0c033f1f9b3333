-- One row per result that was not delivered yet.
select
    result_id,
    user_id,
    session_id,
    assessment_id,
    submitted_at,
    score_pct,
    is_passed
from results
where getvariable('is_full') or result_id not in (select remembered_results.result_id from remembered_results)
order by submitted_at, result_id
