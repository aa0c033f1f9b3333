-- One row per user. Who was deleted and came back has days of deletion too: they count while the status says so.
select
    _id as user_id,
    mail as email,
    username,
    firstName as first_name,
    lastName as last_name,
    custom as additional_information,
    status,
    case when status = 'deleted' then list_max(deletedAt) end as deleted_at,
    lang as language,
    organization as employer
from api.users
