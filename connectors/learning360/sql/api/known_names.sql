-- One row per user and address, course and name, session and id, as the platform tells them or ever did to a pull.
with
present as (
    select
        'user' as kind,
        _id as id,
        lower(trim(mail)) as name
    from api.users
    where mail is not null
    union all
    select
        'course' as kind,
        _id as id,
        nfc_normalize(trim(name)) as name
    from api.courses
    where name is not null
    union all
    select
        'session' as kind,
        session_id as id,
        told_session_id as name
    from session_roots
)

select
    kind,
    id,
    name,
    bool_or(is_current) as is_current
from (
    select
        *,
        true as is_current
    from present
    union all by name
    select
        kind,
        id,
        name,
        false as is_current
    from remembered_names
) as known
group by kind, id, name
