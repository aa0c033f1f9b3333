select
    cast(id as varchar) as custom_field_id,
    in_display_language(coalesce(name, shortname)) as title,
    case when datatype = 'datetime' then 'date' else 'string' end as value_type
from moodle.user_info_field
order by id
