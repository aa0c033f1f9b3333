-- One row per attempt that is or ever was delivered as a connection: what a pull knows of it for the next one. Where it
-- turns out otherwise, the connection is withdrawn, and what holds now has a new id. An attempt that the platform tells
-- no more stays, as does the connection of one that may be open again.
with
produced as (
    select
        attempt_id,
        user_id,
        session_id,
        course_id,
        first_activity_at as connected_at,
        if(ends_completed, completed_at, last_activity_at) as disconnected_at,
        if(ends_completed, 'completed', 'unknown') as end_reason
    from judged_attempts
    where verdict = 'one_stay'
),

compared as (
    select
        coalesce(produced.attempt_id, history.attempt_id) as attempt_id,
        produced.attempt_id is not null as is_produced,
        history.attempt_id is not null and not history.is_withdrawn as was_told,
        row(
            history.user_id, history.session_id, history.course_id, history.connected_at, history.disconnected_at
        ) is not distinct from row(
            produced.user_id, produced.session_id, produced.course_id, produced.connected_at, produced.disconnected_at
        ) as is_same,
        coalesce(judged_attempts.verdict, 'perhaps_open') <> 'perhaps_open' as is_judged,
        judged_attempts.verdict,
        history.revision as earlier_revision,
        if(is_produced, produced.user_id, history.user_id) as user_id,
        if(is_produced, produced.session_id, history.session_id) as session_id,
        if(is_produced, produced.course_id, history.course_id) as course_id,
        if(is_produced, produced.connected_at, history.connected_at) as connected_at,
        if(is_produced, produced.disconnected_at, history.disconnected_at) as disconnected_at,
        produced.end_reason
    from produced
    full join remembered_attempts as history using (attempt_id)
    left join judged_attempts on coalesce(produced.attempt_id, history.attempt_id) = judged_attempts.attempt_id
)

select
    attempt_id,
    user_id,
    session_id,
    course_id,
    connected_at,
    disconnected_at,
    end_reason,
    verdict,
    earlier_revision,
    was_told and is_judged and not (is_produced and is_same) as is_taken_back,
    is_produced and (getvariable('is_full') or not (was_told and is_same)) as is_news,
    coalesce(earlier_revision, 0)
    + if(earlier_revision is not null and is_produced and not (was_told and is_same), 1, 0) as revision,
    not is_produced and not (was_told and not is_judged) as is_withdrawn
from compared
