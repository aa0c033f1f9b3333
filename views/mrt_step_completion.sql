-- One row per program session per course or assessment of its program: who began it, completed it, passed it.
-- @learner_count: Number of the session's learners.
-- @started_count: Number of them who began it.
-- @completed_learner_count: Number of them who completed it (D1).
-- @completed_pct: completed_learner_count in percent of learner_count.
-- @judged_learner_count: Number of them whose result says passed or failed; 0 of a course.
-- @passed_learner_count: Number of them who passed.
-- @passed_pct: passed_learner_count in percent of judged_learner_count.
-- @mean_score_pct: Mean of their best scores, in percent.
-- @step_hours: Retained seconds of the connections with it, in hours; an assessment has none.
select
    session_id,
    step_type,
    resource_id,
    resource_name,
    is_optional,
    count(*) as learner_count,
    count(*) filter (where is_started) as started_count,
    count(*) filter (where is_completed) as completed_learner_count,
    100 * completed_learner_count / learner_count as completed_pct,
    count(is_passed) filter (where step_type = 'assessment') as judged_learner_count,
    count(*) filter (where is_passed and step_type = 'assessment') as passed_learner_count,
    100 * passed_learner_count / nullif(judged_learner_count, 0) as passed_pct,
    avg(score_pct) as mean_score_pct,
    sum(retained_seconds) / 3600 as step_hours
from fct_credited_activities
group by session_id, step_type, resource_id, resource_name, is_optional
