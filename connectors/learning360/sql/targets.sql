-- One row per learner, session and course as exports tell them, and the ids that are made of what they say.
select distinct
    told.address,
    told.session_id,
    told.course_name,
    id_of_email(told.address) as user_id,
    told.session_id as target_session_id,
    coalesce(course_settings.course_id, 'course-' || left(sha256(told.course_name), 16)) as course_id,
    course_settings.course_id is not null as is_set,
    course_settings.course_id is not null as is_settled,
    cast(null as varchar) as reason,
    cast(null as varchar) as candidates
from (
    select
        address,
        session_id,
        course_name
    from typed_lines
    union all
    select
        address,
        session_id,
        course_name
    from remembered_stays
) as told
left join course_settings on told.course_name = course_settings.course_name
where told.address is not null
