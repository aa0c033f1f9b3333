-- One row per learner, session and course as exports tell them: which of the platform they are. A learner is known by the
-- address, a course by its exact name among those of the session, then among all; what is called so now comes before
-- what was called so once. Of none, or of several, nobody is chosen: the candidates are told.
with
told as (
    select
        address,
        session_id as told_session_id,
        course_name,
        max(last_name || ' ' || first_name) as learner
    from (
        select * from typed_lines
        union all by name
        select * from remembered_stays
    ) as lines
    where address is not null
    group by address, session_id, course_name
),

-- The setting `users` may say whose an address is, by another address or by the id.
aliases as (
    select
        lower(trim(name)) as address,
        min(email) as alias
    from known_users
    group by lower(trim(name))
    having count(distinct email) = 1
),

addresses as (
    select distinct
        told.address,
        coalesce(aliases.alias, told.address) as wanted
    from told
    left join aliases using (address)
),

users_of_addresses as (
    select
        addresses.address,
        list_sort(list(distinct known.id)) as ids
    from addresses
    inner join (
        select
            id,
            name,
            is_current
        from known_names
        where kind = 'user'
        union all
        select
            _id as id,
            lower(_id) as name,
            true as is_current
        from api.users
    ) as known on addresses.wanted = known.name
    group by addresses.address, known.is_current
    qualify row_number() over (partition by addresses.address order by known.is_current desc) = 1
),

namesakes as (
    select
        name_key(concat_ws(' ', lastName, firstName)) as learner,
        string_agg(coalesce(mail, _id), ', ' order by mail, _id) as candidates
    from api.users
    group by name_key(concat_ws(' ', lastName, firstName))
),

sessions as (
    select
        name as told_session_id,
        arg_max(id, is_current) as session_id
    from known_names
    where kind = 'session'
    group by name
),

session_namesakes as (
    select
        lines.session_id as told_session_id,
        string_agg(distinct session_roots.told_session_id, ', ' order by session_roots.told_session_id) as candidates
    from typed_lines as lines
    inner join session_roots on trim(lines.session_name) = trim(session_roots.name)
    group by lines.session_id
),

session_courses as (
    select
        session_roots.session_id,
        program_steps.resource_id as course_id
    from session_roots
    inner join program_steps using (program_template_id)
    where program_steps.step_type = 'course'
    union
    select
        session_id,
        course_id
    from course_attempts
    where session_id is not null
),

courses_of_names as (
    select
        told.told_session_id,
        told.course_name,
        list_sort(list(distinct known.id)) as ids,
        case
            when session_courses.course_id is not null and known.is_current then 1
            when known.is_current then 2
            when session_courses.course_id is not null then 3
            else 4
        end as tier
    from (select distinct told_session_id, course_name from told) as told
    inner join known_names as known on known.kind = 'course' and nfc_normalize(told.course_name) = known.name
    left join sessions using (told_session_id)
    left join session_courses on sessions.session_id = session_courses.session_id and known.id = session_courses.course_id
    group by told.told_session_id, told.course_name, tier
    qualify row_number() over (partition by told.told_session_id, told.course_name order by tier) = 1
)

select
    told.address,
    told.told_session_id as session_id,
    told.course_name,
    if(len(users_of_addresses.ids) = 1, users_of_addresses.ids[1], null) as user_id,
    sessions.session_id as target_session_id,
    case
        when course_settings.course_id is not null then settled_courses._id
        when len(courses_of_names.ids) = 1 then courses_of_names.ids[1]
    end as course_id,
    course_settings.course_id is not null as is_set,
    true as is_settled,
    case
        when user_id is null then 'unknown_user'
        when target_session_id is null then 'unknown_session'
        when settled_courses._id is null and len(courses_of_names.ids) = 1 is not true then 'unknown_course'
    end as reason,
    case reason
        when 'unknown_user' then coalesce(array_to_string(users_of_addresses.ids, ', '), namesakes.candidates)
        when 'unknown_session' then session_namesakes.candidates
        when 'unknown_course' then array_to_string(courses_of_names.ids, ', ')
    end as candidates
from told
left join users_of_addresses using (address)
left join namesakes on name_key(told.learner) = namesakes.learner
left join sessions using (told_session_id)
left join session_namesakes using (told_session_id)
left join courses_of_names using (told_session_id, course_name)
left join course_settings on told.course_name = course_settings.course_name
left join api.courses as settled_courses on course_settings.course_id = settled_courses._id
