-- One row per attempt, and what it proves. It was one stay where it spans no more than the time spent and a quarter of an
-- hour: that is a connection, unless an export tells the stay itself. Who may still be at work is waited for: a day
-- without activity, a completion, or a message that it is closed, ends an attempt.
with
timed as (
    select
        *,
        cast(cast(first_activity_at as timestamptz) as timestamp) as began_at,
        cast(cast(last_activity_at as timestamptz) as timestamp) as ended_at,
        cast(cast(completed_at as timestamptz) as timestamp) as completed_on
    from course_attempts
),

told as (
    select distinct timed.attempt_id
    from timed
    inner join known_exports
        on
            timed.user_id = known_exports.user_id
            and timed.course_id = known_exports.course_id
            and known_exports.connected_at <= timed.ended_at
            and coalesce(known_exports.disconnected_at, known_exports.connected_at) >= timed.began_at
)

select
    timed.* exclude (began_at, ended_at, completed_on),
    coalesce(completed_on between began_at and ended_at, false) as ends_completed,
    case
        when session_id is null then 'outside_sessions'
        when began_at is null or ended_at is null or ended_at < began_at then 'without_times'
        when told.attempt_id is not null then 'told_by_an_export'
        when epoch(ended_at - began_at) > coalesce(time_spent_seconds, 0) + 900 then 'pauses'
        when
            completed_on is null
            and ended_at > getvariable('pulled_at') - interval 1 day
            and attempt_id not in (select data.attemptId from api.messages where type = 'course.attempt.closed')
            then 'perhaps_open'
        else 'one_stay'
    end as verdict
from timed
left join told using (attempt_id)
