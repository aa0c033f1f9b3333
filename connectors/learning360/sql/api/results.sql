-- One row per result of an assessment that a message ever told, in the session that it counts in.
select
    messages.id as result_id,
    messages.data.userId as user_id,
    coalesce(session_roots.session_id, messages.data.sessionId) as session_id,
    messages.data.assessmentId as assessment_id,
    messages.data.name,
    messages.data.correctedAt as submitted_at,
    messages.data.score as score_pct,
    messages.data.success as is_passed
from api.messages as messages
left join session_roots on messages.data.sessionId = session_roots.told_session_id
where
    messages.type = 'user.assessment.corrected'
    and messages.id not in (select remembered_results.result_id from remembered_results)
union all by name
select *
from remembered_results
