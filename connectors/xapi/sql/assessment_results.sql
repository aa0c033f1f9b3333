-- One row per result that is new, or was voided since it was delivered: it stays, without what it said.
select
    all_results.result_id,
    all_results.user_id,
    all_results.session_id,
    all_results.assessment_id,
    if(is_voided, null, all_results.submitted_at) as submitted_at,
    if(is_voided, null, all_results.score_pct) as score_pct,
    if(is_voided, null, all_results.is_passed) as is_passed
from (
    select
        all_results.*,
        all_results.result_id in (select voided_statements.event_id from voided_statements) as is_voided,
        all_results.result_id in (select remembered_results.result_id from remembered_results) as is_remembered
    from all_results
) as all_results
where is_voided or not is_remembered
order by all_results.result_id
