-- Of a deleted user Moodle keeps the hash of a name as e-mail, and "<e-mail>.<epoch>" as username.
select
    cast(u.id as varchar) as user_id,
    case
        when coalesce(u.deleted, 0) = 0 then blank_as_null(u.email)
        when regexp_matches(u.username, '\.\d{10}$') and contains(regexp_replace(u.username, '\.\d{10}$', ''), '@')
            then regexp_replace(u.username, '\.\d{10}$', '')
        else before.email
    end as email,
    case when coalesce(u.deleted, 0) = 0 then u.username end as username,
    u.firstname as first_name,
    u.lastname as last_name,
    text_of_html(u.description) as additional_information,
    case
        when u.deleted = 1 then 'deleted'
        when u.confirmed = 0 then 'invited'
        else 'active'
    end as status,
    case
        when u.deleted = 1
            then instant(coalesce(try_cast(regexp_extract(u.username, '\.(\d{10})$', 1) as bigint), u.timemodified))
    end as deleted_at,
    blank_as_null(u.lang) as language,
    blank_as_null(u.institution) as employer
from people as u
left join previous.users as before on cast(u.id as varchar) = before.user_id
order by u.id
