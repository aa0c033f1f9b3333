-- One row per user and custom field with a value, as last asked.
select
    user_id,
    custom_field_id,
    value
from api.field_values
where value is not null
