-- One row per learner per open program session (D4: begun, not ended, for this learner neither) who has not completed:
-- days since the last trace, or since learner and session could begin, up to the date of the data.
-- @days_inactive: Whole days from silent_since_at to data_as_of; empty where neither activity, enrolment nor session has a date.
select
    follow_up.user_id,
    learners.last_name,
    learners.first_name,
    learners.email,
    follow_up.session_id,
    program_sessions.session_name,
    follow_up.follow_up_status,
    follow_up.last_activity_at,
    follow_up.silent_since_at,
    warehouse_build.data_as_of,
    date_sub('day', follow_up.silent_since_at, warehouse_build.data_as_of) as days_inactive
from fct_learner_follow_up as follow_up
inner join dim_learners as learners on follow_up.user_id = learners.user_id
inner join dim_program_sessions as program_sessions on follow_up.session_id = program_sessions.session_id
cross join warehouse_build
where follow_up.is_open and not follow_up.has_completed_steps
