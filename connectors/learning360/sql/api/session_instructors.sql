-- One row per session and instructor of it or of a part of it.
with
instructors as (
    select
        _id as told_session_id,
        mainInstructorId as user_id,
        true as is_main
    from api.sessions
    union all
    select
        _id as told_session_id,
        unnest(instructorIds) as user_id,
        false as is_main
    from api.sessions
)

select
    session_roots.session_id,
    instructors.user_id,
    bool_or(instructors.is_main and session_roots.told_session_id = session_roots.session_id) as is_main
from instructors
inner join session_roots using (told_session_id)
where instructors.user_id is not null
group by session_roots.session_id, instructors.user_id
