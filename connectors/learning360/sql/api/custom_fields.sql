-- One row per custom field of users.
select
    _id as custom_field_id,
    name as title,
    type as value_type
from api.custom_fields
where coalesce(targetType, 'users') = 'users'
