-- One row per result that was delivered and not voided since.
select *
from all_results
where result_id not in (select voided_statements.event_id from voided_statements)
